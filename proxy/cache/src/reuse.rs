//! Whether a stored response may answer a request (RFC 9111 §4).

use tidegate_http::Fields;

use crate::directive::RequestDirectives;
use crate::meta::Meta;
use crate::policy::{Policy, RequestTrust};
use crate::reason::Reason;

/// What is done with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer with it.
    Serve,
    /// Answer with it and validate it in the background (RFC 5861 §3).
    ServeAndValidate,
    /// Validate first.
    Validate,
    /// `only-if-cached`, and it may not be served: 504 (RFC 9111 §5.2.1.7).
    Unsatisfied,
}

/// A verdict with its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// What to do.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// current_age in milliseconds.
    pub age_ms: u64,
    /// Freshness left in milliseconds; negative when stale. `ttl` of `Cache-Status` in seconds.
    pub fresh_for_ms: i64,
}

impl RequestDirectives {
    /// The directives of a request as far as the policy heeds them.
    pub fn heeded(policy: &Policy, fields: &dyn Fields) -> Self {
        match policy.request_trust {
            RequestTrust::Honour => Self::of(fields),
            RequestTrust::Ignore => Self::default(),
        }
    }
}

/// Whether a stored response may be served. `stale_from_ms`: when a soft purge made it stale, if one did.
pub fn evaluate(
    meta: &Meta,
    request: &RequestDirectives,
    stale_from_ms: Option<u64>,
    now_ms: u64,
) -> Evaluation {
    let age_ms = meta.age_ms(now_ms);
    let fresh_for_ms = fresh_for_ms(meta, stale_from_ms, now_ms);
    let (verdict, reason) = match judge(meta, request, age_ms, fresh_for_ms) {
        (Verdict::Validate, _) if request.only_if_cached => {
            (Verdict::Unsatisfied, Reason::OnlyIfCached)
        }
        (Verdict::Validate, Reason::Expired) if stale_from_ms.is_some() => {
            (Verdict::Validate, Reason::SoftPurged)
        }
        judged => judged,
    };
    Evaluation { verdict, reason, age_ms, fresh_for_ms }
}

/// Whether a stored response may stand in for an error of the origin: no connection, no answer in time, or a
/// 5xx (RFC 9111 §4.2.4, §4.3.3; RFC 5861 §4).
pub fn may_serve_on_error(
    meta: &Meta,
    request: &RequestDirectives,
    stale_from_ms: Option<u64>,
    now_ms: u64,
) -> bool {
    let stale_ms = -fresh_for_ms(meta, stale_from_ms, now_ms);
    let within = |seconds: u32| stale_ms <= i64::from(seconds) * 1000;
    let client = request.stale_if_error_s.filter(|_| !meta.must_revalidate);
    !meta.no_cache && (within(meta.if_error_s) || client.is_some_and(within))
}

fn fresh_for_ms(meta: &Meta, stale_from_ms: Option<u64>, now_ms: u64) -> i64 {
    let by_age = meta.fresh_for_ms(now_ms);
    stale_from_ms.map_or(by_age, |from| by_age.min(from as i64 - now_ms as i64).min(0))
}

fn judge(
    meta: &Meta,
    request: &RequestDirectives,
    age_ms: u64,
    fresh_ms: i64,
) -> (Verdict, Reason) {
    if meta.no_cache {
        return (Verdict::Validate, Reason::NoCache);
    }
    if request.no_cache {
        return (Verdict::Validate, Reason::RequestNoCache);
    }
    if is_too_old(meta, request, age_ms, fresh_ms) {
        return (Verdict::Validate, Reason::RequestMaxAge);
    }
    if request.min_fresh_s.is_some_and(|s| fresh_ms < i64::from(s) * 1000) {
        return (Verdict::Validate, Reason::RequestMinFresh);
    }
    if fresh_ms > 0 {
        return (Verdict::Serve, Reason::Fresh);
    }
    judge_stale(meta, request, -fresh_ms)
}

/// A reload (`max-age=0`) does not reach past a fresh response that never changes (RFC 8246 §2).
fn is_too_old(meta: &Meta, request: &RequestDirectives, age_ms: u64, fresh_ms: i64) -> bool {
    let too_old = request.max_age_s.is_some_and(|s| age_ms > u64::from(s) * 1000);
    too_old && !(meta.immutable && fresh_ms > 0)
}

/// RFC 9111 §4.2.4: stale only where the client or the origin allows it and no directive forbids it.
fn judge_stale(meta: &Meta, request: &RequestDirectives, stale_ms: i64) -> (Verdict, Reason) {
    let within = |seconds: u32| stale_ms <= i64::from(seconds) * 1000;
    if !meta.must_revalidate && request.max_stale_s.is_some_and(within) {
        return (Verdict::Serve, Reason::MaxStale);
    }
    if meta.while_revalidate_s > 0 && within(meta.while_revalidate_s) {
        return (Verdict::ServeAndValidate, Reason::WhileRevalidate);
    }
    (Verdict::Validate, Reason::Expired)
}

#[cfg(test)]
mod tests;
