//! What edges, origin services and the admin verbs use to talk to the control plane.
//!
//! [`Client`] makes single calls. [`Subscriber`] keeps a node up to date: it holds the watch stream,
//! resumes it, hands what arrives to a [`Handler`], acknowledges, and keeps the last confirmed spec
//! on disk. It compiles nothing and serves nothing: the handler does.
//!
//! **Invariant:** a node with a confirmed spec on disk starts from it at once, whether or not a
//! control plane is in reach.
//! **Invariant:** a spec is on disk, marked `trying`, before the handler sees it, and is marked
//! `confirmed` only after the handler called itself healthy; `trying` is never preferred at boot.
//! **Invariant:** the operations of a table reach the handler in order, without a gap; where one is
//! lost the table starts anew.
//! **Invariant:** a purge is acknowledged after the handler returned from it, never before.
//!
//! Entry types: [`Client`], [`Subscriber`].

mod backoff;
mod blobs;
mod client;
mod durable;
mod error;
mod fresh;
mod lanes;
mod last_good;
mod lines;
mod pack;
mod subscriber;
#[cfg(test)]
mod tests;
mod transport;

pub use blobs::Blobs;
pub use client::{Apply, Client, Fetched};
pub use error::ClientError;
pub use fresh::{Freshness, TableFreshness};
pub use last_good::{LastGood, Mark, Saved};
pub use subscriber::{
    Handler, SpecUpdate, Status, Subscriber, SubscriberConfig, Subscription, TableUpdate,
};
pub use tidegate_control_api as api;

/// What a call gives.
pub type Result<T> = std::result::Result<T, ClientError>;
