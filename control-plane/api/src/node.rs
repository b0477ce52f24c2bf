//! Nodes: what they acknowledge and what they say of themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_spec::Problem;
use utoipa::ToSchema;

/// What a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// An edge: gets the whole spec, is asked for purges.
    #[default]
    Edge,
    /// An origin service: gets `services`, `keysets` and `link_domains`.
    Service,
}

/// How far a revision got on one node.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The bytes are there.
    Received,
    /// It compiles here and everything it needs was fetched.
    Validated,
    /// New requests use it.
    Active,
    /// It ran well for the health window and is kept as last confirmed.
    Healthy,
    /// It cannot be used here; the node stays on what it had.
    Rejected,
    /// It was active and was taken back.
    Reverted,
}

/// A node says how far a revision got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ack {
    /// The revision.
    pub revision: u64,
    /// Its hash, as the node computed or received it.
    pub hash: String,
    /// How far.
    pub phase: Phase,
    /// Why not, for `rejected` and `reverted`: all problems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub problems: Vec<Problem>,
}

/// A node says what it runs. Sent every few seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Beat {
    /// The revision that answers requests, when there is one.
    #[serde(default)]
    pub revision: Option<u64>,
    /// The hash of it.
    #[serde(default)]
    pub hash: Option<String>,
    /// The last purge carried out.
    #[serde(default)]
    pub purge_seq: u64,
    /// The last operation applied of each table.
    #[serde(default)]
    pub tables: BTreeMap<String, u64>,
    /// Version of the program.
    #[serde(default)]
    pub version: String,
    /// Figures that gates and the page read: `requests_total`, `errors_total`, `hits_total`,
    /// `latency_p99_us`, `plugin_traps_total`, and whatever else the node counts.
    #[serde(default)]
    pub stats: BTreeMap<String, f64>,
    /// Where the node can be reached by an operator, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Clients that stand out; not kept with the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomalies: Option<crate::AnomalyReport>,
    /// Labels for waves, such as `pop=fra`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A node as the control plane sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its name.
    pub node: String,
    /// What it is.
    pub kind: NodeKind,
    /// Whether its stream or its heartbeats are there.
    pub live: bool,
    /// Live, on its target revision, and confirmed.
    pub healthy: bool,
    /// Live, but what it runs is not what it should run.
    pub drift: bool,
    /// The revision it should run.
    pub target: Option<u64>,
    /// The revision of its last acknowledgement, and how far it got.
    pub acked: Option<u64>,
    /// How far that revision got.
    pub phase: Option<Phase>,
    /// Problems of that acknowledgement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub problems: Vec<Problem>,
    /// When it was last heard of.
    pub seen_at: u64,
    /// Its last heartbeat.
    pub beat: Beat,
}

/// Answer of `GET /v1/nodes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeList {
    /// The newest revision of the fleet spec.
    pub revision: Option<u64>,
    /// Nodes by name.
    pub nodes: Vec<Node>,
}

impl NodeKind {
    /// The word used in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Service => "service",
        }
    }

    /// The kind with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Edge, Self::Service].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Phase {
    /// All phases in their order.
    pub const ALL: [Self; 6] = [
        Self::Received,
        Self::Validated,
        Self::Active,
        Self::Healthy,
        Self::Rejected,
        Self::Reverted,
    ];

    /// The word used in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Validated => "validated",
            Self::Active => "active",
            Self::Healthy => "healthy",
            Self::Rejected => "rejected",
            Self::Reverted => "reverted",
        }
    }

    /// The phase with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }
}
