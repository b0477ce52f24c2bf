//! What all workers of a node share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use tidegate_http::HeadLimits;
use tidegate_limit::Table as LimitTable;
use tidegate_route::links;
use tidegate_spec::NodeLimits;
use tidegate_store::Store;
use tidegate_telemetry::{AccessLog, AccessRecord, Phase, Reason};
use tidegate_tls::Tls;
use tidegate_upstream::Upstreams;

use crate::{
    clock::{Clock, Now},
    countries::Countries,
    identity::Trust,
    limit::{self, Pushed, SharedCounts, Watcher},
    media::Streams,
    partial::Parts,
    proof::Proof,
    running::Running,
    single_flight::SingleFlight,
    systems::Places,
};

/// The name of this cache in `Cache-Status`, `Via` and `Proxy-Status`.
pub(crate) const CACHE_NAME: &str = "tidegate";

/// What all workers of a node share.
pub(crate) struct Node {
    /// The node's name in the fleet, also in `CDN-Loop`.
    pub(crate) name: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) head_limits: HeadLimits,
    pub(crate) limits: NodeLimits,
    pub(crate) trust: Trust,
    /// What HTTP/2 connections announce and bear.
    pub(crate) http2: tidegate_http2::Settings,
    /// The configuration in force. Requests pin it; a change swaps it.
    pub(crate) running: ArcSwap<Running>,
    pub(crate) tls: Tls,
    pub(crate) store: Store,
    /// Which parts of what is not stored as a whole are stored.
    pub(crate) parts: Parts,
    /// What manifests that passed have taught.
    pub(crate) media: Streams,
    pub(crate) limit_table: Arc<LimitTable>,
    /// What was pushed about limits.
    pub(crate) pushed: Pushed,
    /// What each limit decided here.
    pub(crate) tallies: limit::Tallies,
    /// Limits that nodes count together.
    pub(crate) shared: SharedCounts,
    /// Clients and routes that stand out.
    pub(crate) watcher: Watcher,
    pub(crate) countries: Arc<Countries>,
    /// What plugins are told of where clients are.
    pub(crate) places: Places,
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) plugins: Arc<tidegate_wasm::Host>,
    pub(crate) access_log: AccessLog,
    pub(crate) link_tables: LinkTables,
    /// Questions to the links service under way, by `domain/code`.
    pub(crate) link_questions: SingleFlight<crate::link::Resolution>,
}

/// Pushed link tables by name. They outlive configurations.
#[derive(Default)]
pub(crate) struct LinkTables {
    limits: links::Limits,
    tables: Mutex<HashMap<String, LinkTable>>,
}

/// A pushed link table, and up to when it is known to be complete.
#[derive(Clone)]
pub(crate) struct LinkTable {
    pub(crate) table: Arc<links::Table>,
    pub(crate) proof: Arc<Proof>,
}

/// The requests of one turn until they are counted.
pub(crate) struct Batch {
    began: Now,
    tallies: Vec<Tally>,
}

#[derive(Clone, Copy)]
struct Tally {
    status: u16,
    phase: Phase,
    reason: Option<Reason>,
    bytes_sent: u64,
    bytes_received: u64,
}

// === impl Batch ===

impl Batch {
    pub(crate) fn new() -> Self {
        Self { began: Now::default(), tallies: Vec::new() }
    }

    pub(crate) fn begin(&mut self, now: Now) {
        self.began = now;
    }

    pub(crate) fn push(
        &mut self,
        status: u16,
        phase: Phase,
        reason: Option<Reason>,
        bytes_sent: u64,
        bytes_received: u64,
    ) {
        self.tallies.push(Tally { status, phase, reason, bytes_sent, bytes_received });
    }

    /// Counts the requests. Their duration is that of the turn, which all of them shared.
    pub(crate) fn end(&mut self, clock: &Clock) {
        if self.tallies.is_empty() {
            return;
        }
        let duration_us = clock.now().mono_us.saturating_sub(self.began.mono_us);
        for tally in self.tallies.drain(..) {
            let record = AccessRecord {
                status: tally.status,
                phase: tally.phase,
                reason: tally.reason,
                bytes_sent: tally.bytes_sent,
                bytes_received: tally.bytes_received,
                duration_us,
                ..AccessRecord::default()
            };
            record.count();
        }
    }
}

// === impl LinkTables ===

impl LinkTables {
    pub(crate) fn new(limits: links::Limits) -> Self {
        Self { limits, tables: Mutex::default() }
    }

    /// The table of that name, made when it is first asked for.
    pub(crate) fn table(&self, name: &str) -> LinkTable {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let make =
            || LinkTable { table: Arc::new(links::Table::new(self.limits)), proof: Arc::default() };
        tables.entry(name.to_owned()).or_insert_with(make).clone()
    }

    /// Every table there is.
    pub(crate) fn all(&self) -> Vec<(String, Arc<links::Table>)> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.iter().map(|(name, entry)| (name.clone(), Arc::clone(&entry.table))).collect()
    }
}
