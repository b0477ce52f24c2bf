//! What a 206 holds of its representation (RFC 9110 §14.4, §15.3.7; RFC 9111 §3.3, §3.4).

use tidegate_http::Fields;

use crate::conditional::is_weak;
use crate::range::{ByteRange, number};

/// The part of a representation that a response with one range holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which bytes.
    pub range: ByteRange,
    /// Bytes of the whole.
    pub total: u64,
    /// The strong entity tag: only parts that share one may be combined (RFC 9110 §15.3.7.3).
    pub version: Option<Box<[u8]>>,
}

impl Extent {
    /// Reads `Content-Range` and `Content-Length` of a 206. `None` for several ranges, for a length that is not known, and
    /// for fields that contradict each other.
    ///
    /// Some servers count the last byte one too far; then the bytes that come are believed, as announced by
    /// `Content-Length`, and a part that claims to reach the end ends the whole.
    pub fn of(response: &dyn Fields) -> Option<Self> {
        let value = Some("content-range").filter(|name| response.count(name) == 1);
        let (first, last, mut total) = content_range(response.first(value?)?)?;
        let mut end = last + 1;
        let length = response.first("content-length").map(|text| number(text.trim_ascii()));
        match length {
            None => {}
            Some(length) if length == Some(end - first) => {}
            Some(length) if length == Some(last - first) && first < last => {
                total = if end == total { last } else { total };
                end = last;
            }
            Some(_) => return None,
        }
        let version = response.first("etag").filter(|tag| !tag.is_empty() && !is_weak(tag));
        Some(Self {
            range: ByteRange { start: first, end },
            total,
            version: version.map(Box::from),
        })
    }
}

/// First and last byte and the length of the whole out of `bytes 0-9/100`.
fn content_range(value: &[u8]) -> Option<(u64, u64, u64)> {
    let value = value.trim_ascii().strip_prefix(b"bytes ")?;
    let slash = value.iter().position(|b| *b == b'/')?;
    let (range, total) = (&value[..slash], &value[slash + 1..]);
    let dash = range.iter().position(|b| *b == b'-')?;
    let (first, last, total) =
        (number(&range[..dash])?, number(&range[dash + 1..])?, number(total)?);
    (first <= last && last < total).then_some((first, last, total))
}

#[cfg(test)]
mod tests;
