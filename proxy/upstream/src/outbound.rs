//! The request as it goes to the origin.

use std::time::Duration;

use bytes::Bytes;
use tidegate_http::{FieldList, Framing};

/// One request as it goes to the origin: end-to-end fields only, already edited by policy.
///
/// Framing, `Host` and the fields of the connection are added here; a list that carries any of
/// them (`Connection`, `Keep-Alive`, `Transfer-Encoding`, `Content-Length`, `TE`, `Upgrade`,
/// `Host`) has those lines left out.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The method, as received.
    pub method: http::Method,
    /// The `Host` the origin sees, with the port when it is not the scheme's own.
    pub host: Bytes,
    /// Path and query, as normalised; begins with `/`, or is `*`.
    pub target: Bytes,
    /// The end-to-end fields.
    pub fields: FieldList,
    /// How the request body is framed; a chunked body has no length known in advance.
    pub framing: Framing,
    /// The protocol the client asks to switch to (RFC 9110 section 7.8), for instance `websocket`.
    pub upgrade: Option<Bytes>,
    /// The client said `TE: trailers` (RFC 9110 section 10.1.4).
    pub wants_trailers: bool,
    /// A key for groups that choose by hash, for instance of the path's directory.
    pub hash_key: Option<u64>,
    /// How long the response head may take, when that is less than what the group allows.
    pub first_byte_timeout: Option<Duration>,
}

impl Outbound {
    /// A request without body.
    #[must_use]
    pub fn new(method: http::Method, host: impl Into<Bytes>, target: impl Into<Bytes>) -> Self {
        Self {
            method,
            host: host.into(),
            target: target.into(),
            fields: FieldList::default(),
            framing: Framing::Empty,
            upgrade: None,
            wants_trailers: false,
            hash_key: None,
            first_byte_timeout: None,
        }
    }
}
