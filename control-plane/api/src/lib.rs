//! Paths and types of the control plane's API: what travels between the server, its nodes, origin
//! services and the admin verbs.
//!
//! It holds no behaviour beyond reading and writing these types: no sockets, no database.
//!
//! **Invariant:** a line of the watch stream is one JSON object with one key, its kind; a reader
//! skips kinds it does not know.
//! **Invariant:** times are microseconds since 1970, hashes are lower-case hex SHA-256.
//!
//! Entry types: [`Event`] for the stream, [`Fault`] for every error answer.

pub mod admin;
pub mod anomaly;
pub mod event;
pub mod fault;
pub mod node;
pub mod paths;
pub mod plugin;
pub mod purge;
pub mod role;
pub mod rollout;
pub mod table;
#[cfg(test)]
mod tests;

pub use admin::{
    Applied, AuditEntry, AuditPage, AuditQuery, BlobRef, Change, ChangeKind, Enrol,
    EnrolmentCreated, EnrolmentNew, Revision, RevisionPage, RevisionsQuery, Token, TokenCreated,
    TokenNew, Validation,
};
pub use anomaly::{
    AnomalousClient, AnomalousRoute, AnomalyPage, AnomalyReport, Busiest, Busy, Tightening,
    WatchedLimit,
};
pub use event::{Event, Heartbeat, SpecEvent, WatchQuery};
pub use fault::Fault;
pub use node::{Ack, Beat, Node, NodeKind, NodeList, Phase};
pub use plugin::{PluginList, PluginNew, PluginVersion};
pub use purge::{Purge, PurgeAck, PurgeEvent, PurgeReport, PurgeTarget};
pub use role::{Permission, Role};
pub use rollout::{Gates, Rollout, RolloutNew, RolloutState, Wave};
pub use table::{Op, TableBase, TableEvent, TableHead, TableOp, TableOps, TableSeq};
pub use tidegate_spec::Problem;
