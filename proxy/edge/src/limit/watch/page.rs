//! What operators and the control plane are told of clients and routes that stand out.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};
use tidegate_control_client::api::{
    AnomalousClient, AnomalousRoute, AnomalyPage, AnomalyReport, Busiest, Busy, WatchedLimit,
};
use tidegate_http::percent_decode;

use super::{State, decide::watched};
use crate::Edge;

/// Clients of a limit that the control plane is told of.
const REPORTED_MAX: usize = 64;
/// Who has found what was found on all nodes together.
const FLEET: &str = "fleet";

impl Edge {
    /// The page; with `limit=NAME&value=KEY` the one client that has this key.
    pub fn anomalies(&self, query: &str) -> Value {
        let asked = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| percent_decode(value))
        };
        let mut page = self.anomaly_page();
        if let (Some(limit), Some(value)) = (asked("limit"), asked("value")) {
            let key = self.anomaly_key(&limit, &value);
            page.clients
                .retain(|client| client.limit == limit && Some(&client.key) == key.as_ref());
        }
        json!(page)
    }

    /// How the page calls the client that has this key under a limit.
    pub fn anomaly_key(&self, limit: &str, value: &str) -> Option<String> {
        let running = self.node.running.load();
        let rule = running.snapshot.limits.iter().find(|rule| rule.name() == limit)?;
        let key = self.node.limit_table.key_of(rule, &[value])?;
        Some(format!("{:016x}", key.0))
    }

    /// How often it was looked who stands out.
    pub fn watched_buckets(&self) -> u64 {
        self.node.watcher.state().looks
    }

    /// Who stands out on this node.
    pub(crate) fn anomaly_page(&self) -> AnomalyPage {
        let running = self.node.running.load();
        let state = self.node.watcher.state();
        let mut page = AnomalyPage::default();
        for (limit, _) in watched(&running.snapshot) {
            let Some(watch) = state.limits.get(limit.name()) else { continue };
            page.limits.push(WatchedLimit::of(limit.name(), &watch.watch));
            let lines = watch.watch.found().map(|found| {
                let key = (limit.name().to_owned(), found.key.0);
                let tally = state.tallies.get(&key);
                AnomalousClient {
                    would_deny: tally.map_or(0, |tally| tally.would_deny.load(Relaxed)),
                    denied: tally.map_or(0, |tally| tally.denied.load(Relaxed)),
                    ..AnomalousClient::of(limit.name(), found, &self.node.name)
                }
            });
            page.clients.extend(lines);
        }
        page.clients.extend(self.fleets(&state, &page.clients));
        page.clients.sort_by(|a, b| b.state.cmp(&a.state).then(b.z.total_cmp(&a.z)));
        page.routes = routes(&state, &self.node.name);
        page
    }

    /// Who was found on all nodes together, and not on this one.
    fn fleets(&self, state: &State, own: &[AnomalousClient]) -> Vec<AnomalousClient> {
        let pushed = self.node.watcher.pushed();
        let lines = pushed.iter().map(|((limit, key), entry)| {
            let tally = state.tallies.get(&(limit.clone(), *key));
            AnomalousClient {
                limit: limit.clone(),
                key: format!("{key:016x}"),
                state: entry.stage.as_str().to_owned(),
                until: Some(entry.until_us),
                tightened_to: Some(entry.rate),
                would_deny: tally.map_or(0, |tally| tally.would_deny.load(Relaxed)),
                denied: tally.map_or(0, |tally| tally.denied.load(Relaxed)),
                found_by: FLEET.to_owned(),
                ..AnomalousClient::default()
            }
        });
        let known = |line: &AnomalousClient| {
            own.iter().any(|own| own.limit == line.limit && own.key == line.key)
        };
        lines.filter(|line| !known(line)).collect()
    }

    /// What the control plane is told with each heartbeat; nothing where nobody is watched.
    pub(crate) fn anomaly_report(&self) -> Option<AnomalyReport> {
        let page = self.anomaly_page();
        if page.limits.is_empty() {
            return None;
        }
        let state = self.node.watcher.state();
        let busiest = state.limits.iter().map(|(name, limit)| Busiest {
            limit: name.clone(),
            clients: limit.watch.usual().clients,
            keys: limit.decay.top(REPORTED_MAX).into_iter().map(busy).collect(),
        });
        Some(AnomalyReport { busiest: busiest.collect(), page })
    }
}

fn busy((key, seen): (tidegate_limit::KeyHash, tidegate_limit::anomaly::Seen)) -> Busy {
    Busy {
        key: format!("{:016x}", key.0),
        rate: seen.rate,
        requests: seen.requests,
        failed: seen.failed,
        denied: seen.denied,
    }
}

fn routes(state: &State, node: &str) -> Vec<AnomalousRoute> {
    let found = state.routes.iter().filter_map(|(name, watch)| Some((name, watch.found()?)));
    let lines = found.map(|(name, found)| AnomalousRoute {
        route: name.clone(),
        signal: found.signal.as_str().to_owned(),
        z: found.z,
        value: found.value,
        usual: found.usual,
        since: found.since_us,
        found_by: node.to_owned(),
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort_by(|a, b| b.z.total_cmp(&a.z));
    lines
}
