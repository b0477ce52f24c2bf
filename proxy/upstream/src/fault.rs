//! From Pingora's errors to the words of this crate.

use pingora_error::{Error, ErrorSource, ErrorType};

use crate::outcome::Stage;
use crate::plan::Progress;

/// Where an error belongs, and its word.
pub(crate) fn of(progress: &Progress, error: &Error) -> (Stage, &'static str) {
    // What was recorded where it happened is more exact than the error that came of it.
    if let Some(recorded) = progress.fault {
        return recorded;
    }
    match error.esource() {
        ErrorSource::Downstream => (Stage::Client, "gone"),
        ErrorSource::Internal => (Stage::Internal, word(error)),
        ErrorSource::Upstream | ErrorSource::Unset => (stage(progress, error), word(error)),
    }
}

fn stage(progress: &Progress, error: &Error) -> Stage {
    match error.etype() {
        ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => Stage::Tls,
        _ if !progress.connected => Stage::Connect,
        ErrorType::WriteError | ErrorType::WriteTimedout => Stage::Send,
        _ if progress.head_sent => Stage::Body,
        ErrorType::InvalidHTTPHeader | ErrorType::Custom(_) => Stage::Head,
        _ if progress.head_read => Stage::Head,
        _ => Stage::FirstByte,
    }
}

fn word(error: &Error) -> &'static str {
    match error.etype() {
        ErrorType::ConnectTimedout
        | ErrorType::ReadTimedout
        | ErrorType::WriteTimedout
        | ErrorType::TLSHandshakeTimedout => "timeout",
        ErrorType::ConnectRefused => "refused",
        ErrorType::ConnectNoRoute => "no_route",
        ErrorType::InvalidCert => "bad_certificate",
        ErrorType::TLSHandshakeFailure | ErrorType::HandshakeError => "handshake",
        ErrorType::InvalidHTTPHeader => "malformed",
        ErrorType::ConnectionClosed => "closed",
        ErrorType::ReadError | ErrorType::WriteError => "reset",
        ErrorType::H2Error | ErrorType::H2Downgrade | ErrorType::InvalidH2 => "http2",
        ErrorType::Custom(word) => word,
        _ => "broken",
    }
}
