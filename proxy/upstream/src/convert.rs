//! Between our header sections and those of the `http` crate that Pingora works on.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Uri, Version};
use pingora_http::{RequestHeader, ResponseHeader};
use tidegate_http::{FieldList, Framing, ResponseHead, is_hop_by_hop};

use crate::downstream::ResponseFraming;
use crate::outbound::Outbound;

#[cfg(test)]
mod tests;

/// Why a message cannot be carried: one word for telemetry.
pub(crate) type Word = &'static str;

/// The request as it goes on the wire. Built from its parts, never from copied bytes.
pub(crate) fn request(out: &Outbound, uri: &Uri, version: Version) -> Result<RequestHeader, Word> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = out.method.clone();
    parts.uri = uri.clone();
    parts.version = version;
    parts.headers = HeaderMap::with_capacity(out.fields.len() + 4);
    parts.headers.insert(header::HOST, value(&out.host)?);
    end_to_end(&out.fields, &mut parts.headers)?;
    framing(out.framing, version, &mut parts.headers);
    connection(out, version, &mut parts.headers)?;
    Ok(RequestHeader::from(parts))
}

/// The response head without hop-by-hop and framing fields, and what the framing fields said.
///
/// `ended` tells that the stream ended with the head; `bodiless` that the request was HEAD.
pub(crate) fn response(
    header: &ResponseHeader,
    ended: bool,
    bodiless: bool,
) -> Result<(ResponseHead, ResponseFraming), Word> {
    let status = header.status.as_u16();
    // RFC 9110 section 15: such a code has no class, and everyone down the line would guess.
    if status > 599 {
        return Err("status");
    }
    let declared = content_length(&header.headers)?;
    transfer_coded(header)?;
    let framing = match declared {
        _ if bodiless || matches!(status, 204 | 304) => ResponseFraming::Empty { declared },
        Some(length) => ResponseFraming::Length(length),
        // Also when it says chunked: Pingora adds that to what comes by HTTP/2 without a length.
        None if ended => ResponseFraming::Length(0),
        None => ResponseFraming::Unknown,
    };
    Ok((interim(header), framing))
}

/// A head without hop-by-hop and framing fields.
pub(crate) fn interim(header: &ResponseHeader) -> ResponseHead {
    let connection = connection_options(&header.headers);
    let fields = fields(&header.headers, |name| {
        name == header::CONTENT_LENGTH || is_hop_by_hop(name.as_str().as_bytes(), &connection)
    });
    ResponseHead { status: header.status.as_u16(), fields }
}

/// The head of a 101, which keeps what it is about.
pub(crate) fn upgrade(header: &ResponseHeader) -> ResponseHead {
    let mut head = interim(header);
    for protocol in header.headers.get_all(header::UPGRADE) {
        head.fields.push("upgrade", protocol.as_bytes());
    }
    head
}

/// Trailer fields, without those that a trailer must not carry (RFC 9110 section 6.5.1).
pub(crate) fn trailers(map: &HeaderMap) -> FieldList {
    fields(map, |name| {
        *name == header::CONTENT_LENGTH
            || *name == header::HOST
            || is_hop_by_hop(name.as_str().as_bytes(), b"")
    })
}

fn end_to_end(fields: &FieldList, map: &mut HeaderMap) -> Result<(), Word> {
    for field in fields.iter() {
        let name = HeaderName::from_bytes(field.name).map_err(|_| "request_field")?;
        let owned = name == header::HOST || name == header::CONTENT_LENGTH;
        if !owned && !is_hop_by_hop(name.as_str().as_bytes(), b"") {
            map.append(name, value(field.value)?);
        }
    }
    Ok(())
}

fn framing(framing: Framing, version: Version, map: &mut HeaderMap) {
    match framing {
        Framing::Empty => {}
        Framing::Length(length) => {
            map.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        // HTTP/2 frames its own data (RFC 9113 section 8.2.2).
        Framing::Chunked if version == Version::HTTP_2 => {}
        Framing::Chunked => {
            map.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

fn connection(out: &Outbound, version: Version, map: &mut HeaderMap) -> Result<(), Word> {
    match &out.upgrade {
        Some(_) if version == Version::HTTP_2 => return Err("upgrade_over_http2"),
        Some(protocol) => {
            map.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            map.insert(header::UPGRADE, value(protocol)?);
        }
        None => {}
    }
    // The only value of TE that HTTP/2 allows (RFC 9113 section 8.2.2); gRPC requires it.
    if out.wants_trailers && version == Version::HTTP_2 {
        map.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    Ok(())
}

fn value(bytes: &[u8]) -> Result<HeaderValue, Word> {
    HeaderValue::from_bytes(bytes).map_err(|_| "request_field")
}

/// The declared length. Several lines or a list are refused even when all agree: a recipient may
/// repair them (RFC 9110 section 8.6), but a sender that needs it is not to be trusted with framing.
fn content_length(map: &HeaderMap) -> Result<Option<u64>, Word> {
    let mut lines = map.get_all(header::CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let digits = std::str::from_utf8(line.as_bytes()).unwrap_or_default();
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match digits.parse() {
        Ok(length) if plain && lines.next().is_none() => Ok(Some(length)),
        _ => Err("content_length"),
    }
}

/// No coding but chunked. Another could not be undone here, and one from an HTTP/1.0
/// server means that the framing is faulty (RFC 9112 section 6.1).
fn transfer_coded(header: &ResponseHeader) -> Result<(), Word> {
    let mut lines = header.headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(line) = lines.next() else { return Ok(()) };
    let chunked = line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if chunked && lines.next().is_none() && header.version != Version::HTTP_10 {
        Ok(())
    } else {
        Err("transfer_encoding")
    }
}

fn connection_options(map: &HeaderMap) -> Vec<u8> {
    let lines: Vec<&[u8]> =
        map.get_all(header::CONNECTION).iter().map(HeaderValue::as_bytes).collect();
    lines.join(&b", "[..])
}

fn fields(map: &HeaderMap, leave_out: impl Fn(&HeaderName) -> bool) -> FieldList {
    let bytes = map.iter().map(|(n, v)| n.as_str().len() + v.len() + ": \r\n".len()).sum();
    let mut fields = FieldList::with_capacity(map.len(), bytes);
    for (name, value) in map {
        if !leave_out(name) {
            fields.push(name.as_str(), value.as_bytes());
        }
    }
    fields
}
