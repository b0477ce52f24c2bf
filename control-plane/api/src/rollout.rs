//! The way of a revision through the fleet: to all at once, or in waves with gates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which nodes a wave adds to those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wave {
    /// This share of the edges, at least one, in percent.
    Percent(u8),
    /// These nodes.
    Nodes(Vec<String>),
    /// Nodes that carry all these labels.
    Labels(BTreeMap<String, String>),
    /// Everybody.
    All(bool),
}

/// When a wave halts the rollout and takes it back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Gates {
    /// Share of answers with status 5xx since the revision became active, in percent, above which
    /// the rollout is taken back.
    pub error_percent_max: f64,
    /// Plugin traps since the revision became active, above which it is taken back.
    pub plugin_traps_max: f64,
    /// p99 latency relative to before, in percent, above which it is taken back; 0 leaves it out.
    pub latency_percent_max: f64,
    /// How long every node of a wave must be healthy before the next, in milliseconds.
    pub soak_ms: u64,
    /// How long a wave may take to become healthy before it is taken back, in milliseconds.
    pub deadline_ms: u64,
}

/// How a new revision is to go out; a parameter of `PUT /v1/spec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RolloutNew {
    /// In this order; everybody follows the last one. Empty: everybody at once.
    #[serde(default)]
    pub waves: Vec<Wave>,
    /// When it halts.
    #[serde(default)]
    pub gates: Gates,
}

/// How a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// A wave is out and its gates are watched.
    Running,
    /// Everybody is to run it.
    Done,
    /// A gate or a person took it back: everybody runs the revision before.
    Reverted,
}

/// The newest rollout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Rollout {
    /// The revision that goes out.
    pub revision: u64,
    /// The revision that everybody else runs, and that a halt goes back to.
    pub base: Option<u64>,
    /// How it stands.
    pub state: RolloutState,
    /// How many waves have begun.
    pub wave: usize,
    /// The plan.
    pub plan: RolloutNew,
    /// Nodes that are to run the revision.
    pub nodes: Vec<String>,
    /// Why it was taken back, or what it waits for.
    pub reason: String,
    /// When the wave began.
    pub since: u64,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            error_percent_max: 5.0,
            plugin_traps_max: 0.0,
            latency_percent_max: 0.0,
            soak_ms: 5_000,
            deadline_ms: 60_000,
        }
    }
}

impl RolloutState {
    /// The word used in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Reverted => "reverted",
        }
    }

    /// The state with this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Running, Self::Done, Self::Reverted].into_iter().find(|state| state.as_str() == word)
    }
}
