//! What is counted about a plugin. It belongs to the name, so that it goes on when a new version is
//! loaded.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use crate::{
    Sample,
    error::Failure,
    metric::{Registry, counter, gauge},
};

/// Metrics and tallies of all versions of a plugin.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) registry: Registry,
    pub(crate) tallies: Tallies,
}

/// What the host counts about a plugin.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    traps: AtomicU64,
    timeouts: AtomicU64,
    out_of_memory: AtomicU64,
    unpaused: AtomicU64,
    passed_over: AtomicU64,
    refused: AtomicU64,
    answered: AtomicU64,
    log_dropped: AtomicU64,
    replaced: AtomicU64,
    recycled: AtomicU64,
    calls: AtomicU64,
    calls_open: AtomicUsize,
    last_trap: Mutex<Option<String>>,
}

/// A call under way; counts as open until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenCall(Arc<Record>);

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.tallies.calls_open.fetch_sub(1, Relaxed);
    }
}

impl Tallies {
    pub(crate) fn add_failure(&self, failure: &Failure) {
        let tally = match failure.reason {
            "timeout" => &self.timeouts,
            "oom" => &self.out_of_memory,
            _ => &self.traps,
        };
        tally.fetch_add(1, Relaxed);
        let text = format!("{}: {} ({})", failure.callback, failure.detail, failure.reason);
        *self.last_trap.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    /// A request went on without the plugin.
    pub(crate) fn add_passed_over(&self) {
        self.passed_over.fetch_add(1, Relaxed);
    }

    /// A request was answered 503 because the plugin could not.
    pub(crate) fn add_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// The plugin answered a request itself.
    pub(crate) fn add_answered(&self) {
        self.answered.fetch_add(1, Relaxed);
    }

    /// A request was paused for longer than allowed.
    pub(crate) fn add_unpaused(&self) {
        self.unpaused.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_log_dropped(&self) {
        self.log_dropped.fetch_add(1, Relaxed);
    }

    /// An instance was replaced after a failure.
    pub(crate) fn add_replaced(&self) {
        self.replaced.fetch_add(1, Relaxed);
    }

    /// An instance was replaced because its memory had grown.
    pub(crate) fn add_recycled(&self) {
        self.recycled.fetch_add(1, Relaxed);
    }

    pub(crate) fn open_call(&self, record: &Arc<Record>) -> OpenCall {
        self.calls.fetch_add(1, Relaxed);
        self.calls_open.fetch_add(1, Relaxed);
        OpenCall(record.clone())
    }

    pub(crate) fn calls_open(&self) -> usize {
        self.calls_open.load(Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        [&self.traps, &self.timeouts, &self.out_of_memory]
            .map(|tally| tally.load(Relaxed))
            .iter()
            .sum()
    }

    pub(crate) fn last_trap(&self) -> Option<String> {
        self.last_trap.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Series of these tallies.
    pub(crate) fn samples(&self, plugin: &str) -> Vec<Sample> {
        let name = || ("plugin", plugin.to_owned());
        let failed = |reason: &str, tally: &AtomicU64| {
            counter("traps_total", vec![name(), ("reason", reason.to_owned())], tally.load(Relaxed))
        };
        let plain =
            |family: &str, tally: &AtomicU64| counter(family, vec![name()], tally.load(Relaxed));
        vec![
            failed("trap", &self.traps),
            failed("timeout", &self.timeouts),
            failed("oom", &self.out_of_memory),
            failed("pause", &self.unpaused),
            plain("answered_total", &self.answered),
            plain("passed_over_total", &self.passed_over),
            plain("refused_total", &self.refused),
            plain("log_dropped_total", &self.log_dropped),
            plain("instances_replaced_total", &self.replaced),
            plain("instances_recycled_total", &self.recycled),
            plain("calls_total", &self.calls),
            gauge("calls_open", vec![name()], self.calls_open() as u64),
        ]
    }
}

/// Lines admitted in the present second.
#[derive(Debug, Default)]
pub(crate) struct LogRate {
    /// The second in the upper, the lines in the lower half.
    window: AtomicU64,
}

impl LogRate {
    /// Whether one more line may go out.
    pub(crate) fn admit(&self, now_ms: u64, per_s_max: u32) -> bool {
        let second = (now_ms / 1_000) & 0xffff_ffff;
        let step = |window: u64| {
            let lines = if window >> 32 == second { window & 0xffff_ffff } else { 0 };
            (lines < u64::from(per_s_max)).then_some((second << 32) | (lines + 1))
        };
        self.window.fetch_update(Relaxed, Relaxed, step).is_ok()
    }
}
