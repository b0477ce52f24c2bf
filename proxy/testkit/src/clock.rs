//! A clock that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that a test moves; shared as microseconds since the epoch.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<AtomicU64>);

/// Where it starts: Thu, 01 Jan 2026 00:00:00 GMT, in seconds since the epoch.
const START_SECS: u64 = 1_767_225_600;

impl VirtualClock {
    /// A clock at the beginning of 2026.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START_SECS * 1_000_000)))
    }

    /// The number that the program under test reads.
    #[must_use]
    pub fn shared(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(us, Ordering::SeqCst);
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}
