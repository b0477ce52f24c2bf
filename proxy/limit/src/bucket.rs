//! The token bucket as the generic cell rate algorithm: one theoretical arrival time a key.

use crate::global::{Terms, WHOLE};
use crate::quota::Verdict;
use crate::rule::{Rate, RuleError, within};

#[cfg(test)]
mod tests;

/// Longest time to fill an empty bucket, nanoseconds (ten years).
const FILL_NS_MAX: u64 = 10 * 366 * 86_400 * 1_000_000_000;
/// A year of debt is the most a key can be charged afterwards, nanoseconds.
const DEBT_NS_MAX: u64 = 366 * 86_400 * 1_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Time a token takes to come back.
    pub(crate) emission_ns: u64,
    /// Time an empty bucket takes to fill.
    fill_ns: u64,
    pub(crate) burst: u32,
}

impl Bucket {
    pub(crate) fn new(rate: Rate, burst: u32) -> Result<Self, RuleError> {
        let emission_ns = rate.checked()?.emission_ns();
        within("burst", burst.into(), FILL_NS_MAX / emission_ns)?;
        Ok(Self { emission_ns, fill_ns: emission_ns * u64::from(burst), burst })
    }

    /// Admits when the arrival time after the charge lies no further ahead than a full bucket.
    pub(crate) fn decide(&self, arrival_ns: u64, now_ns: u64, cost: u32) -> Verdict {
        let arrival_ns = arrival_ns.max(now_ns);
        let horizon_ns = now_ns.saturating_add(self.fill_ns);
        let after_ns = arrival_ns.saturating_add(self.price_ns(cost));
        if cost > self.burst || after_ns > horizon_ns {
            return self.refuse(arrival_ns, after_ns, horizon_ns, cost);
        }
        let left = ((horizon_ns - after_ns) / self.emission_ns) as u32;
        Verdict::Go { word: after_ns, left, reset_ns: after_ns - now_ns }
    }

    /// A part of a bucket, in 1/65535 of it.
    pub(crate) fn part(terms: &Terms, part: u16) -> Self {
        let part = u64::from(part.max(1));
        let emission_ns = terms.emission_ns.saturating_mul(WHOLE.into()) / part;
        let emission_ns = emission_ns.clamp(1, FILL_NS_MAX);
        let burst = (u64::from(terms.burst) * part / u64::from(WHOLE)).max(1);
        let burst = burst.min(FILL_NS_MAX / emission_ns).max(1) as u32;
        Self { emission_ns, fill_ns: emission_ns * u64::from(burst), burst }
    }

    pub(crate) fn fill_ns(&self) -> u64 {
        self.fill_ns
    }

    pub(crate) fn price_ns(&self, cost: u32) -> u64 {
        self.emission_ns.saturating_mul(cost.into())
    }

    pub(crate) fn debit(&self, arrival_ns: u64, now_ns: u64, cost: u32) -> u64 {
        let after_ns = arrival_ns.max(now_ns).saturating_add(self.price_ns(cost));
        after_ns.min(now_ns + self.fill_ns + DEBT_NS_MAX)
    }

    /// The window is what an empty bucket takes to fill, at least a second: the draft knows no shorter
    /// one, and over a whole window the promise `q` per `w` is the rate.
    pub(crate) fn policy(&self) -> (u64, u64) {
        let window_s = self.fill_ns.div_ceil(SECOND_NS).max(1);
        ((window_s.saturating_mul(SECOND_NS) / self.emission_ns).max(self.burst.into()), window_s)
    }

    fn refuse(&self, arrival_ns: u64, after_ns: u64, horizon_ns: u64, cost: u32) -> Verdict {
        let left = (horizon_ns.saturating_sub(arrival_ns) / self.emission_ns) as u32;
        let wait_ns = if cost > self.burst { u64::MAX } else { after_ns - horizon_ns };
        Verdict::No { wait_ns, left }
    }
}
