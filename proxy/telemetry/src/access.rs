//! One finished request, and the log of them.

mod log;
mod render;

use std::{net::IpAddr, path::PathBuf};

pub use log::AccessLog;

use crate::{Counter, Phase, Reason, StatusClass};

/// One finished request. Borrowed throughout: making one costs nothing when the log is off.
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'r> {
    /// When the head was complete, microseconds since 1970.
    pub time_us: u64,
    /// Status sent; 0 when the client was gone before one could be.
    pub status: u16,
    /// Method as received.
    pub method: &'r str,
    /// `HTTP/1.1` and the like.
    pub protocol: &'static str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Normalised host.
    pub host: &'r str,
    /// Normalised path, without the query.
    pub path: &'r str,
    /// Address of the client.
    pub client: IpAddr,
    /// Bytes sent: head and body.
    pub bytes_sent: u64,
    /// Bytes received: head and body.
    pub bytes_received: u64,
    /// From the complete head to the last byte sent, in microseconds.
    pub duration_us: u64,
    /// How it was answered.
    pub phase: Phase,
    /// Why it ended otherwise than asked for.
    pub reason: Option<Reason>,
    /// Site by name.
    pub site: &'r str,
    /// Route by name or path.
    pub route: &'r str,
    /// Server asked, if any.
    pub upstream: &'r str,
    /// Time until the server's head was there, in microseconds.
    pub upstream_us: u64,
    /// Request id or trace id.
    pub request_id: &'r str,
    /// Version of TLS, as `TLSv1.3`; empty without.
    pub tls: &'r str,
    /// Protocol agreed on by ALPN; empty without.
    pub alpn: &'r str,
    /// Name of the plugin that answered, if one did.
    pub plugin: &'r str,
    /// What plugins attached to the request, as `name=value,name=value`.
    pub labels: &'r str,
    /// What a player said about itself (CMCD).
    pub cmcd: &'r str,
    /// User-Agent as received.
    pub user_agent: &'r [u8],
    /// Referer as received.
    pub referer: &'r [u8],
}

/// How the access log is kept.
#[derive(Debug, Clone)]
pub struct AccessSettings {
    /// Where the lines go.
    pub target: AccessTarget,
    /// Of how many ordinary requests one is written; 1 writes all. A request with a reason or with
    /// a status of 500 and above is always written.
    pub sample_one_in: u32,
    /// Bytes of finished lines that may wait for the writer in each of the log's sixteen buffers;
    /// threads share them in turn, so that up to sixteen workers have one each.
    pub buffer_bytes_max: usize,
}

/// Where access records go.
#[derive(Debug, Clone)]
pub enum AccessTarget {
    /// Standard output.
    Stdout,
    /// A file, appended to; opened again on [`AccessLog::reopen`], and within about a second after
    /// it was moved away.
    File(PathBuf),
}

impl Default for AccessRecord<'_> {
    /// An empty record to start from: `AccessRecord { status, ..AccessRecord::default() }`.
    fn default() -> Self {
        Self {
            time_us: 0,
            status: 0,
            method: "",
            protocol: "HTTP/1.1",
            scheme: "http",
            host: "",
            path: "",
            client: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            bytes_sent: 0,
            bytes_received: 0,
            duration_us: 0,
            phase: Phase::Fault,
            reason: None,
            site: "",
            route: "",
            upstream: "",
            upstream_us: 0,
            request_id: "",
            tls: "",
            alpn: "",
            plugin: "",
            labels: "",
            cmcd: "",
            user_agent: b"",
            referer: b"",
        }
    }
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self { target: AccessTarget::Stdout, sample_one_in: 1, buffer_bytes_max: 1 << 20 }
    }
}

impl AccessRecord<'_> {
    /// Counts the request in every family it belongs to. Once a request, log or no log.
    #[inline]
    pub fn count(&self) {
        Counter::RequestsTotal.inc();
        Counter::BytesSent.add(self.bytes_sent);
        Counter::BytesReceived.add(self.bytes_received);
        StatusClass::of(self.status).inc();
        self.phase.count(self.duration_us);
        if let Some(reason) = self.reason {
            reason.inc();
        }
    }

    /// Whether sampling must not leave this one out.
    fn is_remarkable(&self) -> bool {
        self.reason.is_some() || self.status >= 500
    }
}

#[cfg(test)]
mod tests;
