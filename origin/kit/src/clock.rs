//! The clock that a service reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in microseconds, the one unit of stored and compared times.
pub type Micros = i64;

/// Microseconds of one second.
pub const SECOND_US: Micros = 1_000_000;

/// Where `now` comes from: the system, or a hand that a test turns.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The system's real-time clock.
    #[default]
    System,
    /// A clock that stands still until it is moved.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` microseconds until [`Clock::advance`] moves it.
    pub fn manual(now: Micros) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now)))
    }

    /// Unix time in microseconds.
    pub fn now(&self) -> Micros {
        match self {
            Self::System => system_now(),
            Self::Manual(hand) => hand.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock on by `by` microseconds; the system's clock is not moved.
    pub fn advance(&self, by: Micros) {
        if let Self::Manual(hand) = self {
            hand.fetch_add(by, Ordering::SeqCst);
        }
    }
}

fn system_now() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
