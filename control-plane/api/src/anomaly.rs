//! Clients and routes that stand out: what nodes report, and what pages show. Keys are hashes.

use serde::{Deserialize, Serialize};
use tidegate_limit::anomaly::{Found, Signal, Stage, Watch};
use utoipa::ToSchema;

/// Answer of `GET /v1/anomalies`, on a node and on the control plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnomalyPage {
    /// The limits whose clients are watched, with what is usual there.
    pub limits: Vec<WatchedLimit>,
    /// Clients that stand out, those about whom most is done first.
    pub clients: Vec<AnomalousClient>,
    /// Routes that stand out.
    pub routes: Vec<AnomalousRoute>,
}

/// A limit whose clients are watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WatchedLimit {
    /// Its name.
    pub limit: String,
    /// `observe`, `shadow` or `tighten`.
    pub action: String,
    /// Whether enough was seen for anybody to stand out.
    pub warm: bool,
    /// Different clients of the last minutes.
    pub clients: f64,
    /// Requests a second of the client in the middle.
    pub usual_rate: f64,
    /// Share of answers with a status of 400 or more.
    pub usual_failed: f64,
    /// Share of denials.
    pub usual_denied: f64,
}

impl WatchedLimit {
    /// What a watch says of its limit.
    pub fn of(limit: &str, watch: &Watch) -> Self {
        let usual = watch.usual();
        Self {
            limit: limit.to_owned(),
            action: watch.settings().action.as_str().to_owned(),
            warm: usual.warm,
            clients: usual.clients.round(),
            usual_rate: usual.rate,
            usual_failed: usual.failed,
            usual_denied: usual.denied,
        }
    }
}

/// A client that stands out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnomalousClient {
    /// The limit.
    pub limit: String,
    /// The key's hash, in hex.
    pub key: String,
    /// `rate`, `failed` or `denied`.
    pub signal: String,
    /// How many usual deviations above what is usual.
    pub z: f64,
    /// Requests a second.
    pub rate: f64,
    /// What is usual: a rate, or a share.
    pub usual: f64,
    /// Share of failures or denials, where that is the signal.
    pub share: f64,
    /// `observed`, `shadow` or `tightened`.
    pub state: String,
    /// Since when, microseconds since 1970.
    pub since: u64,
    /// When this state ends, where it has an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Requests a second that it is tightened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tightened_to: Option<f64>,
    /// Requests that passed, which the tighter limit would have denied.
    pub would_deny: u64,
    /// Requests that the tighter limit denied.
    pub denied: u64,
    /// Who found it: a node by its name, or `fleet`.
    pub found_by: String,
}

impl AnomalousClient {
    /// A client that `found_by` (a node by its name, or `fleet`) has found under a limit.
    pub fn of(limit: &str, found: &Found, found_by: &str) -> Self {
        Self {
            limit: limit.to_owned(),
            key: format!("{:016x}", found.key.0),
            signal: found.signal.as_str().to_owned(),
            z: found.z,
            rate: found.rate,
            usual: found.usual,
            share: if found.signal == Signal::Rate { 0.0 } else { found.share },
            state: found.stage.as_str().to_owned(),
            since: found.since_us,
            until: found.until_us,
            tightened_to: (found.stage != Stage::Observed).then_some(found.rate_to),
            would_deny: 0,
            denied: 0,
            found_by: found_by.to_owned(),
        }
    }
}

/// A route that stands out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnomalousRoute {
    /// Site and route.
    pub route: String,
    /// `rate`, `failed` or `denied`.
    pub signal: String,
    /// How many usual deviations above what is usual.
    pub z: f64,
    /// Requests a second, or a share.
    pub value: f64,
    /// What is usual.
    pub usual: f64,
    /// Since when, microseconds since 1970.
    pub since: u64,
    /// The node.
    pub found_by: String,
}

/// What a node says of its clients with its heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnomalyReport {
    /// What it has found itself.
    pub page: AnomalyPage,
    /// The clients that do most, by limit.
    pub busiest: Vec<Busiest>,
}

/// The clients that do most under a limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Busiest {
    /// The limit.
    pub limit: String,
    /// Different clients of the last minutes.
    pub clients: f64,
    /// The clients.
    pub keys: Vec<Busy>,
}

/// What one of them does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Busy {
    /// The key's hash, in hex.
    pub key: String,
    /// Requests a second, for certain.
    pub rate: f64,
    /// Requests of the last minutes, faded.
    pub requests: f64,
    /// Of these, answered with a status of 400 or more.
    pub failed: f64,
    /// Of these, denied by the limit.
    pub denied: f64,
}

/// What the control plane says of a client in the table `limits`, as `tight/LIMIT/HASH`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tightening {
    /// `shadow` or `tightened`.
    pub state: String,
    /// Requests a second, on a node that counts for itself its part of it.
    pub rate: f64,
    /// When it ends, microseconds since 1970.
    pub until: u64,
}
