//! How long a client may be waited for: a silence has a limit, and so has slowness.
//!
//! What counts against a client is only the time spent waiting for it: an upstream that is slow, or
//! one that does not take the body yet, costs the client nothing.

use std::{future::Future, io, time::Duration};

use tidegate_spec::NodeLimits;
use tokio::time::{Instant, timeout};

/// The account of one direction of one message.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Bytes a second; 0 is no limit.
    rate_min: u64,
    grace: Duration,
    idle: Duration,
    waited: Duration,
    bytes: u64,
}

/// A wait under way; it is put on the account also when it is given up.
struct Waiting<'p> {
    pace: &'p mut Pace,
    began: Instant,
}

/// Waits shorter than this mean that the client was not waited for: the bytes were there.
const AT_ONCE: Duration = Duration::from_micros(50);

// === impl Pace ===

impl Pace {
    /// For a request body.
    pub(crate) fn receiving(limits: &NodeLimits) -> Self {
        Self::new(limits, limits.receive_rate_min)
    }

    /// For a response.
    pub(crate) fn sending(limits: &NodeLimits) -> Self {
        Self::new(limits, limits.send_rate_min)
    }

    const fn new(limits: &NodeLimits, rate_min: u64) -> Self {
        let (grace, idle) = (limits.grace, limits.idle_timeout);
        Self { rate_min, grace, idle, waited: Duration::ZERO, bytes: 0 }
    }

    /// After a protocol switch nobody knows who is to speak.
    pub(crate) fn without_rate(&mut self) {
        self.rate_min = 0;
    }

    /// So many bytes went through.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Does something that waits for the client.
    ///
    /// # Errors
    /// Those of `act`, and [`io::ErrorKind::TimedOut`] when the client took too long.
    pub(crate) async fn wait<T>(
        &mut self,
        act: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let patience = self.patience();
        let _waiting = Waiting { began: Instant::now(), pace: self };
        timeout(patience, act).await?
    }

    /// How long the next wait may be.
    fn patience(&self) -> Duration {
        match self.bytes.saturating_mul(1_000_000).checked_div(self.rate_min) {
            None => self.idle,
            Some(earned_us) => {
                let allowed = self.grace.saturating_add(Duration::from_micros(earned_us));
                self.idle.min(allowed.saturating_sub(self.waited))
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let elapsed = self.began.elapsed();
        if elapsed > AT_ONCE {
            self.pace.waited += elapsed;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, io, time::Duration};

    use tidegate_spec::NodeLimits;

    use super::Pace;

    fn limits() -> NodeLimits {
        NodeLimits {
            grace: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            receive_rate_min: 100,
            ..NodeLimits::default()
        }
    }

    #[test]
    fn bytes_earn_time() {
        let mut pace = Pace::receiving(&limits());
        assert_eq!(pace.patience(), Duration::from_secs(5), "the grace, and nothing earned");
        pace.moved(200);
        assert_eq!(pace.patience(), Duration::from_secs(7));
        pace.moved(1_000_000);
        assert_eq!(pace.patience(), Duration::from_secs(30), "no silence longer than that");
        pace.waited = Duration::from_secs(10_005);
        assert_eq!(pace.patience(), Duration::ZERO + Duration::from_secs(2));
        pace.without_rate();
        assert_eq!(pace.patience(), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_uses_its_time_up() {
        let mut pace = Pace::receiving(&limits());
        let mut beats = 0;
        let trickle = loop {
            // One byte a second, for ever: no single wait is long.
            let beat = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(())
            };
            match pace.wait(beat).await {
                Ok(()) => pace.moved(1),
                Err(error) => break error,
            }
            beats += 1;
        };
        assert_eq!(trickle.kind(), io::ErrorKind::TimedOut);
        assert_eq!(beats, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_given_up_counts() {
        let mut pace = Pace::receiving(&limits());
        for _ in 0..4 {
            let wait = pace.wait(pending::<io::Result<()>>());
            assert!(tokio::time::timeout(Duration::from_secs(1), wait).await.is_err());
        }
        assert!(pace.patience() <= Duration::from_secs(1), "{:?}", pace.patience());
    }
}
