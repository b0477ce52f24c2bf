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
    if bytes.first() == Some(&b'[') {
        return bracketed(bytes, scheme);
    }
    let colon = bytes.iter().position(|&b| b == b':');
    let (name, port) = bytes.split_at(colon.unwrap_or(bytes.len()));
    Ok(Authority { host: name_host(name)?, port: parse_port(port, scheme)? })
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

fn bracketed(bytes: &[u8], scheme: Scheme) -> Result<Authority<'_>, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::HOST_INVALID)?;
    let (literal, port) = text[1..].split_once(']').ok_or(Refusal::HOST_INVALID)?;
    let address: Ipv6Addr = literal.parse().map_err(|_| Refusal::HOST_INVALID)?;
    let port = parse_port(port.as_bytes(), scheme)?;
    Ok(Authority { host: Cow::Owned(format!("[{address}]")), port })
}

/// `text` is empty or begins with the colon. RFC 3986 6.2.3: an empty port is the default one.
fn parse_port(text: &[u8], scheme: Scheme) -> Result<Option<u16>, Refusal> {
    const DIGITS_MAX: usize = 5;
    let Some((colon, digits)) = text.split_first() else { return Ok(None) };
    if *colon != b':' || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::HOST_INVALID);
    }
    if digits.is_empty() {
        return Ok(None);
    }
    let port = digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    match u16::try_from(port) {
        Ok(0) | Err(_) => Err(Refusal::HOST_INVALID),
        Ok(port) => Ok((port != scheme.default_port()).then_some(port)),
    }
}

#[inline]
fn name_host(name: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Refusal::HOST_INVALID);
    }
    let (mut upper, mut label_bytes) = (false, 0);
    for &b in name {
        label_bytes += 1;
        match b {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {}
            b'A'..=b'Z' => upper = true,
            b'.' if label_bytes > 1 => label_bytes = 0,
            _ => return Err(Refusal::HOST_INVALID),
        }
        if label_bytes > LABEL_BYTES_MAX {
            return Err(Refusal::HOST_INVALID);
        }
    }
    // A label may not be empty, the last one neither ("a..").
    if label_bytes == 0 {
        return Err(Refusal::HOST_INVALID);
    }
    let text = std::str::from_utf8(name).map_err(|_| Refusal::HOST_INVALID)?;
    Ok(if upper { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) })
}

#[cfg(test)]
mod tests;
