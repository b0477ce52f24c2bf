//! HTTP/2: the head as decoded field blocks (RFC 9113 8).

use std::ops::Range;

use smallvec::SmallVec;

use super::{Framing, Head, HeadLimits, h1, section::Line};
use crate::{
    Known, Method, Refusal, Scheme, Version,
    field_list::{is_token, is_token_byte},
    parse_authority,
    target::{self, Target},
};

/// The pseudo-header fields of an HTTP/2 request (RFC 9113 8.3.1) and how the stream stands.
#[derive(Debug, Clone, Copy)]
pub struct H2Parts<'p> {
    /// `:method`
    pub method: &'p str,
    /// `:authority`, when present.
    pub authority: Option<&'p str>,
    /// `:path`
    pub path: &'p str,
    /// `:protocol` of an extended CONNECT (RFC 8441 4).
    pub protocol: Option<&'p str>,
    /// Whether the stream ended with the field block, so that no body follows.
    pub ended: bool,
}

/// Where the parts of an HTTP/2 request lie in the buffer they were copied to: with that buffer it
/// gives the head, as often as it is asked for.
#[derive(Debug, Clone)]
pub struct H2Layout {
    method: Range<usize>,
    path: Range<usize>,
    authority: Option<Range<usize>>,
    lines: SmallVec<[Line; 32]>,
    upgrades: bool,
    ended: bool,
}

/// Builds a head from an HTTP/2 request, with the checks of [`crate::parse_head`].
///
/// The head borrows `scratch`, into which the parts are copied; it is cleared first and may be
/// used again for the next stream. `scheme` is that of the connection. Several `cookie` lines
/// become one (RFC 9113 8.2.3).
///
/// # Errors
/// A [`Refusal`] when a rule is broken.
pub fn head_from_h2<'a, 'f>(
    parts: H2Parts<'_>,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    limits: &HeadLimits,
    scheme: Scheme,
    scratch: &'a mut Vec<u8>,
) -> Result<Head<'a>, Refusal> {
    H2Layout::copy(parts, fields, limits, scratch)?.head(scratch, scheme)
}

// === impl H2Layout ===

impl H2Layout {
    /// Copies the parts of a request into `scratch`, which is cleared first.
    ///
    /// # Errors
    /// A [`Refusal`] when a part is too large or may not be sent on HTTP/2.
    pub fn copy<'f>(
        parts: H2Parts<'_>,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        limits: &HeadLimits,
        scratch: &mut Vec<u8>,
    ) -> Result<Self, Refusal> {
        Self::copy_each(parts, fields, limits, scratch, check)
    }

    /// As [`Self::copy`], of field lines that have passed the checks of RFC 9113 8.2 already, as
    /// those of a request that tidegate-http2 hands over: they are not looked at again.
    ///
    /// # Errors
    /// A [`Refusal`] when a part is too large.
    pub fn copy_checked<'f>(
        parts: H2Parts<'_>,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        limits: &HeadLimits,
        scratch: &mut Vec<u8>,
    ) -> Result<Self, Refusal> {
        Self::copy_each(parts, fields, limits, scratch, |name, value| {
            debug_assert!(check(name, value).is_ok(), "an unchecked field line");
            Ok(())
        })
    }

    #[inline]
    fn copy_each<'f>(
        parts: H2Parts<'_>,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        limits: &HeadLimits,
        scratch: &mut Vec<u8>,
        check: impl Fn(&[u8], &[u8]) -> Result<(), Refusal>,
    ) -> Result<Self, Refusal> {
        if parts.path.len() > limits.target_bytes_max {
            return Err(Refusal::TARGET_TOO_LONG);
        }
        scratch.clear();
        let mut copy = Copy::new(scratch, limits);
        let method = copy.append(parts.method.as_bytes())?;
        let path = copy.append(parts.path.as_bytes())?;
        let authority = match parts.authority {
            Some(authority) => Some(copy.append(authority.as_bytes())?),
            None => None,
        };
        if let Some(protocol) = parts.protocol {
            copy.line(b"upgrade", protocol.as_bytes())?;
        }
        for (name, value) in fields {
            check(name, value)?;
            copy.field(name, value)?;
        }
        let (lines, upgrades) = (copy.finish()?, parts.protocol.is_some());
        Ok(Self { method, path, authority, lines, upgrades, ended: parts.ended })
    }

    /// The head, out of the bytes that the parts were copied to.
    ///
    /// # Errors
    /// A [`Refusal`] when a rule is broken.
    pub fn head<'a>(&self, bytes: &'a [u8], scheme: Scheme) -> Result<Head<'a>, Refusal> {
        let mut head = Head::blank(bytes, self.method(bytes)?, Version::Http2, scheme);
        self.lines.iter().try_for_each(|line| head.section.push(*line))?;
        head.target = match part(bytes, &self.path).ok_or(Refusal::H2_PSEUDO)? {
            "*" if head.method == Method::Options => Target::ASTERISK,
            origin if origin.starts_with('/') => target::normalise(origin)?,
            _ => return Err(Refusal::H2_PSEUDO),
        };
        let named = match &self.authority {
            Some(authority) => Some(parse_authority(&bytes[authority.clone()], scheme)?),
            None => None,
        };
        head.authority = h1::authority(&head.section, named, Version::Http2, scheme)?;
        head.frame(Some(self.ended))?;
        if self.upgrades {
            // What follows on the stream is the protocol's, not a body.
            (head.upgrades, head.body) = (true, Framing::Empty);
        }
        Ok(head)
    }

    /// RFC 8441 4: an extended CONNECT asks for what GET with Upgrade asks for on HTTP/1.1.
    fn method<'a>(&self, bytes: &'a [u8]) -> Result<Method<'a>, Refusal> {
        let token = part(bytes, &self.method).filter(|m| is_token(m.as_bytes()));
        match Method::from_token(token.ok_or(Refusal::METHOD_INVALID)?) {
            Method::Connect if self.upgrades => Ok(Method::Get),
            _ if self.upgrades => Err(Refusal::H2_PSEUDO),
            method => h1::implemented(method),
        }
    }
}

fn part<'a>(bytes: &'a [u8], at: &Range<usize>) -> Option<&'a str> {
    std::str::from_utf8(&bytes[at.clone()]).ok()
}

/// What is known of the body beside Content-Length: RFC 9113 8.1.1 makes a length that the stream
/// belies malformed.
pub(super) fn body(declared: Framing, has_length: bool, ended: bool) -> Result<Framing, Refusal> {
    match (declared, ended) {
        (Framing::Length(_), true) => Err(Refusal::LENGTH_INVALID),
        (Framing::Empty, false) if !has_length => Ok(Framing::Chunked),
        _ => Ok(declared),
    }
}

/// Copies the parts into one buffer and notes where they lie.
struct Copy<'s> {
    out: &'s mut Vec<u8>,
    bytes_max: usize,
    lines_max: usize,
    lines: SmallVec<[Line; 32]>,
    cookies: SmallVec<[Range<usize>; 4]>,
}

impl<'s> Copy<'s> {
    fn new(out: &'s mut Vec<u8>, limits: &HeadLimits) -> Self {
        Self {
            out,
            bytes_max: limits.head_bytes_max.min(HeadLimits::HEAD_BYTES_CAP),
            lines_max: limits.fields_max.min(HeadLimits::FIELDS_CAP),
            lines: SmallVec::new(),
            cookies: SmallVec::new(),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<Range<usize>, Refusal> {
        let start = self.out.len();
        if start + bytes.len() > self.bytes_max {
            return Err(Refusal::HEAD_TOO_LARGE);
        }
        self.out.extend_from_slice(bytes);
        Ok(start..self.out.len())
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        if self.lines.len() + self.cookies.len() >= self.lines_max {
            return Err(Refusal::FIELDS_TOO_MANY);
        }
        if name == b"cookie" {
            let crumb = self.append(value)?;
            self.cookies.push(crumb);
            return Ok(());
        }
        self.line(name, value)
    }

    fn line(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let (name, value) = (self.append(name)?, self.append(value)?);
        self.lines.push(Line {
            name: name.start as u16,
            name_len: name.len() as u16,
            value: value.start as u16,
            value_len: value.len() as u16,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<SmallVec<[Line; 32]>, Refusal> {
        if !self.cookies.is_empty() {
            let crumbs: Vec<&[u8]> = self.cookies.iter().map(|c| &self.out[c.clone()]).collect();
            let cookie = crumbs.join(&b"; "[..]);
            self.line(b"cookie", &cookie)?;
        }
        Ok(self.lines)
    }
}

/// RFC 9113 8.2.1 (names and values), 8.2.2 (connection-specific fields), 8.3 (no pseudo-header
/// among the fields).
fn check(name: &[u8], value: &[u8]) -> Result<(), Refusal> {
    if name.first() == Some(&b':') {
        return Err(Refusal::H2_PSEUDO);
    }
    if name.is_empty() || !name.iter().all(|&b| is_token_byte(b)) {
        return Err(Refusal::FIELD_NAME);
    }
    if name.iter().any(u8::is_ascii_uppercase) {
        return Err(Refusal::H2_FIELD_CASE);
    }
    let control = |&b: &u8| (b < b' ' && b != b'\t') || b == 0x7f;
    if value.trim_ascii().len() != value.len() || value.iter().any(control) {
        return Err(Refusal::FIELD_VALUE);
    }
    match Known::lookup(name) {
        Some(Known::Te) if value != b"trailers" => Err(Refusal::H2_CONNECTION_FIELD),
        Some(
            Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::TransferEncoding
            | Known::Upgrade,
        ) => Err(Refusal::H2_CONNECTION_FIELD),
        _ => Ok(()),
    }
}
