//! What a client is told: `RateLimit-Policy`, `RateLimit`, `Retry-After`, and the problem body.
//!
//! Follows draft-ietf-httpapi-ratelimit-headers-11. Leave the two `RateLimit` fields out of redirects
//! (a client may wait before it follows) and of what is stored in a cache.

use std::io::Write;

use crate::check::{Denied, Outcome};
use crate::key::KeyHash;
use crate::rule::Rule;

#[cfg(test)]
mod tests;

/// Media type of [`problem`] (RFC 9457).
pub const PROBLEM_TYPE: &str = "application/problem+json";
/// Longest wait a client is told, seconds; for requests that will never pass.
pub const RETRY_AFTER_SECONDS_MAX: u64 = 86_400;

/// Writes the value of `RateLimit-Policy`: `"per-client";q=100;w=2`.
pub fn policy<'a>(rules: impl IntoIterator<Item = &'a Rule>, out: &mut Vec<u8>) {
    for (index, rule) in rules.into_iter().enumerate() {
        let (quota, window_s) = rule.policy();
        item(index, rule.name(), out);
        number(";q=", quota, out);
        match window_s {
            0 => out.extend_from_slice(b";qu=\"concurrent-requests\""),
            _ => number(";w=", window_s, out),
        }
    }
}

/// Writes the value of `RateLimit` for an admitted request: `"per-client";r=42;t=1`. `t` is the time
/// until the whole quota is back.
pub fn state<'a>(standing: impl IntoIterator<Item = (&'a Rule, &'a Outcome)>, out: &mut Vec<u8>) {
    let shown = standing.into_iter().filter(|(_, outcome)| !outcome.shadowed);
    for (index, (rule, outcome)) in shown.enumerate() {
        item(index, rule.name(), out);
        number(";r=", outcome.remaining.into(), out);
        number(";t=", seconds(outcome.reset_us), out);
    }
}

/// Writes the value of `RateLimit` for a denied request. `t` is the time until the same request would
/// pass, so it is never later than `Retry-After`.
pub fn denied_state(rule: &Rule, denied: &Denied, out: &mut Vec<u8>) {
    item(0, rule.name(), out);
    number(";r=", denied.remaining.into(), out);
    number(";t=", seconds(denied.retry_after_us), out);
}

/// Seconds for `Retry-After` (RFC 9110 10.2.3): rounded up, never 0, and spread by up to a tenth by
/// the client's key, so that clients denied together do not come back together.
pub fn retry_after_s(denied: &Denied, key: KeyHash) -> u64 {
    let wait_s = seconds(denied.retry_after_us);
    let spread_s = (key.0 >> 40) % (wait_s / 10 + 1);
    (wait_s + spread_s).min(RETRY_AFTER_SECONDS_MAX)
}

/// Writes the problem body of a denial, naming the violated policy.
pub fn problem(rule: &Rule, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"{\"type\":\"https://iana.org/assignments/http-problem-types#quota-exceeded\",\
          \"title\":\"Request quota exceeded\",\"status\":429,\"violated-policies\":[\"",
    );
    // A rule's name holds nothing that JSON would have to escape.
    out.extend_from_slice(rule.name().as_bytes());
    out.extend_from_slice(b"\"]}\n");
}

fn item(index: usize, name: &str, out: &mut Vec<u8>) {
    if index > 0 {
        out.extend_from_slice(b", ");
    }
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
}

fn number(parameter: &str, value: u64, out: &mut Vec<u8>) {
    // A Vec takes every write.
    let _ = write!(out, "{parameter}{value}");
}

fn seconds(us: u64) -> u64 {
    us.div_ceil(1_000_000).clamp(1, RETRY_AFTER_SECONDS_MAX)
}
