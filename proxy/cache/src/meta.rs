//! What the cache knows of a stored response beside its fields and body.

use crate::directive::DELTA_MAX_S;
use crate::freshness::{AgeSums, Lifetime};
use crate::tag::{TAG_FIELDS, TagId};
use crate::vary::Vary;

/// Everything that later decisions about a stored response need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Final status code.
    pub status: u16,
    /// The terms of its age.
    pub sums: AgeSums,
    /// Freshness lifetime.
    pub lifetime: Lifetime,
    /// How long after its end a stale answer may be given while validating, in seconds (RFC 5861 §3).
    pub while_revalidate_s: u32,
    /// How long after its end a stale answer may stand in for an error, in seconds (RFC 5861 §4).
    pub if_error_s: u32,
    /// `must-revalidate`, `proxy-revalidate`, `s-maxage` or `no-cache`: never served stale unless the response itself
    /// names a window for it (RFC 9111 §4.2.4).
    pub must_revalidate: bool,
    /// `no-cache`: validated before every use (RFC 9111 §5.2.2.4).
    pub no_cache: bool,
    /// `immutable` (RFC 8246): a client's reload does not lead to validation while it is fresh.
    pub immutable: bool,
    /// What validation compares.
    pub validators: Validators,
    /// Which requests it answers.
    pub vary: Vary,
    /// Names it can be purged by.
    pub tags: Box<[TagId]>,
    /// Fields left out of the stored copy: named by `no-cache="..."` or `private="..."`, or by policy. Lower case.
    pub withheld: Box<[Box<str>]>,
}

/// The validators of a response (RFC 9110 §8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag` as received, quotes and `W/` included.
    pub etag: Option<Box<[u8]>>,
    /// `Last-Modified` in unix seconds.
    pub last_modified_s: Option<u64>,
}

impl Meta {
    /// current_age in milliseconds.
    pub const fn age_ms(&self, now_ms: u64) -> u64 {
        self.sums.current_age_ms(now_ms)
    }

    /// The value of `Age` for an answer from the store (RFC 9111 §5.1), at most 2^31 (§1.2.2).
    pub const fn age_s(&self, now_ms: u64) -> u64 {
        let age_s = self.age_ms(now_ms) / 1000;
        if age_s > DELTA_MAX_S as u64 { DELTA_MAX_S as u64 } else { age_s }
    }

    /// Whether a field is left out of answers to everybody, the client that caused the fetch included: it is between
    /// origin and cache.
    pub fn hides(&self, name: &str) -> bool {
        TAG_FIELDS.contains(&name) && self.withheld.iter().any(|withheld| **withheld == *name)
    }

    /// Milliseconds of freshness left; negative when stale.
    pub const fn fresh_for_ms(&self, now_ms: u64) -> i64 {
        self.lifetime.seconds as i64 * 1000 - self.age_ms(now_ms) as i64
    }

    /// response_is_fresh = (freshness_lifetime > current_age).
    pub const fn is_fresh(&self, now_ms: u64) -> bool {
        self.fresh_for_ms(now_ms) > 0
    }

    /// Bytes that this value holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        let etag = self.validators.etag.as_ref().map_or(0, |tag| tag.len() + 16);
        let withheld: usize = self.withheld.iter().map(|name| name.len() + 32).sum();
        etag + withheld + self.tags.len() * size_of::<TagId>() + self.vary.heap_bytes()
    }
}

impl Validators {
    /// Whether there is anything to validate with.
    pub const fn any(&self) -> bool {
        self.etag.is_some() || self.last_modified_s.is_some()
    }
}
