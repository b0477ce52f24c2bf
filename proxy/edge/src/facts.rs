//! What is known of a connection before its first request: who, where to, and over what.

use std::{net::SocketAddr, sync::Arc};

use tidegate_http::Scheme;

/// What is known of a connection before its first request.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionFacts {
    /// The client's address: as accepted, or as a trusted PROXY header says.
    pub(crate) client: SocketAddr,
    /// The address the client connected to.
    #[expect(dead_code, reason = "for logs and for `Forwarded`, which are to come")]
    pub(crate) local: SocketAddr,
    /// Whether requests came under `https`.
    pub(crate) scheme: Scheme,
    /// What the TLS handshake agreed on; none on a plain connection.
    #[expect(dead_code, reason = "set by TLS listeners, which are to come")]
    pub(crate) tls: Option<Arc<TlsFacts>>,
}

/// What a TLS handshake agreed on.
#[derive(Debug)]
pub(crate) struct TlsFacts {}

// === impl ConnectionFacts ===

impl ConnectionFacts {
    /// The facts of a connection without TLS.
    pub(crate) fn plain(client: SocketAddr, local: SocketAddr) -> Arc<Self> {
        Arc::new(Self { client, local, scheme: Scheme::Http, tls: None })
    }
}
