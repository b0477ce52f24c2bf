//! HTTP/1: the head as bytes on a connection (RFC 9112).

use std::mem::MaybeUninit;

use super::{
    Head, HeadLimits, diagnose,
    section::{Line, Section},
};
use crate::{
    Authority, Known, Method, Refusal, Scheme, Version, parse_authority,
    target::{self, Target},
};

/// Empty lines skipped before a request line; RFC 9112 2.2 asks for at least one.
const LEADING_EMPTY_LINES_MAX: usize = 2;

/// What a request line may hold beside the target: a method, a version and their spaces. Only
/// for noticing an endless target early.
const REQUEST_LINE_REST_BYTES: usize = 64;

/// Reads the head of an HTTP/1 request from the start of `buf`.
///
/// `Ok(None)` asks for more bytes; the number is how many bytes the head took, with the empty line
/// that ends it.
///
/// # Errors
/// A [`Refusal`] when a rule is broken, also when that shows before the head is complete.
#[inline]
pub fn parse_head<'a>(
    buf: &'a [u8],
    limits: &HeadLimits,
    scheme: Scheme,
) -> Result<Option<(Head<'a>, usize)>, Refusal> {
    let skipped = leading_empty_lines(buf)?;
    let bytes = &buf[skipped..];
    let bytes = &bytes[..bytes.len().min(limits.head_bytes_max).min(HeadLimits::HEAD_BYTES_CAP)];
    let mut slots = [const { MaybeUninit::uninit() }; HeadLimits::FIELDS_CAP];
    let slots = &mut slots[..limits.fields_max.min(HeadLimits::FIELDS_CAP)];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, slots) {
        Ok(httparse::Status::Complete(len)) => {
            let head = build(&request, &bytes[..len], limits, scheme)?;
            Ok(Some((head, skipped + len)))
        }
        Ok(httparse::Status::Partial) => {
            incomplete(bytes, buf.len() - skipped, limits).map_or(Ok(None), Err)
        }
        Err(error) => Err(diagnose::refusal(bytes, error)),
    }
}

/// Whether the bytes from `from` on may complete a head; a cheap question to ask before parsing a
/// head again that came in pieces. `from` is how many bytes were there the last time. Once
/// [`HeadLimits::head_bytes_max`] bytes are there, parse whatever this says.
pub fn head_may_end(buf: &[u8], from: usize) -> bool {
    let tail = &buf[from.saturating_sub(3).min(buf.len())..];
    memchr::memchr_iter(b'\n', tail)
        .any(|at| matches!(&tail[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

fn leading_empty_lines(buf: &[u8]) -> Result<usize, Refusal> {
    let mut skipped = 0;
    while skipped < 2 * LEADING_EMPTY_LINES_MAX && buf[skipped..].starts_with(b"\r\n") {
        skipped += 2;
    }
    match &buf[skipped..] {
        [b'\n', ..] => Err(Refusal::BARE_LF),
        [b'\r', b'\n', ..] => Err(Refusal::REQUEST_LINE),
        [b'\r', _, ..] => Err(Refusal::BARE_CR),
        _ => Ok(skipped),
    }
}

/// The refusal when a head that is not complete has used up its limit already.
#[cold]
fn incomplete(bytes: &[u8], arrived: usize, limits: &HeadLimits) -> Option<Refusal> {
    let in_request_line = memchr::memchr(b'\n', bytes).is_none();
    if in_request_line && bytes.len() > limits.target_bytes_max + REQUEST_LINE_REST_BYTES {
        return Some(Refusal::TARGET_TOO_LONG);
    }
    // At the limit and not ended: one more byte cannot help.
    let full = arrived >= limits.head_bytes_max.min(HeadLimits::HEAD_BYTES_CAP);
    full.then_some(if in_request_line { Refusal::TARGET_TOO_LONG } else { Refusal::HEAD_TOO_LARGE })
}

#[inline]
fn build<'a>(
    request: &httparse::Request<'_, 'a>,
    bytes: &'a [u8],
    limits: &HeadLimits,
    scheme: Scheme,
) -> Result<Head<'a>, Refusal> {
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(Refusal::REQUEST_LINE);
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let method = implemented(Method::from_token(method))?;
    if target.len() > limits.target_bytes_max {
        return Err(Refusal::TARGET_TOO_LONG);
    }
    let mut head = Head::blank(bytes, method, version, scheme);
    fill(&mut head.section, request.headers, bytes)?;
    let (target, named) = split_target(target, method, scheme)?;
    head.target = target;
    head.authority = authority(&head.section, named, version, scheme)?;
    head.frame(None)?;
    Ok(head)
}

/// RFC 9110 9.1: a method that is not implemented for any resource is answered with 501.
pub(super) fn implemented(method: Method<'_>) -> Result<Method<'_>, Refusal> {
    match method {
        Method::Connect => Err(Refusal::CONNECT_REFUSED),
        Method::Trace => Err(Refusal::TRACE_REFUSED),
        _ => Ok(method),
    }
}

/// `httparse` takes a bare LF for a line end, as RFC 9112 2.2 allows; a peer that does not would
/// see other lines, so each line end is looked at here.
#[inline]
fn fill(
    section: &mut Section<'_>,
    fields: &[httparse::Header<'_>],
    bytes: &[u8],
) -> Result<(), Refusal> {
    for field in fields {
        let name = position(field.name.as_bytes(), bytes);
        let value = match field.value {
            [] => name,
            value => position(value, bytes),
        };
        if !follows_crlf(name, bytes) {
            return Err(Refusal::BARE_LF);
        }
        section.push(Line {
            name: name as u16,
            name_len: field.name.len() as u16,
            value: value as u16,
            value_len: field.value.len() as u16,
        })?;
    }
    if bytes.ends_with(b"\r\n\r\n") { Ok(()) } else { Err(Refusal::BARE_LF) }
}

/// Where `part`, which was cut out of `bytes`, begins in them.
#[inline]
fn position(part: &[u8], bytes: &[u8]) -> usize {
    (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize)
}

/// `httparse` has seen the LF.
#[inline]
fn follows_crlf(at: usize, bytes: &[u8]) -> bool {
    bytes.get(at.wrapping_sub(2)) == Some(&b'\r')
}

/// Whether every line of a section that `httparse` has taken ends in CRLF.
pub(crate) fn lines_end_in_crlf(fields: &[httparse::Header<'_>], bytes: &[u8]) -> bool {
    let starts = fields.iter().map(|field| position(field.name.as_bytes(), bytes));
    starts.into_iter().all(|at| follows_crlf(at, bytes)) && bytes.ends_with(b"\r\n\r\n")
}

/// The forms of RFC 9112 3.2: origin-form, absolute-form with its authority, asterisk-form.
#[inline]
fn split_target<'a>(
    target: &'a str,
    method: Method<'_>,
    scheme: Scheme,
) -> Result<(Target<'a>, Option<Authority<'a>>), Refusal> {
    match target.as_bytes() {
        [b'/', ..] => Ok((target::normalise(target)?, None)),
        b"*" if method == Method::Options => Ok((Target::ASTERISK, None)),
        _ => absolute_form(target, method, scheme),
    }
}

#[cold]
fn absolute_form<'a>(
    target: &'a str,
    method: Method<'_>,
    scheme: Scheme,
) -> Result<(Target<'a>, Option<Authority<'a>>), Refusal> {
    let (word, rest) = target.split_once("://").ok_or(Refusal::TARGET_FORM)?;
    let named = Scheme::from_word(word.as_bytes()).ok_or(Refusal::SCHEME_INVALID)?;
    // RFC 9110 7.4: an https request must be refused unless it came over TLS.
    if named == Scheme::Https && scheme == Scheme::Http {
        return Err(Refusal::SCHEME_MISDIRECTED);
    }
    let (host, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = parse_authority(host.as_bytes(), named)?;
    let target = match rest.as_bytes() {
        // RFC 9112 3.2.4: how OPTIONS for the server itself looks in this form.
        [] if method == Method::Options => Target::ASTERISK,
        [] => Target::ROOT,
        [b'/', ..] => target::normalise(rest)?,
        _ => target::normalise(&format!("/{rest}"))?.into_owned(),
    };
    Ok((target, Some(authority)))
}

/// RFC 9112 3.2: one valid Host in each HTTP/1.1 request. An authority in the target must say the
/// same: a peer may go by either.
#[inline]
pub(super) fn authority<'a>(
    section: &Section<'a>,
    named: Option<Authority<'a>>,
    version: Version,
    scheme: Scheme,
) -> Result<Authority<'a>, Refusal> {
    let host = match section.field(Known::Host) {
        Some(host) => Some(parse_authority(host, scheme)?),
        None if version == Version::Http11 => return Err(Refusal::HOST_MISSING),
        None => None,
    };
    match (host, named) {
        (Some(host), Some(named)) if host != named => Err(Refusal::HOST_CONFLICT),
        (Some(found), _) | (None, Some(found)) => Ok(found),
        (None, None) if version == Version::Http10 => Ok(Authority::NONE),
        (None, None) => Err(Refusal::HOST_MISSING),
    }
}
