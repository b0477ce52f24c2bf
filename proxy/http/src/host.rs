//! The authority of a request: host and port.

use std::{borrow::Cow, net::Ipv6Addr};

use crate::{Refusal, Scheme};

/// A validated host in lower case and the port, when it is not the default of the scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: Cow<'a, str>,
    /// Absent when not named or the default.
    pub port: Option<u16>,
}

/// RFC 1035 2.3.4.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Reads `host[:port]` (RFC 9110 7.2) and brings it to its normal form: lower case, no trailing
/// dot, no default port, IPv6 in the form of RFC 5952.
///
/// Stricter than the `reg-name` of RFC 3986: letters, digits, `-`, `_` and `.` only, because names
/// with other bytes are read differently by different recipients.
///
/// # Errors
/// [`Refusal::HOST_INVALID`].
#[inline]
pub fn parse_authority(bytes: &[u8], scheme: Scheme) -> Result<Authority<'_>, Refusal> {
    let mut seen = 0;
    let mut label = 0;
    let mut end = bytes.len();
    for (at, &b) in bytes.iter().enumerate() {
        let class = CLASS[usize::from(b)];
        if class <= UPPER {
            seen |= class;
        } else if class == DOT && (1..=LABEL_BYTES_MAX).contains(&(at - label)) {
            label = at + 1;
        } else if class == COLON {
            end = at;
            break;
        } else {
            return bracketed(bytes, scheme);
        }
    }
    // One dot may stand at the end; it was the end of a label that was not empty.
    let name = &bytes[..if end == label { end.saturating_sub(1) } else { end }];
    if name.is_empty() || end - label > LABEL_BYTES_MAX || name.len() > NAME_BYTES_MAX {
        return Err(Refusal::HOST_INVALID);
    }
    let name = std::str::from_utf8(name).map_err(|_| Refusal::HOST_INVALID)?;
    let host = match seen {
        UPPER => Cow::Owned(name.to_ascii_lowercase()),
        _ => Cow::Borrowed(name),
    };
    Ok(Authority { host, port: parse_port(&bytes[end..], scheme)? })
}

impl Authority<'_> {
    /// What stands for an HTTP/1.0 request that names no host.
    pub(crate) const NONE: Self = Self { host: Cow::Borrowed(""), port: None };

    /// `host` or `host:port`.
    pub fn text(&self) -> Cow<'_, str> {
        match self.port {
            Some(port) => Cow::Owned(format!("{}:{port}", self.host)),
            None => Cow::Borrowed(&self.host),
        }
    }
}

/// What is no name may be an IPv6 address.
#[cold]
fn bracketed(bytes: &[u8], scheme: Scheme) -> Result<Authority<'_>, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::HOST_INVALID)?;
    let literal = text.strip_prefix('[').and_then(|text| text.split_once(']'));
    let (literal, port) = literal.ok_or(Refusal::HOST_INVALID)?;
    let address: Ipv6Addr = literal.parse().map_err(|_| Refusal::HOST_INVALID)?;
    let port = parse_port(port.as_bytes(), scheme)?;
    Ok(Authority { host: Cow::Owned(format!("[{address}]")), port })
}

/// `text` is empty or begins with the colon. RFC 3986 6.2.3: an empty port is the default one.
fn parse_port(text: &[u8], scheme: Scheme) -> Result<Option<u16>, Refusal> {
    const DIGITS_MAX: usize = 5;
    let Some((colon, digits)) = text.split_first() else { return Ok(None) };
    if *colon != b':' || digits.len() > DIGITS_MAX {
        return Err(Refusal::HOST_INVALID);
    }
    let mut port = 0;
    for digit in digits {
        match digit.wrapping_sub(b'0') {
            digit @ 0..=9 => port = port * 10 + u32::from(digit),
            _ => return Err(Refusal::HOST_INVALID),
        }
    }
    match u16::try_from(port) {
        _ if digits.is_empty() => Ok(None),
        Ok(0) | Err(_) => Err(Refusal::HOST_INVALID),
        Ok(port) => Ok((port != scheme.default_port()).then_some(port)),
    }
}

/// A byte of a label as it should be.
const PLAIN: u8 = 0;
/// A letter to be made small.
const UPPER: u8 = 1;
const DOT: u8 = 2;
const COLON: u8 = 3;
const NEVER: u8 = 4;

const CLASS: [u8; 256] = {
    let mut table = [NEVER; 256];
    let mut b = 0;
    while b < 128 {
        table[b] = match b as u8 {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => PLAIN,
            b'A'..=b'Z' => UPPER,
            b'.' => DOT,
            b':' => COLON,
            _ => NEVER,
        };
        b += 1;
    }
    table
};

#[cfg(test)]
mod tests;
