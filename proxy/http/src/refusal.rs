//! Every way in which the bytes of a message are refused, in one table.

/// Why a message was refused: the status to answer with and the word for log and metric.
///
/// The connection must be closed after the answer: where a message ends can no longer be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{status} {reason}: {detail}")]
pub struct Refusal {
    /// Status code of the answer to a request: 400, 414, 417, 421, 431, 501 or 505. When it is an
    /// origin's response that was refused, the answer is 502 whatever stands here.
    pub status: u16,
    /// The word for telemetry, unique in the table.
    pub reason: &'static str,
    /// One clause for people, shown in the body of the answer.
    pub detail: &'static str,
}

macro_rules! refusals {
    ($($name:ident $status:literal $reason:literal $detail:literal;)*) => {
        #[expect(missing_docs, reason = "each constant is described by its own detail text")]
        impl Refusal {
            $(pub const $name: Self = Self { status: $status, reason: $reason, detail: $detail };)*
            /// The whole table, in order, for documentation and for metric labels.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

refusals! {
    // Request line (RFC 9112 3).
    REQUEST_LINE 400 "request_line" "the request line is not `method SP target SP version CRLF`";
    METHOD_INVALID 400 "method_invalid" "the method is not a token";
    CONNECT_REFUSED 501 "connect_refused" "CONNECT is not implemented";
    TRACE_REFUSED 501 "trace_refused" "TRACE is not implemented";
    VERSION_INVALID 400 "version_invalid" "the protocol version cannot be read";
    VERSION_UNSUPPORTED 505 "version_unsupported" "only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken";
    TARGET_TOO_LONG 414 "target_too_long" "the request target is longer than the limit";
    TARGET_BYTES 400 "target_bytes" "the request target holds a byte that must be percent-encoded";
    TARGET_PERCENT 400 "target_percent" "a % in the path is not followed by two hexadecimal digits";
    TARGET_NUL 400 "target_nul" "the path holds an encoded NUL";
    TARGET_FORM 400 "target_form" "the request target has none of the forms of RFC 9112 3.2";
    SCHEME_INVALID 400 "scheme_invalid" "the scheme of the target is neither http nor https";
    SCHEME_MISDIRECTED 421 "scheme_misdirected" "an https target arrived on a connection without TLS";

    // Line structure (RFC 9112 2.2, 5).
    BARE_LF 400 "bare_lf" "a line ends in LF without CR";
    BARE_CR 400 "bare_cr" "a CR is not followed by LF";
    OBS_FOLD 400 "obs_fold" "a field line is folded";
    SPACE_BEFORE_COLON 400 "space_before_colon" "whitespace between field name and colon";
    FIELD_NAME 400 "field_name" "a field name is not a token";
    FIELD_VALUE 400 "field_value" "a field value holds a control byte";
    HEAD_TOO_LARGE 431 "head_too_large" "the head has more bytes than the limit";
    FIELDS_TOO_MANY 431 "fields_too_many" "the head has more field lines than the limit";

    // Host (RFC 9112 3.2, RFC 9110 7.2).
    HOST_MISSING 400 "host_missing" "no Host field";
    HOST_REPEATED 400 "host_repeated" "more than one Host field";
    HOST_INVALID 400 "host_invalid" "the host is not a name, an IPv4 or a bracketed IPv6 address";
    HOST_CONFLICT 400 "host_conflict" "Host and the authority of the target differ";

    // Message length (RFC 9112 6).
    LENGTH_WITH_ENCODING 400 "length_with_encoding" "Content-Length together with Transfer-Encoding";
    LENGTH_REPEATED 400 "length_repeated" "more than one Content-Length";
    LENGTH_INVALID 400 "length_invalid" "Content-Length is not a plain decimal number";
    ENCODING_REPEATED 400 "encoding_repeated" "more than one Transfer-Encoding field, or chunked twice";
    ENCODING_INVALID 400 "encoding_invalid" "Transfer-Encoding does not end in chunked";
    ENCODING_UNSUPPORTED 501 "encoding_unsupported" "only the transfer coding chunked is understood";
    ENCODING_IN_HTTP10 400 "encoding_in_http10" "Transfer-Encoding in an HTTP/1.0 request";
    CONNECTION_NAMES_FRAMING 400 "connection_names_framing" "Connection names Host or Content-Length";
    EXPECTATION_UNKNOWN 417 "expectation_unknown" "the only expectation met is 100-continue";

    // Responses of an origin (RFC 9112 4).
    STATUS_LINE 502 "status_line" "the status line is not `version SP status SP [reason] CRLF`";

    // Chunked bodies (RFC 9112 7.1).
    CHUNK_SIZE 400 "chunk_size" "a chunk size is not a hexadecimal number of at most 16 digits";
    CHUNK_EXTENSION 400 "chunk_extension" "a chunk extension is malformed or too long";
    CHUNK_END 400 "chunk_end" "chunk data is not followed by CRLF";
    TRAILER_INVALID 400 "trailer_invalid" "the trailer section is malformed";
    TRAILER_TOO_LARGE 431 "trailer_too_large" "the trailer section is larger than the limit";

    // HTTP/2 (RFC 9113 8).
    H2_PSEUDO 400 "h2_pseudo" "a pseudo-header field is missing or malformed";
    H2_CONNECTION_FIELD 400 "h2_connection_field" "a connection-specific field in an HTTP/2 message";
    H2_FIELD_CASE 400 "h2_field_case" "an HTTP/2 field name in upper case";
}

#[cfg(test)]
mod tests;
