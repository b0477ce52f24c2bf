//! Schema changes: each runs once, in order, in a transaction of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::{Db, Error, Result, params, statements};

/// One schema change, text for both engines: `Migration::new("001_init", include_str!("001_init.sql"))`.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// A name that never changes.
    pub name: &'static str,
    /// Statements separated by semicolons.
    pub text: &'static str,
}

statements! {
    pub(crate) STATEMENTS:
    MIGRATION_FIND = "SELECT digest FROM schema_migration WHERE name = $1";
    MIGRATION_ADD = "INSERT INTO schema_migration (name, digest, at) VALUES ($1, $2, $3)";
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration \
     (name TEXT PRIMARY KEY, digest TEXT NOT NULL, at BIGINT NOT NULL)";

impl Migration {
    /// A migration with its name and text.
    pub const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text }
    }

    fn digest(&self) -> String {
        Sha256::digest(self.text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

pub(crate) async fn run(db: &Db, migrations: &[Migration]) -> Result<()> {
    let all = migrations.to_vec();
    db.write(async move |tx| {
        tx.script("migration lock", tx.migration_lock()).await?;
        tx.script("schema_migration", TABLE).await?;
        for migration in &all {
            apply(tx, migration).await?;
        }
        Ok(())
    })
    .await
}

async fn apply(tx: &mut crate::Tx, migration: &Migration) -> Result<()> {
    let digest = migration.digest();
    match tx.opt::<(String,)>(&MIGRATION_FIND, params![migration.name]).await? {
        Some((before,)) if before == digest => return Ok(()),
        Some(_) => return Err(Error::MigrationChanged(migration.name.to_owned())),
        None => {}
    }
    tx.script(migration.name, migration.text).await?;
    tx.exec(&MIGRATION_ADD, params![migration.name, digest, micros_now()]).await?;
    tracing::info!(migration = migration.name, "migration applied");
    Ok(())
}

impl crate::Tx {
    /// Two processes that start at once must not run the same migration twice. SQLite's writer is
    /// alone by `BEGIN IMMEDIATE`.
    fn migration_lock(&self) -> &'static str {
        match self.engine {
            crate::tx::Engine::Lite(_) => "",
            crate::tx::Engine::Pg(_) => "SELECT pg_advisory_xact_lock(7443126)",
        }
    }
}

fn micros_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
