//! What the active checks of a server have shown.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What the active checks of a server have shown. Without checks a server is taken to be well.
#[derive(Debug)]
pub(crate) struct Health {
    healthy: AtomicBool,
    /// Answers in a row that contradict what is held now.
    against: AtomicU32,
    next_us: AtomicU64,
    /// Checks made.
    pub(crate) checks: AtomicU64,
}

impl Health {
    /// What is held now.
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Nothing is checked any more.
    pub(crate) fn trust(&self) {
        self.healthy.store(true, Ordering::Relaxed);
        self.against.store(0, Ordering::Relaxed);
        self.next_us.store(0, Ordering::Relaxed);
        self.checks.store(0, Ordering::Relaxed);
    }

    /// Whether a check is due; if so, the next one is `interval_us` later.
    pub(crate) fn is_due(&self, now_us: u64, interval_us: u64) -> bool {
        if self.next_us.load(Ordering::Relaxed) > now_us {
            return false;
        }
        self.next_us.store(now_us.saturating_add(interval_us), Ordering::Relaxed);
        true
    }

    /// Takes a check's result; says what is held from now on when that changed. The first check
    /// ever decides by itself, so that a dead server is out at once.
    pub(crate) fn take(
        &self,
        good: bool,
        healthy_after: u32,
        unhealthy_after: u32,
    ) -> Option<bool> {
        if good == self.is_healthy() {
            self.against.store(0, Ordering::Relaxed);
            return None;
        }
        let against = self.against.fetch_add(1, Ordering::Relaxed) + 1;
        let wanted = if good { healthy_after } else { unhealthy_after };
        let first = self.checks.load(Ordering::Relaxed) == 0;
        if !first && against < wanted {
            return None;
        }
        self.healthy.store(good, Ordering::Relaxed);
        self.against.store(0, Ordering::Relaxed);
        Some(good)
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            healthy: AtomicBool::new(true),
            against: AtomicU32::new(0),
            next_us: AtomicU64::new(0),
            checks: AtomicU64::new(0),
        }
    }
}
