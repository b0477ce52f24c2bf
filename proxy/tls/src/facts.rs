//! What a handshake agreed on.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::Fingerprint;

/// What is spoken inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/2.
    Http2,
    /// HTTP/1.1 or HTTP/1.0; also of a client that does not say.
    Http1,
}

/// What a handshake agreed on.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// The name the client asked for (SNI), lowercase.
    pub server_name: Option<Box<str>>,
    /// What is spoken (ALPN).
    pub protocol: Protocol,
    /// Whether it is TLS 1.3, not 1.2.
    pub tls13: bool,
    /// The cipher suite, as IANA has it.
    pub cipher: &'static str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The authority whose certificates the client was asked for.
    pub authority: Option<Box<str>>,
    /// Who the client is, when it showed a good certificate.
    pub peer: Option<PeerIdentity>,
    /// What the client's first message looks like.
    pub fingerprint: Fingerprint,
}

/// A client whose certificate was verified.
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    /// The authority that vouches for it: `ClientAuthority::id`.
    pub authority: Box<str>,
    /// The certificate's subject, as `CN=name, O=organisation`; bytes that a header field cannot hold
    /// are percent-encoded.
    pub subject: Box<str>,
    /// The certificate as the value of `Client-Cert` (RFC 9440 section 2.2).
    pub certificate: Box<str>,
    /// Last Unix second of the certificate's validity.
    pub not_after_unix_s: i64,
}

// === impl Protocol ===

impl Protocol {
    /// Its name in ALPN (RFC 7301 section 6).
    #[must_use]
    pub const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http2 => b"h2",
            Self::Http1 => b"http/1.1",
        }
    }
}

// === impl TlsFacts ===

impl TlsFacts {
    pub(crate) fn of(
        tls: &ServerConnection,
        fingerprint: Fingerprint,
        authority: Option<&str>,
    ) -> Self {
        let http2 = tls.alpn_protocol() == Some(Protocol::Http2.alpn());
        let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        Self {
            server_name: tls.server_name().map(|name| name.to_ascii_lowercase().into()),
            protocol: if http2 { Protocol::Http2 } else { Protocol::Http1 },
            tls13: tls.protocol_version() == Some(ProtocolVersion::TLSv1_3),
            cipher: suite.unwrap_or("unknown"),
            resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            authority: authority.map(Into::into),
            peer: authority.and_then(|authority| PeerIdentity::of(tls, authority)),
            fingerprint,
        }
    }
}

// === impl PeerIdentity ===

impl PeerIdentity {
    fn of(tls: &ServerConnection, authority: &str) -> Option<Self> {
        let der = tls.peer_certificates()?.first()?;
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(Self {
            authority: authority.into(),
            subject: field_value(&certificate.subject().to_string()).into(),
            certificate: format!(":{}:", STANDARD.encode(der)).into(),
            not_after_unix_s: certificate.validity().not_after.timestamp(),
        })
    }
}

fn field_value(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => value.push(char::from(byte)),
            _ => value.push_str(&format!("%{byte:02X}")),
        }
    }
    value
}
