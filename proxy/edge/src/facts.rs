//! What is known of a connection before its first request: who, where to, and over what.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use tidegate_http::Scheme;
use tidegate_tls::TlsFacts;

/// What is known of a connection before its first request.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionFacts {
    /// The client's address: as accepted, or as a trusted PROXY header says.
    pub(crate) client: SocketAddr,
    /// The address the client connected to.
    pub(crate) local: SocketAddr,
    /// Whether requests came under `https`.
    pub(crate) scheme: Scheme,
    /// What the TLS handshake agreed on; none on a plain connection.
    pub(crate) tls: Option<Box<TlsFacts>>,
    /// Whether HTTP/2 is spoken here.
    pub(crate) http2: bool,
    /// What tells an HTTP/2 client from others, from its first request on.
    pub(crate) http2_fingerprint: OnceLock<Box<str>>,
}

// === impl ConnectionFacts ===

impl ConnectionFacts {
    /// The facts of a connection without TLS.
    pub(crate) fn plain(client: SocketAddr, local: SocketAddr, http2: bool) -> Arc<Self> {
        Arc::new(Self {
            client,
            local,
            scheme: Scheme::Http,
            tls: None,
            http2,
            http2_fingerprint: OnceLock::new(),
        })
    }

    /// The facts of a connection inside TLS.
    pub(crate) fn secure(client: SocketAddr, local: SocketAddr, tls: TlsFacts) -> Arc<Self> {
        let http2 = tls.protocol == tidegate_tls::Protocol::Http2;
        Arc::new(Self {
            client,
            local,
            scheme: Scheme::Https,
            tls: Some(Box::new(tls)),
            http2,
            http2_fingerprint: OnceLock::new(),
        })
    }
}
