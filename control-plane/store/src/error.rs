//! What the store refuses.

/// Why a call into the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] tidegate_sql::Error),
    /// The spec has moved on since the caller read it.
    #[error("the spec is at revision {current:?} now: read it again and repeat the change on it")]
    Stale {
        /// The newest revision, when there is one.
        current: Option<u64>,
    },
    /// Nothing is there.
    #[error("{0} was not found")]
    NotFound(String),
    /// A rollout is under way.
    #[error("revision {0} is being rolled out: promote or abort it first")]
    RolloutRunning(u64),
    /// The request is out of bounds.
    #[error("{0}")]
    Refused(String),
    /// The blob folder failed.
    #[error("blob folder {path}: {source}")]
    Io {
        /// Which path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was written cannot be read.
    #[error("stored {what} cannot be read: {detail}")]
    Corrupt {
        /// Which thing.
        what: String,
        /// Why not.
        detail: String,
    },
}

impl StoreError {
    pub(crate) fn corrupt(what: impl Into<String>, detail: impl ToString) -> Self {
        Self::Corrupt { what: what.into(), detail: detail.to_string() }
    }
}
