//! The arithmetic of every algorithm over one word of state.
//!
//! A state is 63 bits whose value, read as nanoseconds of the caller's clock, is the moment from which
//! the state means nothing any more. So `word <= now` is the same as "never seen", whatever the
//! algorithm, and nothing has to sweep the table. A bucket's word is its theoretical arrival time; a
//! counter's word holds its end in the high half (rounded up to 4.3 s) and its count in the low one.

use crate::bucket::Bucket;
use crate::calendar;
use crate::global::Terms;
use crate::key::KeyHash;
use crate::rule::{Algorithm, PERIOD_SECONDS_MAX, Period, QUOTA_MAX, RuleError, within};

#[cfg(test)]
mod tests;

/// The numbers a decision needs, worked out once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quota {
    Bucket(Bucket),
    /// A bucket whose admitted requests wait for their turn.
    Leaky(Bucket),
    Sliding {
        limit: u32,
        window_ns: u64,
    },
    Calendar {
        limit: u32,
        period: Period,
        offset_s: i32,
    },
    Concurrency {
        limit: u32,
        hold_ns: u64,
    },
}

/// Where the state of a key lies: one cell that is charged and, for sliding windows, one that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) own: u64,
    pub(crate) before: Option<u64>,
}

/// What a charge would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The new state, what is left after it, and when all of it is back.
    Go { word: u64, left: u32, reset_ns: u64 },
    /// How long until the same charge passes (`u64::MAX`: never), and what is left now.
    No { wait_ns: u64, left: u32 },
}

impl Quota {
    pub(crate) fn new(algorithm: Algorithm) -> Result<Self, RuleError> {
        Ok(match algorithm {
            Algorithm::TokenBucket { rate, burst } => Self::Bucket(Bucket::new(rate, burst)?),
            Algorithm::LeakyBucket { rate, queue } => {
                Self::Leaky(Bucket::new(rate, queue.saturating_add(1))?)
            }
            Algorithm::SlidingWindow { rate } => {
                let rate = rate.checked()?;
                let limit = limit(rate.count)?;
                Self::Sliding { limit, window_ns: rate.period_us * 1000 }
            }
            Algorithm::Calendar { limit: count, period, utc_offset_s } => {
                within("utc offset in seconds", utc_offset_s.unsigned_abs().into(), 86_400)
                    .or_else(|e| if utc_offset_s == 0 { Ok(()) } else { Err(e) })?;
                Self::Calendar { limit: limit(count.into())?, period, offset_s: utc_offset_s }
            }
            Algorithm::Concurrency { limit: count, hold_us } => {
                within("hold in microseconds", hold_us, PERIOD_SECONDS_MAX * 1_000_000)?;
                Self::Concurrency { limit: limit(count.into())?, hold_ns: hold_us * 1000 }
            }
        })
    }

    pub(crate) fn cells(&self, key: KeyHash, now_ns: u64) -> Cells {
        match *self {
            Self::Bucket(_) | Self::Leaky(_) | Self::Concurrency { .. } => {
                Cells { own: key.0, before: None }
            }
            Self::Sliding { window_ns, .. } => {
                let index = now_ns / window_ns;
                let before = index.checked_sub(1).map(|index| numbered(key, index));
                Cells { own: numbered(key, index), before }
            }
            Self::Calendar { period, offset_s, .. } => {
                let span = calendar::span(period, offset_s, now_ns);
                Cells { own: numbered(key, span.start_ns), before: None }
            }
        }
    }

    /// Key and numbers for the owner of a shared count. Only what is one bucket or one counter can be
    /// shared.
    pub(crate) fn terms(&self, key: KeyHash, now_us: u64, near: u16) -> Option<(KeyHash, Terms)> {
        match *self {
            Self::Bucket(bucket) => {
                let (emission_ns, burst) = (bucket.emission_ns, bucket.burst);
                Some((key, Terms { emission_ns, burst, left_ms: 0, near }))
            }
            Self::Calendar { limit, period, offset_s } => {
                let now_ns = now_us.saturating_mul(1000);
                let span = calendar::span(period, offset_s, now_ns);
                let left_ms = (span.end_ns.saturating_sub(now_ns) / 1_000_000).max(1);
                let left_ms = u32::try_from(left_ms).unwrap_or(u32::MAX);
                let emission_ns = (span.end_ns - span.start_ns) / u64::from(limit.max(1));
                let terms = Terms { emission_ns, burst: limit, left_ms, near };
                Some((KeyHash(numbered(key, span.start_ns)), terms))
            }
            Self::Leaky(_) | Self::Sliding { .. } | Self::Concurrency { .. } => None,
        }
    }

    /// Decides over the live states (0 when absent).
    pub(crate) fn decide(&self, word: u64, before: u64, now_ns: u64, cost: u32) -> Verdict {
        match *self {
            Self::Bucket(bucket) | Self::Leaky(bucket) => bucket.decide(word, now_ns, cost),
            Self::Sliding { limit, window_ns } => {
                sliding(limit, window_ns, count(word), count(before), now_ns, cost)
            }
            Self::Calendar { limit, period, offset_s } => {
                let end_ns = calendar::span(period, offset_s, now_ns).end_ns;
                counted(limit, count(word), end_ns, now_ns, cost)
            }
            Self::Concurrency { limit, hold_ns } => {
                counted(limit, count(word), now_ns.saturating_add(hold_ns), now_ns, cost)
            }
        }
    }

    /// The state after giving back a charge. It may lie in the past: then it means nothing.
    pub(crate) fn refund(&self, word: u64, cost: u32) -> u64 {
        match self {
            Self::Bucket(bucket) | Self::Leaky(bucket) => {
                word.saturating_sub(bucket.price_ns(cost))
            }
            Self::Sliding { .. } | Self::Calendar { .. } | Self::Concurrency { .. } => {
                word - u64::from(count(word).min(cost))
            }
        }
    }

    /// The state after a charge that cannot be refused, for costs known only afterwards.
    pub(crate) fn debit(&self, word: u64, now_ns: u64, cost: u32) -> u64 {
        match *self {
            Self::Bucket(bucket) | Self::Leaky(bucket) => bucket.debit(word, now_ns, cost),
            Self::Sliding { window_ns, .. } => {
                counter((now_ns / window_ns + 2) * window_ns, count(word).saturating_add(cost))
            }
            Self::Calendar { period, offset_s, .. } => {
                let end_ns = calendar::span(period, offset_s, now_ns).end_ns;
                counter(end_ns, count(word).saturating_add(cost))
            }
            Self::Concurrency { hold_ns, .. } => {
                counter(now_ns.saturating_add(hold_ns), count(word).saturating_add(cost))
            }
        }
    }

    /// The largest number of requests that can pass at once.
    pub(crate) fn limit(&self) -> u32 {
        match *self {
            Self::Bucket(bucket) | Self::Leaky(bucket) => bucket.burst,
            Self::Sliding { limit, .. }
            | Self::Calendar { limit, .. }
            | Self::Concurrency { limit, .. } => limit,
        }
    }

    /// How long a request that left this state behind must wait: until its own turn, which is `cost`
    /// intervals before the state's end.
    pub(crate) fn delay_ns(&self, word: u64, now_ns: u64, cost: u32) -> u64 {
        match self {
            Self::Leaky(bucket) => {
                word.saturating_sub(bucket.price_ns(cost)).saturating_sub(now_ns)
            }
            _ => 0,
        }
    }

    pub(crate) fn is_concurrency(&self) -> bool {
        matches!(self, Self::Concurrency { .. })
    }

    /// Quota and window in whole seconds; the window is 0 when the limit has none.
    pub(crate) fn policy(&self) -> (u64, u64) {
        match *self {
            Self::Bucket(bucket) | Self::Leaky(bucket) => bucket.policy(),
            Self::Sliding { limit, window_ns } => (limit.into(), window_ns.div_ceil(1_000_000_000)),
            Self::Calendar { limit, period, .. } => (limit.into(), calendar::length_s(period)),
            Self::Concurrency { limit, .. } => (limit.into(), 0),
        }
    }
}

/// The state of a thing after one more use; `None` when it was used up.
pub(crate) fn uses(word: u64, uses_max: u32, until_ns: u64) -> Option<u64> {
    (count(word) < uses_max).then(|| counter(until_ns, count(word) + 1))
}

fn limit(count: u64) -> Result<u32, RuleError> {
    within("limit", count, QUOTA_MAX)?;
    Ok(count as u32)
}

/// A cell of its own for each window, so that a counter never has to be set back.
fn numbered(key: KeyHash, index: u64) -> u64 {
    let mut x = key.0 ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn count(word: u64) -> u32 {
    word as u32
}

fn counter(end_ns: u64, count: u32) -> u64 {
    (((end_ns >> 32) + 1) << 32 | u64::from(count)) & (u64::MAX >> 1)
}

fn counted(limit: u32, used: u32, end_ns: u64, now_ns: u64, cost: u32) -> Verdict {
    let left = limit.saturating_sub(used);
    let reset_ns = end_ns.saturating_sub(now_ns);
    match cost {
        _ if cost > limit => Verdict::No { wait_ns: u64::MAX, left },
        _ if cost > left => Verdict::No { wait_ns: reset_ns, left },
        _ => Verdict::Go { word: counter(end_ns, used + cost), left: left - cost, reset_ns },
    }
}

/// The count of the span that ends now, estimated from this window and the share of the last one that
/// the span still covers.
fn sliding(limit: u32, window: u64, used: u32, before: u32, now: u64, cost: u32) -> Verdict {
    let passed = now % window;
    let carried = share(before, window - passed, window);
    let left = u64::from(limit).saturating_sub(u64::from(used) + carried) as u32;
    if cost > limit {
        return Verdict::No { wait_ns: u64::MAX, left };
    }
    if cost > left {
        return Verdict::No { wait_ns: wait(limit - cost, window, used, before, passed), left };
    }
    let word = counter((now / window + 2) * window, used + cost);
    Verdict::Go { word, left: left - cost, reset_ns: 2 * window - passed }
}

/// Rounded up: an estimate may deny too much by one, never admit too much by one.
fn share(count: u32, part: u64, whole: u64) -> u64 {
    (u128::from(count) * u128::from(part)).div_ceil(u128::from(whole)) as u64
}

/// Until at most `room` is left of what was counted, in this window or the next.
fn wait(room: u32, window: u64, used: u32, before: u32, passed: u64) -> u64 {
    let shrunk = |count: u32, room: u32| match count {
        0 => 0,
        _ => window - (u128::from(window) * u128::from(room) / u128::from(count)) as u64,
    };
    match room.checked_sub(used) {
        Some(room) => shrunk(before, room).saturating_sub(passed).max(1),
        None => window - passed + shrunk(used, room),
    }
}
