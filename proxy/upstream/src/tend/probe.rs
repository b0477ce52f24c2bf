//! Asks a server how it is.

use std::path::Path;

use pingora_core::connectors::http::Connector;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::http::client::HttpSession;
use pingora_error::{Error, ErrorType};
use pingora_http::RequestHeader;

use crate::config::HealthCheck;
use crate::group::Server;

/// How much of an answer's body is looked through.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Asks servers how they are, over connections of its own that are not kept.
pub(super) struct Prober {
    http: Connector,
    transport: TransportConnector,
}

/// Why a server does not count as well: one word for the log.
type Problem = &'static str;

impl Prober {
    pub(super) fn new(ca_file: Option<&Path>) -> Self {
        let mut options = ConnectorOptions::new(0);
        options.ca_file = ca_file.map(|path| path.display().to_string());
        Self {
            http: Connector::new(Some(options.clone())),
            transport: TransportConnector::new(Some(options)),
        }
    }

    /// Asks one server once.
    pub(super) async fn ask(&self, server: &Server, check: &HealthCheck) -> Result<(), Problem> {
        match &check.path {
            None => self.transport.new_stream(&server.peer).await.map(drop).map_err(|e| word(&e)),
            Some(path) => {
                let connected = self.http.get_http_session(&server.peer).await;
                let (mut session, _) = connected.map_err(|error| word(&error))?;
                let asked = ask_http(&mut session, server, check, path).await;
                session.shutdown().await;
                asked
            }
        }
    }
}

async fn ask_http(
    session: &mut HttpSession,
    server: &Server,
    check: &HealthCheck,
    path: &str,
) -> Result<(), Problem> {
    let request = request(server, check, path).map_err(|error| word(&error))?;
    let sent = session.write_request_header(Box::new(request)).await;
    sent.map_err(|error| word(&error))?;
    session.finish_request_body().await.map_err(|error| word(&error))?;
    session.read_response_header().await.map_err(|error| word(&error))?;
    let status = session.response_header().map_or(0, |header| header.status.as_u16());
    let (from, to) = check.status;
    if !(from..=to).contains(&status) {
        return Err("status");
    }
    match &check.body_contains {
        Some(part) => find(session, part.as_bytes()).await,
        None => Ok(()),
    }
}

fn request(
    server: &Server,
    check: &HealthCheck,
    path: &str,
) -> pingora_error::Result<RequestHeader> {
    let mut request = RequestHeader::build("GET", path.as_bytes(), Some(2))?;
    let own = || server.key.address.authority();
    let host = if check.host.is_empty() { own() } else { check.host.clone() };
    request.insert_header("host", host)?;
    request.insert_header("user-agent", "tidegate-health")?;
    Ok(request)
}

async fn find(session: &mut HttpSession, part: &[u8]) -> Result<(), Problem> {
    let mut body = Vec::new();
    while body.len() < BODY_BYTES_MAX {
        match session.read_response_body().await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => break,
            Err(error) => return Err(word(&error)),
        }
    }
    body.truncate(BODY_BYTES_MAX);
    let found = part.is_empty() || body.windows(part.len()).any(|window| window == part);
    if found { Ok(()) } else { Err("body") }
}

fn word(error: &Error) -> Problem {
    match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout => {
            "timeout"
        }
        ErrorType::ConnectRefused => "refused",
        ErrorType::InvalidCert | ErrorType::TLSHandshakeFailure => "tls",
        ErrorType::ConnectionClosed => "closed",
        ErrorType::InvalidHTTPHeader => "malformed",
        _ => "broken",
    }
}
