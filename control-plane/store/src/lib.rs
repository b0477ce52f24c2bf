//! What the control plane remembers: revisions, generated keys, rollouts, nodes, tables, purges,
//! tokens and the audit log in one database, blobs in a folder.
//!
//! It decides nothing about specs (the server validates them) and sends nothing (the server does).
//!
//! **Invariant:** revisions, purges, audit entries and each table's operations are gapless sequences
//! in the order of their commits; a reader that has seen `n` never misses a smaller one.
//! **Invariant:** a revision's spec never changes, and neither does a generated key.
//! **Invariant:** every audit entry's hash covers the one before it.
//! **Invariant:** keys of keysets are in the database only sealed, with a key that is not in it.
//! **Invariant:** a blob is visible under its hash only when all its bytes are on disk.
//!
//! Entry type: [`Store`].

mod audit;
mod blob;
mod counter;
mod counts;
mod error;
mod node;
mod plugin;
mod purge;
mod revision;
mod rollout;
mod seal;
mod secret;
mod table;
#[cfg(test)]
mod tests;
mod token;

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_sql::{Db, Migration, Options, Statement};
use tokio::sync::watch;

pub use audit::AuditNew;
pub use blob::{BLOB_BYTES_MAX, BlobUpload};
pub use counter::Heads;
pub use counts::CountsOwner;
pub use error::StoreError;
pub use node::{EdgePurged, LIVE_MS_MAX, NodeRow};
pub use revision::{RevisionNew, StoredRevision};
pub use rollout::RolloutStep;
pub use seal::{SEAL_KEY_BYTES, Seal};
pub use secret::REDACTED;
pub use table::{OPS_KEPT_MIN, OPS_PER_APPEND_MAX, TablePage};
pub use token::Enrolment;

/// What a call gives.
pub type Result<T> = std::result::Result<T, StoreError>;

static MIGRATIONS: &[Migration] = &[
    Migration::new("001_init", include_str!("../migrations/001_init.sql")),
    Migration::new("002_plugins", include_str!("../migrations/002_plugins.sql")),
    Migration::new("003_counts", include_str!("../migrations/003_counts.sql")),
];

/// How the control plane's database is opened.
pub static OPTIONS: Options = Options::new("control", MIGRATIONS);

/// Every statement, for the test that prepares them on both engines.
pub static STATEMENTS: &[&[&Statement]] = &[
    audit::STATEMENTS,
    counter::STATEMENTS,
    counts::STATEMENTS,
    node::STATEMENTS,
    plugin::STATEMENTS,
    purge::STATEMENTS,
    revision::STATEMENTS,
    rollout::STATEMENTS,
    secret::STATEMENTS,
    table::STATEMENTS,
    token::STATEMENTS,
];

/// The control plane's memory. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: Db,
    blobs: blob::Folder,
    seal: Arc<Seal>,
    changed: watch::Sender<u64>,
}

impl Store {
    /// Opens the database at `address` (`sqlite:path`, `postgres://...`) and the folder for blobs.
    /// All servers on one database need the same seal.
    pub async fn open(address: &str, blobs: &Path, seal: Seal) -> Result<Self> {
        let db = Db::open(address, &OPTIONS).await?;
        Self::with_db(db, blobs, seal)
    }

    /// The same over a database that is open already.
    pub fn with_db(db: Db, blobs: &Path, seal: Seal) -> Result<Self> {
        let (blobs, changed) = (blob::Folder::open(blobs)?, watch::Sender::new(0));
        Ok(Self { db, blobs, seal: Arc::new(seal), changed })
    }

    /// Wakes after every change made through this store. Changes made by another process on the
    /// same database do not wake it: poll [`Store::heads`] for those.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether other processes may write to the same database.
    pub fn is_shared(&self) -> bool {
        self.db.engine() == "postgres"
    }

    /// Has the closure's commit wake whoever waits for changes.
    fn announce(&self) -> impl Fn(&mut tidegate_sql::Tx) + Send + Sync + 'static {
        let changed = self.changed.clone();
        move |tx| {
            let changed = changed.clone();
            tx.after_commit(move || changed.send_modify(|n| *n = n.wrapping_add(1)));
        }
    }
}

/// Microseconds since 1970.
pub fn micros_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
