//! Why a handshake failed.

use std::io;

use tidegate_telemetry::ConnectionFault;

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The client's first bytes are no TLS, or a message of it is malformed.
    #[error("not TLS")]
    NotTls,
    /// Neither a version, a cipher suite nor a protocol that both speak.
    #[error("nothing in common: {0}")]
    NothingInCommon(rustls::Error),
    /// No certificate has the name asked for, and none is the default.
    #[error("no certificate for the name asked for")]
    NameUnknown,
    /// The client's certificate is not good.
    #[error("client certificate: {0}")]
    ClientCertificate(rustls::Error),
    /// The client gave up, with an alert that says why.
    #[error("refused by the client: {0}")]
    RefusedByClient(rustls::Error),
    /// The client went away.
    #[error("the client went away: {0}")]
    ClientGone(#[from] io::Error),
    /// The handshake took too long.
    #[error("too slow")]
    Timeout,
    /// Anything else that breaks the protocol.
    #[error("{0}")]
    Other(rustls::Error),
}

// === impl Failure ===

impl Failure {
    /// The word it is counted under.
    #[must_use]
    pub fn fault(&self) -> ConnectionFault {
        match self {
            Self::NotTls => ConnectionFault::HandshakeNotTls,
            Self::NothingInCommon(_) => ConnectionFault::HandshakeNothingInCommon,
            Self::NameUnknown => ConnectionFault::HandshakeNameUnknown,
            Self::ClientCertificate(_) => ConnectionFault::HandshakeClientCertificate,
            Self::RefusedByClient(_) => ConnectionFault::HandshakeRefusedByClient,
            Self::ClientGone(_) => ConnectionFault::HandshakeClientGone,
            Self::Timeout => ConnectionFault::HandshakeTimeout,
            Self::Other(_) => ConnectionFault::HandshakeOther,
        }
    }
}

impl From<rustls::Error> for Failure {
    fn from(error: rustls::Error) -> Self {
        use rustls::Error as E;
        match error {
            E::InvalidMessage(_) | E::InappropriateMessage { .. } => Self::NotTls,
            E::PeerIncompatible(_) | E::NoApplicationProtocol => Self::NothingInCommon(error),
            E::NoCertificatesPresented | E::InvalidCertificate(_) => Self::ClientCertificate(error),
            E::AlertReceived(_) => Self::RefusedByClient(error),
            // What rustls says when the resolver has no certificate.
            E::General(_) => Self::NameUnknown,
            _ => Self::Other(error),
        }
    }
}
