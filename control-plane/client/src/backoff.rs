//! How long to wait before the next try.

use std::time::Duration;

const FIRST_MS: u64 = 50;
const LAST_MS: u64 = 5_000;

/// Growing pauses, each drawn at random from its range, so that a thousand nodes that lost the same
/// control plane do not come back in the same moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let range = (FIRST_MS << self.failures.min(10)).min(LAST_MS);
        self.failures += 1;
        let random = getrandom::u64().unwrap_or(range) % range;
        Duration::from_millis(range / 2 + random / 2 + 1)
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}
