//! What groups and servers have counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate_telemetry::Counter;

use super::Group;

/// What a group has counted since it was first configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupStats {
    /// The group's name.
    pub group: String,
    /// Exchanges begun.
    pub exchanges: u64,
    /// Exchanges that ended with a fault not the client's.
    pub faults: u64,
    /// Tries beyond the first.
    pub retries: u64,
    /// Retries that the budget refused.
    pub retries_refused: u64,
    /// Exchanges refused because the group was full or had no server.
    pub refused: u64,
    /// Exchanges under way now.
    pub under_way: u64,
    /// Connections taken from the pool.
    pub connections_reused: u64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Its servers.
    pub servers: Vec<ServerStats>,
}

/// What a server has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStats {
    /// As configured.
    pub server: Arc<str>,
    /// Whether it may be chosen now.
    pub available: bool,
    /// What the active checks have shown.
    pub healthy: bool,
    /// Tries sent to it.
    pub tries: u64,
    /// Tries that failed.
    pub faults: u64,
    /// Times it was ejected.
    pub ejected: u64,
    /// Tries under way now.
    pub under_way: u32,
}

/// What a group counts; survives a change of its configuration.
#[derive(Debug, Default)]
pub(crate) struct GroupCounters {
    pub(crate) exchanges: AtomicU64,
    pub(crate) faults: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) retries_refused: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) connections_reused: AtomicU64,
    pub(crate) connections_opened: AtomicU64,
}

impl Group {
    /// Whether any server may be chosen now.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.server_stats().iter().any(|server| server.available)
    }

    /// What the group has counted.
    #[must_use]
    pub fn stats(&self) -> GroupStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        GroupStats {
            group: self.config.name.clone(),
            exchanges: read(&counters.exchanges),
            faults: read(&counters.faults),
            retries: read(&counters.retries),
            retries_refused: read(&counters.retries_refused),
            refused: read(&counters.refused),
            under_way: read(&self.under_way),
            connections_reused: read(&counters.connections_reused),
            connections_opened: read(&counters.connections_opened),
            servers: self.server_stats(),
        }
    }

    /// A try has its connection.
    pub(crate) fn count_connection(&self, reused: bool) {
        let (own, all) = if reused {
            (&self.counters.connections_reused, Counter::UpstreamReused)
        } else {
            (&self.counters.connections_opened, Counter::UpstreamConnections)
        };
        own.fetch_add(1, Ordering::Relaxed);
        all.inc();
    }

    /// A retry was wanted, and the budget allowed it or not.
    pub(crate) fn count_retry(&self, allowed: bool) {
        if allowed {
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
            Counter::UpstreamRetries.inc();
        } else {
            self.counters.retries_refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn server_stats(&self) -> Vec<ServerStats> {
        let now_us = self.clock.now_us();
        let members = self.members.load();
        let servers = members.servers.iter();
        servers
            .map(|server| ServerStats {
                server: Arc::clone(&server.label),
                available: server.is_available(now_us),
                healthy: server.state.health.is_healthy(),
                tries: server.state.tries.load(Ordering::Relaxed),
                faults: server.state.faults.load(Ordering::Relaxed),
                ejected: server.state.ejected.load(Ordering::Relaxed),
                under_way: server.state.under_way.load(Ordering::Relaxed),
            })
            .collect()
    }
}
