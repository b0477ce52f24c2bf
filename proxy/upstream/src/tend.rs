//! What goes on beside the exchanges: names are looked up again, servers are asked how they are.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::config::HealthCheck;
use crate::group::{Group, Server};
use crate::upstreams::Upstreams;
use probe::Prober;

mod probe;

/// How often it is seen what is due.
const TICK: Duration = Duration::from_millis(100);

/// Names are looked up again after this, in microseconds. The system's resolver does not tell how
/// long an answer holds; it keeps answers itself, so asking often is cheap.
const LOOKUP_INTERVAL_US: u64 = 10_000_000;

/// The longest wait for the resolver.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

impl Upstreams {
    /// Looks names up and checks servers, until it is dropped. One task of a node runs this.
    pub async fn tend(self: Arc<Self>) {
        let prober = Arc::new(Prober::new(self.ca_file()));
        let mut checks = JoinSet::new();
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            while checks.try_join_next().is_some() {}
            let now_us = self.clock().now_us();
            for group in self.all() {
                if group.lookup_is_due(now_us, LOOKUP_INTERVAL_US) {
                    let group = Arc::clone(&group);
                    checks.spawn(async move { lookup(&group).await });
                }
                for (server, check) in due_checks(&group, now_us) {
                    checks.spawn(check_server(
                        Arc::clone(&group),
                        server,
                        check,
                        Arc::clone(&prober),
                    ));
                }
            }
        }
    }
}

/// Looks up every name of the group.
pub(crate) async fn lookup(group: &Group) {
    let names: Vec<(String, u16)> = group.names().map(|(h, p)| (h.to_owned(), p)).collect();
    join_all(names.iter().map(|(host, port)| lookup_name(group, host, *port))).await;
}

/// Looks up the group's names when none is known yet. Exchanges that wait here wait together.
pub(crate) async fn lookup_first(group: &Group) {
    if group.is_unresolved() {
        let _one_at_a_time = group.looking_up.lock().await;
        if group.is_unresolved() {
            lookup(group).await;
        }
    }
}

async fn lookup_name(group: &Group, host: &str, port: u16) {
    let found = tokio::time::timeout(LOOKUP_MAX, tokio::net::lookup_host((host, port))).await;
    let problem = match found {
        Ok(Ok(found)) => return group.resolve(host, port, found.collect()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the resolver did not answer in time".to_owned(),
    };
    tracing::warn!(group = group.name(), host, problem, "upstream name cannot be looked up");
}

fn due_checks(group: &Group, now_us: u64) -> Vec<(Arc<Server>, HealthCheck)> {
    let Some(check) = &group.config().health else { return Vec::new() };
    let interval_us = u64::try_from(check.interval.as_micros()).unwrap_or(u64::MAX);
    let servers = group.servers().into_iter();
    servers
        .filter(|server| server.state.health.is_due(now_us, interval_us))
        .map(|server| (server, check.clone()))
        .collect()
}

async fn check_server(
    group: Arc<Group>,
    server: Arc<Server>,
    check: HealthCheck,
    prober: Arc<Prober>,
) {
    let asked = tokio::time::timeout(check.timeout, prober.ask(&server, &check)).await;
    let answer = asked.unwrap_or(Err("timeout"));
    let health = &server.state.health;
    if let Some(healthy) = health.take(answer.is_ok(), check.healthy_after, check.unhealthy_after) {
        let problem = answer.err().unwrap_or("");
        let server = &*server.label;
        tracing::info!(group = group.name(), server, healthy, problem, "server's health changed");
    }
    health.checks.fetch_add(1, Ordering::Relaxed);
}
