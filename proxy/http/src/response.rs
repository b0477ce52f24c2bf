//! The head of a response.

mod h1;

use bytes::BufMut;

pub use h1::parse_response;

use crate::{FieldList, Fields, Method, Refusal, Version, head::framing};

/// Status and fields of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// Status code, 100 to 599.
    pub status: u16,
    /// The header section.
    pub fields: FieldList,
}

/// How the body that follows a response head is delimited (RFC 9112 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseBody {
    /// No body follows.
    Empty,
    /// Exactly this many bytes follow; fewer are a broken transfer.
    Length(u64),
    /// Chunks follow; an end before the last chunk is a broken transfer.
    Chunked,
    /// The body ends with the connection; nobody can tell whether it is whole.
    UntilClose,
}

impl ResponseHead {
    /// A head with no fields.
    pub const fn new(status: u16) -> Self {
        Self { status, fields: FieldList::new() }
    }

    /// Adds a field, for building heads in one expression.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push(name, value);
        self
    }

    /// Whether a response with this status to `method` has no content (RFC 9110 6.4.1).
    pub fn is_bodiless(&self, method: Method<'_>) -> bool {
        method == Method::Head || matches!(self.status, 100..=199 | 204 | 304)
    }

    /// The length of the body of a response to `method`, received in `version` (RFC 9112 6.3):
    ///
    /// 1. HEAD, 1xx, 204, 304: none, whatever the fields say 2. (CONNECT is refused before)
    /// 3. both fields: refused, not repaired 4. chunked; any other final coding is refused
    /// 5. invalid Content-Length: refused 6. Content-Length 7. (requests) 8. until close
    ///
    /// # Errors
    /// A [`Refusal`] when another recipient could find another end.
    pub fn body(&self, method: Method<'_>, version: Version) -> Result<ResponseBody, Refusal> {
        if self.is_bodiless(method) {
            return Ok(ResponseBody::Empty);
        }
        match (self.only("content-length")?, self.only("transfer-encoding")?) {
            (Some(_), Some(_)) => Err(Refusal::LENGTH_WITH_ENCODING),
            (None, Some(_)) if version == Version::Http10 => Err(Refusal::ENCODING_IN_HTTP10),
            (None, Some(coding)) => {
                framing::transfer_encoding(coding).map(|_| ResponseBody::Chunked)
            }
            (Some(length), None) => framing::content_length(length).map(ResponseBody::Length),
            // HTTP/2 has an end of its own.
            (None, None) if version == Version::Http2 => Ok(ResponseBody::Chunked),
            (None, None) => Ok(ResponseBody::UntilClose),
        }
    }

    fn only(&self, name: &str) -> Result<Option<&[u8]>, Refusal> {
        match self.fields.count(name) {
            0 | 1 => Ok(self.fields.value(name)),
            _ if name == "content-length" => Err(Refusal::LENGTH_REPEATED),
            _ => Err(Refusal::ENCODING_REPEATED),
        }
    }

    /// Appends status line, fields and the empty line.
    pub fn write_h1(&self, out: &mut impl BufMut) {
        write_status_line(self.status, out);
        self.fields.write_h1(out);
        out.put_slice(b"\r\n");
    }
}

/// Appends `HTTP/1.1 200 OK\r\n`. An edge answers HTTP/1.0 requests with its own version
/// (RFC 9110 6.2).
pub fn write_status_line(status: u16, out: &mut impl BufMut) {
    let digit = |place: u16| b'0' + (status / place % 10) as u8;
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(&[digit(100), digit(10), digit(1), b' ']);
    out.put_slice(reason_phrase(status).as_bytes());
    out.put_slice(b"\r\n");
}

/// The registered phrase for a status code, or an empty string.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
