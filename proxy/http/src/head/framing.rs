//! What a head says about the body and the connection.

use super::{Framing, section::Section};
use crate::{Known, Refusal, Version, hop::tokens};

/// What Connection, Expect and Upgrade come to.
pub(super) struct Persistence {
    pub(super) keep_alive: bool,
    pub(super) upgrades: bool,
}

/// The length of the body (RFC 9112 6.3). Only the cases of a request:
///
/// 1. (responses) 2. (CONNECT is refused before) 3. both fields: refused, not repaired
/// 4. Transfer-Encoding: chunked must be final 5. invalid Content-Length: refused
/// 6. Content-Length 7. neither: no body 8. (responses)
#[inline]
pub(super) fn body(section: &Section<'_>, version: Version) -> Result<Framing, Refusal> {
    match (section.field(Known::ContentLength), section.field(Known::TransferEncoding)) {
        (None, None) => Ok(Framing::Empty),
        (Some(_), Some(_)) => Err(Refusal::LENGTH_WITH_ENCODING),
        (Some(length), None) => content_length(length).map(|length| match length {
            0 => Framing::Empty,
            _ => Framing::Length(length),
        }),
        // RFC 9112 6.1: a client of HTTP/1.0 cannot know the coding; the framing is faulty.
        (None, Some(_)) if version == Version::Http10 => Err(Refusal::ENCODING_IN_HTTP10),
        (None, Some(coding)) => transfer_encoding(coding).map(|()| Framing::Chunked),
    }
}

/// RFC 9110 8.6: `1*DIGIT`. A list of equal numbers may be accepted or refused; it is refused.
pub(crate) fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    /// 19 digits always fit 64 bits.
    const DIGITS_MAX: usize = 19;
    if value.is_empty() || value.len() > DIGITS_MAX || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::LENGTH_INVALID);
    }
    Ok(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// RFC 9112 6.1 and 7: codings compare without case; anything but chunked alone is refused.
pub(crate) fn transfer_encoding(value: &[u8]) -> Result<(), Refusal> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let chunked = value.split(|&b| b == b',').filter(|c| is_chunked(c.trim_ascii())).count();
    match value.rsplit(|&b| b == b',').next() {
        Some(last) if is_chunked(last.trim_ascii()) && chunked == 1 => {
            Err(Refusal::ENCODING_UNSUPPORTED)
        }
        _ if chunked > 1 => Err(Refusal::ENCODING_REPEATED),
        _ => Err(Refusal::ENCODING_INVALID),
    }
}

/// RFC 9112 9.3.
#[inline]
pub(super) fn persistence(section: &Section<'_>, version: Version) -> Result<Persistence, Refusal> {
    let mut options = Options::default();
    if section.field(Known::Connection).is_none() {
        return Ok(Persistence { keep_alive: version != Version::Http10, upgrades: false });
    }
    for value in section.values(Known::Connection) {
        // What browsers send, without the walk.
        if value == b"keep-alive" {
            options.keep_alive = true;
        } else {
            options.read(value)?;
        }
    }
    Ok(Persistence {
        keep_alive: !options.close && (version != Version::Http10 || options.keep_alive),
        // RFC 9110 7.8: Upgrade in an HTTP/1.0 request is ignored.
        upgrades: options.upgrade && version == Version::Http11,
    })
}

#[derive(Default)]
struct Options {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

impl Options {
    fn read(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in tokens(value) {
            match Known::lookup(option) {
                // Stripping these by order of the client would change whom or what the request
                // is for (RFC 9110 7.6.1 forbids to name them).
                Some(Known::Host | Known::ContentLength) => {
                    return Err(Refusal::CONNECTION_NAMES_FRAMING);
                }
                Some(Known::KeepAlive) => self.keep_alive = true,
                Some(Known::Upgrade) => self.upgrade = true,
                _ => self.close |= option.eq_ignore_ascii_case(b"close"),
            }
        }
        Ok(())
    }
}

/// Whether the client waits for 100 (Continue). RFC 9110 10.1.1: an expectation that cannot be met
/// may be answered with 417; one in HTTP/1.0, or without a body, is ignored.
#[inline]
pub(super) fn expects_continue(
    section: &Section<'_>,
    version: Version,
    body: Framing,
) -> Result<bool, Refusal> {
    match section.field(Known::Expect) {
        None => Ok(false),
        Some(_) if version == Version::Http10 => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(body != Framing::Empty),
        Some(_) => Err(Refusal::EXPECTATION_UNKNOWN),
    }
}
