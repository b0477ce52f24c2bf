//! The running state of a group: its servers, how one is chosen, what is under way.

pub(crate) use choose::Wish;
pub(crate) use ejection::Ejections;
pub(crate) use flight::{ExchangeGuard, RetryGuard, ServerGuard};
pub(crate) use health::Health;
pub(crate) use server::{Server, ServerKey, ServerState};
pub(crate) use stats::GroupCounters;
pub use stats::{GroupStats, ServerStats};

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tidegate_telemetry::Counter;

use crate::clock::Clock;
use crate::config::{Endpoint, GroupConfig, ServerConfig};
use members::Members;

mod choose;
mod ejection;
mod flight;
mod health;
mod members;
mod server;
mod stats;
#[cfg(test)]
mod tests;

/// A group as it runs. Cheap to share; a changed configuration makes a new one that takes over
/// the state of the servers that stayed.
#[derive(Debug)]
pub struct Group {
    config: GroupConfig,
    members: ArcSwap<Members>,
    /// What the names in the configuration resolved to last.
    resolved: Mutex<HashMap<String, Vec<SocketAddr>>>,
    next_lookup_us: AtomicU64,
    pub(crate) looking_up: tokio::sync::Mutex<()>,
    turn: AtomicUsize,
    under_way: AtomicU64,
    retrying: AtomicU64,
    counters: Arc<GroupCounters>,
    clock: Clock,
}

impl Group {
    /// A group with its fixed servers; names wait for [`resolve`](Self::resolve).
    pub(crate) fn new(config: GroupConfig, before: Option<&Self>, clock: Clock) -> Self {
        let group = Self {
            members: ArcSwap::default(),
            resolved: Mutex::new(before.map(Self::resolved).unwrap_or_default()),
            next_lookup_us: AtomicU64::new(0),
            looking_up: tokio::sync::Mutex::new(()),
            turn: AtomicUsize::new(0),
            under_way: AtomicU64::new(0),
            retrying: AtomicU64::new(0),
            counters: before.map(|g| Arc::clone(&g.counters)).unwrap_or_default(),
            clock,
            config,
        };
        group.refresh(before);
        group
    }

    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// How the group is configured.
    #[must_use]
    pub const fn config(&self) -> &GroupConfig {
        &self.config
    }

    pub(crate) fn counters(&self) -> &GroupCounters {
        &self.counters
    }

    pub(crate) fn servers(&self) -> Vec<Arc<Server>> {
        self.members.load().servers.clone()
    }

    /// Whether names are configured of which none has been looked up successfully yet.
    pub(crate) fn is_unresolved(&self) -> bool {
        self.members.load().servers.is_empty() && self.names().next().is_some()
    }

    /// Whether its names are to be looked up; if so, the next time is `interval_us` later.
    pub(crate) fn lookup_is_due(&self, now_us: u64, interval_us: u64) -> bool {
        if self.names().next().is_none() || self.next_lookup_us.load(Ordering::Relaxed) > now_us {
            return false;
        }
        self.next_lookup_us.store(now_us.saturating_add(interval_us), Ordering::Relaxed);
        true
    }

    /// The names to look up, with their ports.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, u16)> {
        self.config.servers.iter().filter_map(|server| match &server.address.endpoint {
            Endpoint::Name { host, port } => Some((host.as_str(), *port)),
            Endpoint::Ip(_) | Endpoint::Unix(_) => None,
        })
    }

    /// Takes what a name resolved to now. An empty answer changes nothing: a name that stops
    /// resolving is far more often a resolver's fault than a server's end.
    pub(crate) fn resolve(&self, host: &str, port: u16, mut found: Vec<SocketAddr>) {
        found.sort_unstable();
        found.dedup();
        let key = format!("{host}:{port}");
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if found.is_empty() || resolved.get(&key) == Some(&found) {
            return;
        }
        tracing::info!(group = self.config.name, host, ?found, "upstream name resolved anew");
        resolved.insert(key, found);
        drop(resolved);
        self.refresh(Some(self));
    }

    /// A try at the server went well.
    pub(crate) fn success(&self, server: &Server) {
        server.state.ejections.success(&self.config.ejection, self.clock.now_us());
    }

    /// A try at the server failed by the server's fault.
    pub(crate) fn fault(&self, server: &Server) {
        server.state.faults.fetch_add(1, Ordering::Relaxed);
        if !server.state.ejections.fault(&self.config.ejection) || !self.can_spare(server) {
            return;
        }
        let now_us = self.clock.now_us();
        let until_us = server.state.ejections.eject(&self.config.ejection, now_us);
        server.state.ejected.fetch_add(1, Ordering::Relaxed);
        Counter::UpstreamEjections.inc();
        let for_ms = until_us.saturating_sub(now_us) / 1000;
        tracing::warn!(group = self.config.name, server = &*server.label, for_ms, "server ejected");
    }

    /// Whether one more server may be ejected, and this one is not yet.
    fn can_spare(&self, server: &Server) -> bool {
        let now_us = self.clock.now_us();
        let members = self.members.load();
        let all = members.servers.len();
        let out = members.servers.iter().filter(|s| s.state.ejections.is_out(now_us)).count();
        let max = (all * self.config.ejection.ejected_percent_max as usize / 100).max(1);
        !server.state.ejections.is_out(now_us) && out < max && out + 1 < all.max(1)
    }

    fn resolved(&self) -> HashMap<String, Vec<SocketAddr>> {
        self.resolved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Builds the members anew; servers that were there before keep their state.
    fn refresh(&self, before: Option<&Self>) {
        let mut known: HashMap<ServerKey, Arc<ServerState>> =
            before.map(|group| group.keyed().collect()).unwrap_or_default();
        let mut servers = Vec::new();
        let resolved = self.resolved();
        for config in &self.config.servers {
            for ip in places(config, &resolved) {
                let key = ServerKey { address: config.address.clone(), ip };
                let state = known.remove(&key).unwrap_or_default();
                if self.config.health.is_none() {
                    state.health.trust();
                }
                servers.extend(Server::new(&self.config, config, ip, state).map(Arc::new));
            }
        }
        self.members.store(Arc::new(Members::new(servers)));
    }

    fn keyed(&self) -> impl Iterator<Item = (ServerKey, Arc<ServerState>)> {
        let servers = self.servers();
        servers.into_iter().map(|server| (server.key.clone(), Arc::clone(&server.state)))
    }
}

/// Where a configured server is: its address, its name's addresses, or `None` for a Unix socket.
fn places(
    config: &ServerConfig,
    resolved: &HashMap<String, Vec<SocketAddr>>,
) -> Vec<Option<SocketAddr>> {
    match &config.address.endpoint {
        Endpoint::Ip(addr) => vec![Some(*addr)],
        Endpoint::Unix(_) => vec![None],
        Endpoint::Name { host, port } => resolved
            .get(&format!("{host}:{port}"))
            .map(|found| found.iter().copied().map(Some).collect())
            .unwrap_or_default(),
    }
}
