//! How old what this node knows may be.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Since when this node is known to have everything. Cheap to clone; read without a lock where it
/// matters ([`Freshness::table`] once, then [`TableFreshness::lag`]).
#[derive(Clone, Debug)]
pub struct Freshness {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    start: Instant,
    heard: AtomicU64,
    tables: RwLock<HashMap<String, TableFreshness>>,
}

/// The same for one table.
#[derive(Clone, Debug)]
pub struct TableFreshness {
    start: Instant,
    /// Microseconds after `start`, 0 for never.
    at: Arc<AtomicU64>,
}

impl Default for Freshness {
    fn default() -> Self {
        let start = Instant::now();
        let inner = Inner { start, heard: AtomicU64::new(0), tables: RwLock::default() };
        Self { inner: Arc::new(inner) }
    }
}

impl Freshness {
    /// How long nothing was heard from the control plane; none before the first line.
    pub fn silence(&self) -> Option<Duration> {
        since(self.inner.start, &self.inner.heard)
    }

    /// The freshness of one table, to be kept by whoever asks often.
    pub fn table(&self, name: &str) -> TableFreshness {
        let known = self.inner.tables.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = known.get(name) {
            return table.clone();
        }
        drop(known);
        let mut tables = self.inner.tables.write().unwrap_or_else(PoisonError::into_inner);
        let start = self.inner.start;
        let new = || TableFreshness { start, at: Arc::default() };
        tables.entry(name.to_owned()).or_insert_with(new).clone()
    }

    pub(crate) fn heard(&self) {
        mark(self.inner.start, &self.inner.heard, Instant::now());
    }
}

impl TableFreshness {
    /// How long ago it was certain that every operation was applied here; none before the first
    /// time, and after a reset until the table is whole again.
    pub fn lag(&self) -> Option<Duration> {
        since(self.start, &self.at)
    }

    /// Whether the lag is known and at most this.
    pub fn within(&self, most: Duration) -> bool {
        self.lag().is_some_and(|lag| lag <= most)
    }

    /// Everything that the control plane had at `when` is here.
    pub(crate) fn whole(&self, when: Instant) {
        mark(self.start, &self.at, when);
    }

    pub(crate) fn broken(&self) {
        self.at.store(0, Ordering::Release);
    }
}

fn mark(start: Instant, at: &AtomicU64, when: Instant) {
    let since = when.saturating_duration_since(start).as_micros();
    let micros = u64::try_from(since).unwrap_or(u64::MAX);
    at.store(micros.max(1), Ordering::Release);
}

fn since(start: Instant, at: &AtomicU64) -> Option<Duration> {
    match at.load(Ordering::Acquire) {
        0 => None,
        at => Some(start.elapsed().saturating_sub(Duration::from_micros(at))),
    }
}
