//! The watch stream: one JSON object a line, one key an object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::{NodeKind, PurgeEvent, TableEvent, TableHead};

/// One line of the stream, `{"spec": {...}}` and so on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The revision that this node is to run.
    Spec(SpecEvent),
    /// A table moves on.
    Table(TableEvent),
    /// Carry this out and acknowledge it.
    Purge(PurgeEvent),
    /// The server is there; where everything stands.
    Heartbeat(Heartbeat),
}

/// The revision that this node is to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpecEvent {
    /// Its number. It may be lower than the one before when a rollout was taken back.
    pub revision: u64,
    /// Hash of the whole spec with its secrets filled in; a service gets part of it.
    pub hash: String,
    /// The spec, JSON.
    pub spec: Box<RawValue>,
}

/// Where everything stands at the server. A subscriber that has all of it is fresh.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The server's time.
    pub at: u64,
    /// The revision this node is to run.
    #[serde(default)]
    pub revision: Option<u64>,
    /// The hash of it.
    #[serde(default)]
    pub hash: Option<String>,
    /// The last purge.
    #[serde(default)]
    pub purge_seq: u64,
    /// The tables this node watches.
    #[serde(default)]
    pub tables: BTreeMap<String, TableHead>,
}

/// What a subscriber asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub struct WatchQuery {
    /// The node's name; letters, digits, `-`, `_`, `.`, at most 100.
    #[serde(default)]
    pub node: String,
    /// What it is.
    #[serde(default)]
    pub kind: NodeKind,
    /// The hash of the revision it runs; that one is not sent again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// The last purge it carried out; left out by a node with an empty cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Tables with the last sequence applied: `links:17,blocklist:0`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tables: String,
}

impl WatchQuery {
    /// The tables asked for, each with the last sequence applied. What cannot be read is from 0.
    pub fn table_positions(&self) -> BTreeMap<String, u64> {
        self.tables
            .split(',')
            .filter(|part| !part.is_empty())
            .map(|part| part.split_once(':').unwrap_or((part, "0")))
            .map(|(name, seq)| (name.to_owned(), seq.parse().unwrap_or(0)))
            .collect()
    }
}
