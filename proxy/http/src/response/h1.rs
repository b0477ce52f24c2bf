//! HTTP/1: the response head of an origin (RFC 9112 4), as strictly read as a request.

use super::ResponseHead;
use crate::{
    HeadLimits, Refusal, Version,
    head::{diagnose::response_refusal, h1::lines_end_in_crlf},
};

/// Reads a response head from the start of `buf`. `Ok(None)` asks for more bytes; the number is how
/// many bytes the head took, with the empty line that ends it.
///
/// # Errors
/// A [`Refusal`]: the connection cannot be used any more.
pub fn parse_response(
    buf: &[u8],
    limits: &HeadLimits,
) -> Result<Option<(ResponseHead, Version, usize)>, Refusal> {
    let bytes = &buf[..buf.len().min(limits.head_bytes_max)];
    let mut slots = [httparse::EMPTY_HEADER; HeadLimits::FIELDS_CAP];
    let slots = &mut slots[..limits.fields_max.min(HeadLimits::FIELDS_CAP)];
    let mut response = httparse::Response::new(slots);
    // `httparse` passes over empty lines before the start line; before a response there are none.
    if matches!(bytes, [b'\r' | b'\n', ..]) {
        return Err(Refusal::STATUS_LINE);
    }
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => {
            build(&response, &bytes[..len]).map(|(head, version)| Some((head, version, len)))
        }
        Ok(httparse::Status::Partial) if buf.len() < limits.head_bytes_max => Ok(None),
        Ok(httparse::Status::Partial) => Err(Refusal::HEAD_TOO_LARGE),
        Err(httparse::Error::Status | httparse::Error::Version) => Err(Refusal::STATUS_LINE),
        Err(error) => Err(response_refusal(bytes, error)),
    }
}

fn build(
    response: &httparse::Response<'_, '_>,
    bytes: &[u8],
) -> Result<(ResponseHead, Version), Refusal> {
    let (Some(status @ 100..=599), Some(minor)) = (response.code, response.version) else {
        return Err(Refusal::STATUS_LINE);
    };
    if !lines_end_in_crlf(response.headers, bytes) {
        return Err(Refusal::BARE_LF);
    }
    let fields = response.headers.iter().map(|field| (field.name, field.value)).collect();
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    Ok((ResponseHead { status, fields }, version))
}
