//! Byte ranges of a stored response (RFC 9110 §14).

use tidegate_http::{Fields, Method, date};

use crate::conditional::strong_match;
use crate::meta::Meta;

/// More ranges than this in one request and the whole is sent (RFC 9110 §14.2 leaves it to the server).
pub const RANGES_MAX: usize = 32;

/// Bytes `start..end` of a representation; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// What of the body is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangePlan {
    /// 200 with everything.
    Whole,
    /// 206 with one part.
    Single(ByteRange),
    /// 206 `multipart/byteranges`.
    Multi(Vec<ByteRange>),
    /// 416 with `Content-Range: bytes */length`.
    Unsatisfiable,
}

impl ByteRange {
    /// The number of bytes.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub const fn len(&self) -> u64 {
        self.end - self.start
    }

    /// `bytes 0-99/1000`, the value of `Content-Range`.
    pub fn content_range(&self, length: u64) -> String {
        format!("bytes {}-{}/{length}", self.start, self.end - 1)
    }
}

/// What to send of a complete stored body of `length` bytes. Only a 200 to GET is cut (RFC 9110 §14.2); `If-Range`
/// must hold first (§13.1.5).
pub fn range_plan(method: Method<'_>, request: &dyn Fields, meta: &Meta, length: u64) -> RangePlan {
    if method != Method::Get || meta.status != 200 || request.count("range") != 1 {
        return RangePlan::Whole;
    }
    let specs = request.first("range").and_then(specs);
    match specs {
        Some(specs) if if_range_holds(request, meta) => plan(&specs, length),
        _ => RangePlan::Whole,
    }
}

/// The one range that a request asks for, before the length of the representation is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneRange {
    /// From a byte to a byte, both included; without the latter to the end.
    From(u64, Option<u64>),
    /// The last bytes.
    Last(u64),
}

impl OneRange {
    /// Reads `Range`; `None` for several ranges, another unit, or none.
    pub fn of(request: &dyn Fields) -> Option<Self> {
        let value = Some("range").filter(|name| request.count(name) == 1);
        match *specs(request.first(value?)?)?.as_slice() {
            [Spec::From(first, last)] => Some(Self::From(first, last)),
            [Spec::Last(count)] => Some(Self::Last(count)),
            _ => None,
        }
    }

    /// The bytes that it means of a representation of `length` bytes; `None` when there are none.
    pub fn within(self, length: u64) -> Option<ByteRange> {
        let spec = match self {
            Self::From(first, last) => Spec::From(first, last),
            Self::Last(count) => Spec::Last(count),
        };
        resolve(spec, length)
    }
}

/// A boundary for `multipart/byteranges` that is the same for the same answer: 24 characters from `seed`.
pub fn multipart_boundary(seed: u128) -> String {
    format!("tg{:022x}", seed >> 40)
}

/// One range-spec.
#[derive(Clone, Copy)]
enum Spec {
    From(u64, Option<u64>),
    Last(u64),
}

/// The specs of `bytes=...`; `None` for another unit or a malformed field, which is ignored (RFC 9110 §14.2).
fn specs(value: &[u8]) -> Option<Vec<Spec>> {
    let (unit, set) = value.split_at(value.iter().position(|b| *b == b'=')?);
    if !unit.trim_ascii().eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let specs = set[1..].split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|s| !s.is_empty());
    let specs: Option<Vec<Spec>> = specs.take(RANGES_MAX + 1).map(spec).collect();
    specs.filter(|specs| (1..=RANGES_MAX).contains(&specs.len()))
}

fn spec(text: &[u8]) -> Option<Spec> {
    let (first, last) = text.split_at(text.iter().position(|b| *b == b'-')?);
    match (first, &last[1..]) {
        (b"", last) => Some(Spec::Last(number(last)?)),
        (first, b"") => Some(Spec::From(number(first)?, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// Digits only; a number too large to hold is as good as the largest.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digit = |sum: u64, b: &u8| sum.saturating_mul(10).saturating_add(u64::from(b - b'0'));
    let valid = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    valid.then(|| text.iter().fold(0, digit))
}

fn plan(specs: &[Spec], length: u64) -> RangePlan {
    let mut ranges: Vec<ByteRange> =
        specs.iter().filter_map(|spec| resolve(*spec, length)).collect();
    let asked = ranges.iter().map(ByteRange::len).fold(0, u64::saturating_add);
    match ranges.len() {
        0 => RangePlan::Unsatisfiable,
        1 => RangePlan::Single(ranges.remove(0)),
        // Overlapping ranges multiply the answer: the whole is cheaper (RFC 9110 §17.15).
        _ if asked >= length => RangePlan::Whole,
        _ => RangePlan::Multi(ranges),
    }
}

fn resolve(spec: Spec, length: u64) -> Option<ByteRange> {
    let (start, end) = match spec {
        Spec::From(first, last) => {
            (first, last.map_or(length, |last| last.saturating_add(1).min(length)))
        }
        Spec::Last(count) => (length.saturating_sub(count), length),
    };
    (start < end).then_some(ByteRange { start, end })
}

/// The representation must be the very one the client has a part of: strong comparison of tags, or an exact
/// `Last-Modified` that is strong because the response is at least a second younger (RFC 9110 §8.8.2.2, §13.1.5).
fn if_range_holds(request: &dyn Fields, meta: &Meta) -> bool {
    let Some(value) = request.first("if-range") else { return true };
    if value.starts_with(b"\"") || value.starts_with(b"W/") {
        return meta.validators.etag.as_deref().is_some_and(|etag| strong_match(value, etag));
    }
    let Some(modified_s) = meta.validators.last_modified_s else { return false };
    modified_s < meta.sums.date_s && date::parse(value) == Some(modified_s)
}

#[cfg(test)]
mod tests;
