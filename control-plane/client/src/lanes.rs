//! The tasks of a subscription, a file each.

use tidegate_control_api::{PurgeEvent, TableEvent, TableHead};
use tokio::sync::{mpsc, watch};

use crate::Saved;

pub(crate) mod purges;
pub(crate) mod report;
pub(crate) mod shared;
pub(crate) mod specs;
pub(crate) mod stream;
pub(crate) mod tables;

/// Where the stream task puts what it reads.
pub(crate) struct Lanes {
    pub(crate) spec: watch::Sender<Option<Saved>>,
    pub(crate) table: mpsc::Sender<TableMessage>,
    pub(crate) purge: mpsc::Sender<PurgeEvent>,
}

/// What the table lane gets, in the order of the stream.
pub(crate) enum TableMessage {
    Event(TableEvent),
    /// The server stood here when the heartbeat arrived.
    Head {
        table: String,
        head: TableHead,
        arrived: std::time::Instant,
    },
}
