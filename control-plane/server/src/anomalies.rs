//! Clients and routes that stand out, on all nodes together: what nodes say with their heartbeats is added up, and who
//! stands out in the sum is pushed to all of them in the table `limits`. So a client is found that gives each node only
//! a little. Nothing of it outlives the process but the pushed entries, which end by themselves.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use tidegate_control_api::{
    AnomalousClient, AnomalyPage, AnomalyReport, Busy, Op, TableOp, Tightening, WatchedLimit,
};
use tidegate_control_store::micros_now;
use tidegate_limit::anomaly::{BUCKET_US, Bucket, Decay, Event, Found, Seen, Watch};
use tidegate_limit::{KeyHash, Mode, Rule, Secret};
use tidegate_snapshot::{Anomaly, Snapshot};

use crate::app::App;
use crate::faults::Refusal;
use crate::rls::snapshot;

/// What a node said counts for so long, microseconds.
const FRESH_US: u64 = 10_000_000;
/// Nodes that must see a client for it to be a matter of all of them; what one sees, it deals with itself.
const NODES_MIN: usize = 2;
/// The pushed table.
const TABLE: &str = "limits";
/// Who has found what was found in the sum.
const FLEET: &str = "fleet";

/// What nodes say, and what follows from it.
#[derive(Default)]
pub(crate) struct Anomalies(Mutex<Sum>);

#[derive(Default)]
struct Sum {
    /// By node, with the time.
    reports: HashMap<String, (u64, AnomalyReport)>,
    watches: HashMap<String, Watch>,
    pushed: HashSet<String>,
}

/// A client's part on each node.
struct Spread {
    seen: Seen,
    nodes: usize,
}

impl Anomalies {
    /// Takes in what a node says.
    pub(crate) fn report(&self, node: &str, report: AnomalyReport) {
        self.sum().reports.insert(node.to_owned(), (micros_now(), report));
    }

    fn sum(&self) -> MutexGuard<'_, Sum> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks who stands out until the server stops.
pub(crate) async fn keep(app: App) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_micros(BUCKET_US)) => {}
            () = app.stop.cancelled() => return,
        }
        if app.anomalies.sum().reports.is_empty() {
            continue;
        }
        let Ok(snapshot) = snapshot(&app).await else { continue };
        let secret = Secret::new(app.counters.secret());
        let ops = app.anomalies.sum().turn(&snapshot, &secret, micros_now());
        if !ops.is_empty()
            && let Err(error) = app.store.table_append(TABLE, ops).await
        {
            tracing::error!(%error, "tighter limits are not pushed");
        }
    }
}

impl Sum {
    /// The next bucket; what is to be pushed.
    fn turn(&mut self, snapshot: &Snapshot, secret: &Secret, now_us: u64) -> Vec<TableOp> {
        self.reports.retain(|_, (at_us, _)| now_us.saturating_sub(*at_us) < FRESH_US);
        let mut ops = Vec::new();
        let watched = snapshot.limits.iter().zip(&snapshot.anomalies);
        let watched: Vec<_> =
            watched.filter_map(|(limit, anomaly)| Some((limit, anomaly.as_ref()?))).collect();
        self.watches.retain(|name, _| watched.iter().any(|(limit, _)| limit.name() == name));
        for (limit, anomaly) in watched {
            ops.extend(self.turn_limit(limit, anomaly, secret, now_us));
        }
        ops
    }

    fn turn_limit(
        &mut self,
        limit: &Rule,
        anomaly: &Anomaly,
        secret: &Secret,
        now_us: u64,
    ) -> Vec<TableOp> {
        let (spread, clients) = self.spread(limit.name());
        let exempt: HashSet<KeyHash> =
            anomaly.exempt.iter().filter_map(|value| limit.key_of(secret, &[value])).collect();
        let mut decay = Decay::new();
        decay.join(spread.iter().map(|(key, spread)| (*key, spread.seen)));
        let settings = || anomaly.settings.clone();
        let name = limit.name().to_owned();
        let watch = self.watches.entry(name).or_insert_with(|| Watch::new(settings(), now_us));
        if *watch.settings() != anomaly.settings {
            watch.set(settings());
        }
        let exempt = |key| exempt.contains(&key);
        let mut bucket = Bucket { now_us, decay: &mut decay, clients, exempt: &exempt };
        let events = watch.turn(&mut bucket);
        events.iter().filter_map(|event| self.op(limit, event, &spread)).collect()
    }

    /// What all nodes say of the clients of a limit, added up; and how many there are at least.
    fn spread(&self, limit: &str) -> (HashMap<KeyHash, Spread>, f64) {
        let mut spread: HashMap<KeyHash, Spread> = HashMap::new();
        let mut clients = 0.0_f64;
        let reports = self.reports.values().flat_map(|(_, report)| &report.busiest);
        for busiest in reports.filter(|busiest| busiest.limit == limit) {
            clients = clients.max(busiest.clients);
            for busy in &busiest.keys {
                let Ok(key) = u64::from_str_radix(&busy.key, 16) else { continue };
                let empty = || Spread { seen: Seen::default(), nodes: 0 };
                spread.entry(KeyHash(key)).or_insert_with(empty).add(busy);
            }
        }
        (spread, clients)
    }

    fn op(
        &mut self,
        limit: &Rule,
        event: &Event,
        spread: &HashMap<KeyHash, Spread>,
    ) -> Option<TableOp> {
        let (found, ends) = match event {
            Event::Shadowed(found) | Event::Tightened(found) => (found, false),
            Event::Released(found, _) => (found, true),
            Event::Found(_) | Event::HeldBack(_) => return None,
        };
        let key = format!("tight/{}/{:016x}", limit.name(), found.key.0);
        if ends {
            return self.pushed.remove(&key).then(|| TableOp::delete(key));
        }
        let nodes = spread.get(&found.key).map_or(0, |spread| spread.nodes);
        if nodes < NODES_MIN && !self.pushed.contains(&key) {
            return None;
        }
        let value = tightening(limit, found, nodes.max(1))?;
        tracing::warn!(entry = key, state = value.state, rate = value.rate, nodes, "pushed");
        self.pushed.insert(key.clone());
        Some(TableOp { op: Op::Put, key, value: serde_json::to_value(value).ok() })
    }
}

/// Where each node counts for itself, each gets its part.
fn tightening(limit: &Rule, found: &Found, nodes: usize) -> Option<Tightening> {
    let parts = if limit.mode() == Mode::Local { nodes as f64 } else { 1.0 };
    let state = found.stage.as_str().to_owned();
    Some(Tightening { state, rate: found.rate_to / parts, until: found.until_us? })
}

impl Spread {
    fn add(&mut self, busy: &Busy) {
        let positive = |value: f64| if value.is_finite() { value.max(0.0) } else { 0.0 };
        self.nodes += 1;
        self.seen.rate += positive(busy.rate);
        self.seen.requests += positive(busy.requests);
        self.seen.failed += positive(busy.failed);
        self.seen.denied += positive(busy.denied);
    }
}

/// Clients and routes that stand out, on single nodes and on all together.
#[utoipa::path(get, path = "/v1/anomalies", tag = "limits",
    responses((status = 200, body = AnomalyPage)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<AnomalyPage>, Refusal> {
    let now_us = micros_now();
    let sum = app.anomalies.sum();
    let mut page = AnomalyPage::default();
    for (name, watch) in &sum.watches {
        page.limits.push(WatchedLimit::of(name, watch));
        page.clients.extend(watch.found().map(|found| AnomalousClient::of(name, found, FLEET)));
    }
    for (at_us, report) in sum.reports.values() {
        if now_us.saturating_sub(*at_us) < FRESH_US {
            page.clients.extend(own(report));
            page.routes.extend(report.page.routes.iter().cloned());
        }
    }
    page.limits.sort_by(|a, b| a.limit.cmp(&b.limit));
    page.clients.sort_by(|a, b| b.state.cmp(&a.state).then(b.z.total_cmp(&a.z)));
    page.routes.sort_by(|a, b| b.z.total_cmp(&a.z));
    Ok(Json(page))
}

/// What a node has found itself; what it was told is listed as the fleet's.
fn own(report: &AnomalyReport) -> impl Iterator<Item = AnomalousClient> + '_ {
    report.page.clients.iter().filter(|client| client.found_by != FLEET).cloned()
}

#[cfg(test)]
mod tests;
