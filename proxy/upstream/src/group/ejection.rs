//! Passive ejection: a server whose requests fail in a row is left out for a while.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::config::Ejection;

/// What one server's requests have shown.
#[derive(Debug, Default)]
pub(crate) struct Ejections {
    faults_in_row: AtomicU32,
    times: AtomicU32,
    until_us: AtomicU64,
}

impl Ejections {
    /// Whether the server is left out now.
    pub(crate) fn is_out(&self, now_us: u64) -> bool {
        self.until_us.load(Ordering::Relaxed) > now_us
    }

    /// A request went well.
    pub(crate) fn success(&self, rule: &Ejection, now_us: u64) {
        // The ordinary case writes nothing, so that servers do not share a dirty cache line.
        if self.faults_in_row.load(Ordering::Relaxed) != 0 {
            self.faults_in_row.store(0, Ordering::Relaxed);
        }
        let until = self.until_us.load(Ordering::Relaxed);
        if until != 0 && now_us > until.saturating_add(micros(rule.max)) {
            self.until_us.store(0, Ordering::Relaxed);
            self.times.store(0, Ordering::Relaxed);
        }
    }

    /// A request failed; true when this one must eject the server, if the group can spare it.
    pub(crate) fn fault(&self, rule: &Ejection) -> bool {
        let faults = self.faults_in_row.fetch_add(1, Ordering::Relaxed) + 1;
        // One more fault after an ejection shows that nothing has changed.
        let enough =
            if self.times.load(Ordering::Relaxed) == 0 { rule.consecutive_faults } else { 1 };
        rule.consecutive_faults != 0 && faults >= enough
    }

    /// Leaves the server out; returns until when.
    pub(crate) fn eject(&self, rule: &Ejection, now_us: u64) -> u64 {
        let times = self.times.fetch_add(1, Ordering::Relaxed) + 1;
        let length = micros(rule.base).saturating_mul(u64::from(times)).min(micros(rule.max));
        let until = now_us.saturating_add(length);
        self.faults_in_row.store(0, Ordering::Relaxed);
        self.until_us.store(until, Ordering::Relaxed);
        until
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
