//! The kit's own tables: they lie in the database of every context.

use std::path::Path;

use tidegate_sql::{Db, Migration, Options, Result, Statement, params, statements};

use crate::{Fault, random};

/// The first migration of every context: the kit's tables.
pub const MIGRATION_001: Migration = Migration::new("kit_001", include_str!("store/001_kit.sql"));

const SECRET_BYTES: usize = 32;

/// What a context keeps in SQL.
#[derive(Debug, Clone, Copy)]
pub struct Database {
    /// The context's name: the file on SQLite, the schema on PostgreSQL.
    pub name: &'static str,
    /// [`MIGRATION_001`], then the context's own.
    pub migrations: &'static [Migration],
    /// Every statement of the context, for the test that prepares them on both engines.
    pub statements: &'static [&'static Statement],
}

statements! {
    pub STATEMENTS:
    IDEM_BEGIN = "INSERT INTO kit_idem (scope, key, print, expires) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (scope, key) DO UPDATE SET print = excluded.print, status = NULL, headers = NULL, \
        body = NULL, expires = excluded.expires WHERE kit_idem.expires < $5 RETURNING scope";
    IDEM_FIND = "SELECT print, status, headers, body FROM kit_idem WHERE scope = $1 AND key = $2";
    IDEM_RECORD = "UPDATE kit_idem SET status = $1, headers = $2, body = $3 WHERE scope = $4 AND key = $5";
    IDEM_EXPIRE = "DELETE FROM kit_idem WHERE expires < $1";
    SECRET_ADD = "INSERT INTO kit_secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    SECRET_FIND = "SELECT value FROM kit_secret WHERE name = $1";
}

impl Database {
    /// How the database is opened.
    pub const fn options(&self) -> Options {
        Options::new(self.name, self.migrations)
    }

    /// The address of this context's database: a file below `folder` where `base` is `sqlite:`, else the
    /// server `base`, in which the context has a schema of its own.
    pub fn address(&self, base: &str, folder: &Path) -> String {
        match base {
            "" | "sqlite:" => {
                format!("sqlite:{}", folder.join(self.name).with_extension("db").display())
            }
            server => server.to_owned(),
        }
    }
}

/// The secret `name` of this database: made at the first call, the same ever after and in every process.
///
/// # Errors
/// When the database cannot be written.
pub async fn secret(db: &Db, name: &'static str) -> Result<Vec<u8>> {
    let fresh = random::bytes::<SECRET_BYTES>().to_vec();
    db.write(async move |tx| {
        tx.exec(&SECRET_ADD, params![name, &fresh]).await?;
        let (value,) = tx.one::<(Vec<u8>,)>(&SECRET_FIND, params![name]).await?;
        Ok(value)
    })
    .await
}

impl From<tidegate_sql::Error> for Fault {
    fn from(error: tidegate_sql::Error) -> Self {
        use tidegate_sql::Error;
        match error {
            Error::Conflict { .. } | Error::Open { .. } | Error::Commit(_) | Error::Closed => {
                Self::Unavailable { retry_secs: 1, cause: error.to_string() }
            }
            other => Self::bug(other),
        }
    }
}
