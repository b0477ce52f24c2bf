//! Header maps as the ABI carries them: a count, the sizes, then each name and value with a NUL
//! behind, all numbers little endian.

use crate::{Pairs, status::Status};

/// Pairs of one map.
pub(crate) const PAIRS_MAX: usize = 1_024;
/// Bytes of one serialised map.
pub(crate) const PAIRS_BYTES_MAX: usize = 1 << 20;

/// Writes a map. `each` is run twice and must visit the same pairs both times.
pub(crate) fn encode(out: &mut Vec<u8>, each: impl Fn(&mut dyn FnMut(&[u8], &[u8]))) {
    out.clear();
    out.extend_from_slice(&[0; 4]);
    let mut count = 0u32;
    each(&mut |name, value| {
        count += 1;
        out.extend_from_slice(&size(name));
        out.extend_from_slice(&size(value));
    });
    out[..4].copy_from_slice(&count.to_le_bytes());
    each(&mut |name, value| {
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    });
    if count == 0 {
        out.clear();
    }
}

fn size(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// Reads a map; names become lower case. Nothing, or a single NUL, is the empty map.
pub(crate) fn decode(bytes: &[u8]) -> Result<Pairs, Status> {
    if bytes.is_empty() || bytes == [0] {
        return Ok(Pairs::new());
    }
    if bytes.len() > PAIRS_BYTES_MAX {
        return Err(Status::BadArgument);
    }
    let count = number(bytes, 0).ok_or(Status::BadArgument)?;
    if count > PAIRS_MAX {
        return Err(Status::BadArgument);
    }
    let mut at = 4 + count * 8;
    let mut pairs = Pairs::with_capacity(count);
    for index in 0..count {
        let name = part(bytes, &mut at, 4 + index * 8).ok_or(Status::BadArgument)?;
        let value = part(bytes, &mut at, 8 + index * 8).ok_or(Status::BadArgument)?;
        pairs.push((name.to_ascii_lowercase(), value.to_vec()));
    }
    Ok(pairs)
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at + 4)?;
    four.try_into().ok().map(|four| u32::from_le_bytes(four) as usize)
}

/// The text at `at`, whose size stands at `size_at`; steps over it and its NUL.
fn part<'a>(bytes: &'a [u8], at: &mut usize, size_at: usize) -> Option<&'a [u8]> {
    let end = at.checked_add(number(bytes, size_at)?)?;
    let text = bytes.get(*at..end)?;
    if bytes.get(end) != Some(&0) {
        return None;
    }
    *at = end + 1;
    Some(text)
}

/// Whether a field may go onto the wire: a token as name (RFC 9110 5.1), or a known pseudo field,
/// and no line break or NUL in the value (RFC 9110 5.5).
pub(crate) fn is_clean(name: &[u8], value: &[u8]) -> bool {
    let name = name.strip_prefix(b":").unwrap_or(name);
    !name.is_empty() && name.iter().all(|&byte| is_token(byte)) && is_clean_value(value)
}

/// Whether a value carries no line break and no NUL.
pub(crate) fn is_clean_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
