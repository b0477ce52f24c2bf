//! Purges: commands with a sequence of their own, done when each live edge has said so.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to remove from the caches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PurgeTarget {
    /// One URL, all its variants: `http://host/path?query`.
    Url(String),
    /// Everything that carries this tag (`Surrogate-Key`, `Cache-Tag`).
    Tag(String),
    /// Every URL of a host that begins with this: `http://host/dir/`.
    Prefix(String),
    /// Everything of one host.
    Host(String),
    /// Everything.
    All(bool),
}

/// A purge as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Purge {
    /// What to remove, at most 1,000 targets.
    pub targets: Vec<PurgeTarget>,
    /// Whether copies stay as stale ones that may still be served on error.
    #[serde(default)]
    pub soft: bool,
    /// How long the answer waits for the edges, in milliseconds; at most 60,000.
    #[serde(default = "wait_ms_default")]
    pub wait_ms: u64,
}

/// A line of the stream: carry this out and acknowledge it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeEvent {
    /// Its place in the sequence.
    pub seq: u64,
    /// When it was asked for: what was stored before is meant.
    pub at: u64,
    /// What to remove.
    pub targets: Vec<PurgeTarget>,
    /// Whether copies stay as stale ones.
    #[serde(default)]
    pub soft: bool,
}

/// A node has carried out every purge up to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PurgeAck {
    /// The last one.
    pub seq: u64,
}

/// What has become of a purge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PurgeReport {
    /// Its place in the sequence.
    pub seq: u64,
    /// Whether every live edge has carried it out.
    pub done: bool,
    /// Edges that have.
    pub acknowledged: Vec<String>,
    /// Live edges that have not yet.
    pub missing: Vec<String>,
    /// Edges that are away; they carry it out before they serve again.
    pub away: Vec<String>,
    /// How long the answer waited, in milliseconds.
    pub waited_ms: u64,
}

impl Purge {
    /// A hard purge of these targets that waits five seconds.
    pub fn new(targets: Vec<PurgeTarget>) -> Self {
        Self { targets, soft: false, wait_ms: wait_ms_default() }
    }
}

fn wait_ms_default() -> u64 {
    5_000
}
