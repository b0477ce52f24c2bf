//! The node's clock: one read a turn of a connection, everything else is derived from it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How often the offset between the monotonic and the civil clock is read again.
const OFFSET_REFRESH_MS: u64 = 100;

/// One reading of the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Microseconds since 1970 when the process started, plus the time since then: it never steps,
    /// for limits, timeouts and durations.
    pub mono_us: u64,
    /// Microseconds since 1970-01-01 UTC: ages, expiries, dates.
    pub unix_us: u64,
}

/// Where readings come from: the machine, or a test.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clocks.
    System(Arc<System>),
    /// Unix microseconds that a test moves.
    Virtual(Arc<AtomicU64>),
}

/// The machine's clocks: a monotonic read plus an offset that a background thread keeps true.
#[derive(Debug)]
pub struct System {
    start: Instant,
    start_unix_us: u64,
    offset_us: AtomicI64,
}

// === impl Now ===

impl Now {
    /// Whole seconds since 1970-01-01 UTC.
    #[must_use]
    pub fn unix_s(self) -> u64 {
        self.unix_us / 1_000_000
    }
}

// === impl Clock ===

impl Clock {
    /// The machine's clock. One thread follows steps of the civil clock (NTP, an administrator).
    #[must_use]
    pub fn system() -> Self {
        let system = Arc::new(System {
            start: Instant::now(),
            start_unix_us: unix_us(),
            offset_us: AtomicI64::new(0),
        });
        let weak = Arc::downgrade(&system);
        let follow = move || {
            while let Some(system) = weak.upgrade() {
                system.refresh();
                drop(system);
                std::thread::sleep(Duration::from_millis(OFFSET_REFRESH_MS));
            }
        };
        // Without the thread the offset simply stays what it was at start.
        let _ = std::thread::Builder::new().name("tidegate-clock".into()).spawn(follow);
        Self::System(system)
    }

    /// Reads the clock once.
    #[must_use]
    pub fn now(&self) -> Now {
        match self {
            Self::System(system) => {
                let mono_us = system.mono_us();
                let unix_us = mono_us.saturating_add_signed(system.offset_us.load(Relaxed));
                Now { mono_us, unix_us }
            }
            Self::Virtual(unix_us) => {
                let unix_us = unix_us.load(Relaxed);
                Now { mono_us: unix_us, unix_us }
            }
        }
    }
}

impl Clock {
    /// Waits until the monotonic clock reads `until_us`.
    pub(crate) async fn sleep_until(&self, until_us: u64) {
        /// How often a clock that a test moves is looked at.
        const VIRTUAL_POLL_MS: u64 = 2;
        loop {
            let left_us = until_us.saturating_sub(self.now().mono_us);
            let pause = match self {
                _ if left_us == 0 => return,
                Self::System(_) => Duration::from_micros(left_us),
                Self::Virtual(_) => Duration::from_millis(VIRTUAL_POLL_MS),
            };
            tokio::time::sleep(pause).await;
        }
    }
}

// === impl System ===

impl System {
    fn mono_us(&self) -> u64 {
        self.start_unix_us + self.start.elapsed().as_micros() as u64
    }

    fn refresh(&self) {
        self.offset_us.store(unix_us() as i64 - self.mono_us() as i64, Relaxed);
    }
}

fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}
