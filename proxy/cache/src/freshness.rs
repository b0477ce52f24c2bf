//! Age and freshness lifetime (RFC 9111 §4.2).

use tidegate_http::{Fields, date};

use crate::directive::{ResponseDirectives, seconds, split_member};
use crate::policy::Policy;

/// The terms of RFC 9111 §4.2.3, one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgeSums {
    /// `Date` in unix seconds; the time of receipt when the response had none.
    pub date_s: u64,
    /// `Age` as received, in seconds.
    pub age_s: u32,
    /// When the request was sent.
    pub request_ms: u64,
    /// When the response came.
    pub response_ms: u64,
}

/// How long a response is fresh and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// freshness_lifetime in seconds.
    pub seconds: u32,
    /// Where it comes from.
    pub source: LifetimeSource,
}

/// Where a lifetime comes from, in the order of preference (RFC 9111 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimeSource {
    /// The operator's `ttl.force`.
    Forced,
    /// A targeted field (RFC 9213).
    Targeted,
    /// `Surrogate-Control: max-age`.
    Surrogate,
    /// `s-maxage`.
    SMaxAge,
    /// `max-age`.
    MaxAge,
    /// `Expires` minus `Date`.
    Expires,
    /// The operator's lifetime for responses that state none.
    Policy,
    /// A guess from `Last-Modified`.
    Heuristic,
    /// Nothing: stale from the start.
    None,
}

impl AgeSums {
    /// The terms of a response that was asked for at `request_ms` and came at `response_ms`.
    pub fn of(response: &dyn Fields, request_ms: u64, response_ms: u64) -> Self {
        let date_s = response.first("date").and_then(date::parse).unwrap_or(response_ms / 1000);
        Self { date_s, age_s: age_field(response), request_ms, response_ms }
    }

    /// apparent_age = max(0, response_time - date_value), of whole seconds since `Date` has no more.
    pub const fn apparent_age_ms(&self) -> u64 {
        (self.response_ms / 1000).saturating_sub(self.date_s) * 1000
    }

    /// response_delay = response_time - request_time.
    pub const fn response_delay_ms(&self) -> u64 {
        self.response_ms.saturating_sub(self.request_ms)
    }

    /// corrected_age_value = age_value + response_delay.
    pub const fn corrected_age_value_ms(&self) -> u64 {
        self.age_s as u64 * 1000 + self.response_delay_ms()
    }

    /// corrected_initial_age = max(apparent_age, corrected_age_value).
    pub const fn corrected_initial_age_ms(&self) -> u64 {
        let (apparent, corrected) = (self.apparent_age_ms(), self.corrected_age_value_ms());
        if apparent > corrected { apparent } else { corrected }
    }

    /// current_age = corrected_initial_age + (now - response_time).
    pub const fn current_age_ms(&self, now_ms: u64) -> u64 {
        self.corrected_initial_age_ms() + now_ms.saturating_sub(self.response_ms)
    }
}

impl LifetimeSource {
    /// Every source, in the order of preference. A tier keeps the position: new ones go to the end.
    pub const ALL: [Self; 9] = [
        Self::Forced,
        Self::Targeted,
        Self::Surrogate,
        Self::SMaxAge,
        Self::MaxAge,
        Self::Expires,
        Self::Policy,
        Self::Heuristic,
        Self::None,
    ];

    /// The word used by `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forced => "forced",
            Self::Targeted => "targeted",
            Self::Surrogate => "surrogate-control",
            Self::SMaxAge => "s-maxage",
            Self::MaxAge => "max-age",
            Self::Expires => "expires",
            Self::Policy => "policy",
            Self::Heuristic => "heuristic",
            Self::None => "none",
        }
    }

    /// Whether the response itself states the lifetime.
    pub const fn is_explicit(self) -> bool {
        matches!(
            self,
            Self::Targeted | Self::Surrogate | Self::SMaxAge | Self::MaxAge | Self::Expires
        )
    }
}

/// Freshness lifetime of a response (RFC 9111 §4.2.1, §4.2.2), within the operator's bounds.
pub(crate) fn lifetime(
    policy: &Policy,
    status: u16,
    fields: &dyn Fields,
    directives: &ResponseDirectives,
    explicit: Option<Lifetime>,
    sums: &AgeSums,
) -> Lifetime {
    let ttl = &policy.ttl;
    if let Some(seconds) = ttl.force_s {
        return Lifetime { seconds, source: LifetimeSource::Forced };
    }
    let found = explicit.map(|found| bounded_below(found, ttl.min_s));
    let found = found
        .or_else(|| policy_lifetime(policy, status))
        .or_else(|| heuristic(policy, status, fields, directives, sums))
        .unwrap_or(Lifetime { seconds: 0, source: LifetimeSource::None });
    Lifetime { seconds: found.seconds.min(ttl.max_s.unwrap_or(u32::MAX)), ..found }
}

/// The lifetime that `Cache-Control` or `Expires` states. `None` when neither does.
pub(crate) fn stated(
    fields: &dyn Fields,
    directives: &ResponseDirectives,
    sums: &AgeSums,
) -> Option<Lifetime> {
    let of = |seconds, source| Lifetime { seconds, source };
    if let Some(seconds) = directives.s_maxage_s {
        return Some(of(seconds, LifetimeSource::SMaxAge));
    }
    if let Some(seconds) = directives.max_age_s {
        return Some(of(seconds, LifetimeSource::MaxAge));
    }
    fields.has("expires").then(|| of(expires(fields, sums.date_s), LifetimeSource::Expires))
}

/// Statuses that may be cached without being told to (RFC 9110 §15.1).
pub(crate) const fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

fn bounded_below(found: Lifetime, min_s: Option<u32>) -> Lifetime {
    Lifetime { seconds: found.seconds.max(min_s.unwrap_or(0)), ..found }
}

fn policy_lifetime(policy: &Policy, status: u16) -> Option<Lifetime> {
    let ttl = &policy.ttl;
    let by_status = ttl.by_status.iter().find(|(of, _)| *of == status).map(|(_, s)| *s);
    let negative = ttl.negative_s.filter(|_| status >= 400);
    let default = ttl.default_s.filter(|_| status < 400 && is_heuristically_cacheable(status));
    let seconds = by_status.or(negative).or(default)?;
    Some(Lifetime { seconds, source: LifetimeSource::Policy })
}

/// A fraction of the time since the last change; only where the status allows a guess or the response says
/// that it may be cached (RFC 9111 §4.2.2).
fn heuristic(
    policy: &Policy,
    status: u16,
    fields: &dyn Fields,
    directives: &ResponseDirectives,
    sums: &AgeSums,
) -> Option<Lifetime> {
    if !is_heuristically_cacheable(status) && !directives.public {
        return None;
    }
    let modified_s = fields.first("last-modified").and_then(date::parse)?;
    let unchanged_s = sums.date_s.checked_sub(modified_s)?;
    let guess = unchanged_s * u64::from(policy.heuristic.fraction_percent) / 100;
    let seconds = u32::try_from(guess).unwrap_or(u32::MAX).min(policy.heuristic.max_s);
    (seconds > 0).then_some(Lifetime { seconds, source: LifetimeSource::Heuristic })
}

/// `Expires` minus `Date`. Anything but one valid date, "0" above all, is a time in the past (RFC 9111 §5.3).
fn expires(fields: &dyn Fields, date_s: u64) -> u32 {
    let one = (fields.count("expires") == 1).then(|| fields.first("expires")).flatten();
    let seconds = one.and_then(date::parse).map_or(0, |at_s| at_s.saturating_sub(date_s));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// The first value of the first line; what is no number is ignored (RFC 9111 §5.1).
fn age_field(fields: &dyn Fields) -> u32 {
    let line = fields.first("age").unwrap_or_default();
    seconds(split_member(line).0.trim_ascii())
}

#[cfg(test)]
mod tests;
