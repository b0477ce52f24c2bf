//! Large files in fixed slices: each is fetched with `Range`, kept under a key of its own, and joined with
//! the others only when all of them are of one version of the file.

use tidegate_http::{FieldList, Fields as _};

#[cfg(test)]
mod tests;

/// Smallest slice, bytes.
pub const SLICE_BYTES_MIN: u64 = 32 << 10;
/// Largest slice, bytes.
pub const SLICE_BYTES_MAX: u64 = 128 << 20;

/// Where a slice stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Its number.
    pub index: u64,
    /// Bytes of every slice but the last.
    pub bytes: u64,
}

/// What an answer to a slice's range says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// The slice.
    Slice(Extent),
    /// The file ends before it; its length, where that is known.
    Beyond(Option<u64>),
    /// The whole file: the origin knows no ranges.
    Whole,
    /// Something else: an error, or a range that was not asked for.
    Other,
}

/// What one slice proves about its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of the file.
    pub total: u64,
    /// Bytes of this slice.
    pub length: u64,
    /// Its validator: the entity tag, or else the date of the last change.
    pub version: Option<Vec<u8>>,
}

/// What a `Range` field asks for, before the length of the file is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// From a byte to a byte, both included; without the latter to the end.
    From(u64, Option<u64>),
    /// The last bytes.
    Suffix(u64),
}

impl Slice {
    /// The slice that holds a byte.
    pub const fn of(byte: u64, bytes: u64) -> Self {
        Self { index: byte / bytes, bytes }
    }

    /// The first byte.
    pub const fn start(self) -> u64 {
        self.index.saturating_mul(self.bytes)
    }

    /// The value of `Range` that fetches it.
    pub fn range(self) -> String {
        let last = self.start().saturating_add(self.bytes) - 1;
        format!("bytes={}-{last}", self.start())
    }

    /// What an answer means for this slice (RFC 9110 14.4, 15.3.7).
    pub fn answered(self, status: u16, fields: &FieldList) -> Answered {
        match status {
            200 => Answered::Whole,
            206 => self.extent(fields).map_or(Answered::Other, Answered::Slice),
            416 => Answered::Beyond(text(fields, "content-range").and_then(unsatisfied)),
            _ => Answered::Other,
        }
    }

    /// A 206 that can be kept: one range, exactly the one asked for or up to the end of the file, with the
    /// whole length, not encoded on the way.
    fn extent(self, fields: &FieldList) -> Option<Extent> {
        if fields.first("content-encoding").is_some_and(|coding| coding != b"identity") {
            return None;
        }
        let (first, last, total) = content_range(text(fields, "content-range")?)?;
        let end = self.start().checked_add(self.bytes)?.min(total);
        if first != self.start() || last.checked_add(1)? != end {
            return None;
        }
        let length = end - first;
        let declared = text(fields, "content-length").map(|text| text.trim().parse() == Ok(length));
        (declared != Some(false)).then(|| Extent { total, length, version: version(fields) })
    }
}

/// The validator that tells versions of a file apart; a weak entity tag is none for ranges (RFC 9110 13.1.5).
pub fn version(fields: &FieldList) -> Option<Vec<u8>> {
    let tag = fields.first("etag").filter(|tag| !tag.starts_with(b"W/"));
    tag.or_else(|| fields.first("last-modified")).map(<[u8]>::to_vec)
}

impl Wanted {
    /// Reads a `Range` of one range; several, and other units, are none here.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = std::str::from_utf8(value).ok()?.trim();
        let (first, last) = value.strip_prefix("bytes=")?.trim().split_once('-')?;
        if first.is_empty() {
            return Some(Self::Suffix(number(last)?));
        }
        let first = number(first)?;
        let last = if last.is_empty() { None } else { Some(number(last)?) };
        last.is_none_or(|last| last >= first).then_some(Self::From(first, last))
    }

    /// The bytes it means in a file of this length, first and last; `None` when there are none.
    pub fn within(self, total: u64) -> Option<(u64, u64)> {
        let end = total.checked_sub(1)?;
        match self {
            Self::From(first, last) => {
                (first <= end).then(|| (first, last.unwrap_or(end).min(end)))
            }
            Self::Suffix(0) => None,
            Self::Suffix(count) => Some((total.saturating_sub(count), end)),
        }
    }
}

/// `bytes 0-9/100`; a length that is not known is of no use here.
fn content_range(value: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    (first <= last && last < total).then_some((first, last, total))
}

fn unsatisfied(value: &str) -> Option<u64> {
    number(value.trim().strip_prefix("bytes ")?.strip_prefix("*/")?)
}

fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn text<'f>(fields: &'f FieldList, name: &str) -> Option<&'f str> {
    std::str::from_utf8(fields.first(name)?).ok()
}
