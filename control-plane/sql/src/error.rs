//! What can go wrong between a closure and its commit.

use std::error::Error as StdError;

/// An error of the database or of the way to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address names no engine that this build has.
    #[error(
        "database address {0:?} is not understood: use sqlite:<path> or postgres://<host>/<db>"
    )]
    Address(String),
    /// The engine could not be reached or its file not be opened.
    #[error("cannot open the database at {address}: {source}")]
    Open {
        /// The address, without a password.
        address: String,
        /// What the engine said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The engine refused a statement.
    #[error("statement {statement} failed: {source}")]
    Engine {
        /// The statement's name.
        statement: &'static str,
        /// What the engine said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A `UNIQUE` or `PRIMARY KEY` constraint refused the row.
    #[error("statement {statement} would duplicate a row: {detail}")]
    Unique {
        /// The statement's name.
        statement: &'static str,
        /// What the engine said, naming the constraint.
        detail: String,
    },
    /// A `CHECK`, `NOT NULL` or `FOREIGN KEY` constraint refused the row.
    #[error("statement {statement} breaks a constraint: {detail}")]
    Constraint {
        /// The statement's name.
        statement: &'static str,
        /// What the engine said, naming the constraint.
        detail: String,
    },
    /// Another writer was in the way; the whole transaction may be tried again.
    #[error("statement {statement} met a conflicting transaction: {detail}")]
    Conflict {
        /// The statement's name.
        statement: &'static str,
        /// What the engine said.
        detail: String,
    },
    /// [`Tx::one`](crate::Tx::one) found no row.
    #[error("statement {0} found no row")]
    NoRow(&'static str),
    /// A column is missing, null or of another type.
    #[error("column {index} cannot be read: {detail}")]
    Column {
        /// Position from 0.
        index: usize,
        /// What the engine said.
        detail: String,
    },
    /// A migration that already ran has another text now.
    #[error("migration {0} ran with another text before: add a new migration, never change one")]
    MigrationChanged(String),
    /// The closure panicked; its effects are undone.
    #[error("a database closure panicked")]
    Panicked,
    /// The commit failed; nothing of the closure is kept.
    #[error("commit failed: {0}")]
    Commit(String),
    /// The database was shut down.
    #[error("the database is closed")]
    Closed,
}

impl Error {
    /// Whether the same transaction may succeed when it runs again.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    pub(crate) fn open(address: &str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Open { address: address.to_owned(), source: source.into() }
    }
}
