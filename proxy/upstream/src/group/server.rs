//! One server as it runs.

use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pingora_core::protocols::ALPN;
use pingora_core::protocols::l4::socket::SocketAddr as PeerAddr;
use pingora_core::upstreams::peer::{HttpPeer, PeerOptions, Scheme};

use super::{Ejections, Health};
use crate::config::{Address, Endpoint, GroupConfig, Protocol, ServerConfig};

/// One server as it runs: one address, its connections' settings, its state.
#[derive(Debug)]
pub(crate) struct Server {
    /// What makes it the same one after a change.
    pub(crate) key: ServerKey,
    /// As configured, for logs and metrics.
    pub(crate) label: Arc<str>,
    /// Its share, relative to the others.
    pub(crate) weight: u32,
    /// Its place in the failover order.
    pub(crate) priority: u32,
    /// What a connection to it looks like; copied for each try.
    pub(crate) peer: HttpPeer,
    /// What is known of it; outlives a change of weight, priority or timeouts.
    pub(crate) state: Arc<ServerState>,
}

/// What is known of a server.
#[derive(Debug, Default)]
pub(crate) struct ServerState {
    /// Tries under way.
    pub(crate) under_way: AtomicU32,
    /// What its requests have shown.
    pub(crate) ejections: Ejections,
    /// What the active checks have shown.
    pub(crate) health: Health,
    /// Tries sent to it.
    pub(crate) tries: AtomicU64,
    /// Tries that failed.
    pub(crate) faults: AtomicU64,
    /// Times it was ejected.
    pub(crate) ejected: AtomicU64,
}

/// What makes a server the same one after a configuration change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServerKey {
    /// As configured.
    pub(crate) address: Address,
    /// Where its name resolved to.
    pub(crate) ip: Option<SocketAddr>,
}

/// HTTP/2 streams that share a connection.
const H2_STREAMS_MAX: usize = 100;

impl Server {
    /// The server at `ip`, or at its Unix socket; `None` when it has neither.
    pub(crate) fn new(
        group: &GroupConfig,
        config: &ServerConfig,
        ip: Option<SocketAddr>,
        state: Arc<ServerState>,
    ) -> Option<Self> {
        let label = match (&config.address.endpoint, ip) {
            (Endpoint::Name { .. }, Some(ip)) => format!("{} ({ip})", config.address),
            _ => config.address.to_string(),
        };
        Some(Self {
            key: ServerKey { address: config.address.clone(), ip },
            label: label.into(),
            weight: config.weight,
            priority: config.priority,
            peer: peer(group, &config.address, ip)?,
            state,
        })
    }

    /// Whether it may be chosen now.
    pub(crate) fn is_available(&self, now_us: u64) -> bool {
        self.state.health.is_healthy() && !self.state.ejections.is_out(now_us)
    }

    /// Whether it takes one more try under `limit`; 0 is no limit.
    pub(crate) fn has_room(&self, limit: u32) -> bool {
        limit == 0 || self.state.under_way.load(Ordering::Relaxed) < limit
    }
}

fn peer(group: &GroupConfig, address: &Address, ip: Option<SocketAddr>) -> Option<HttpPeer> {
    let place = match &address.endpoint {
        Endpoint::Unix(path) => PeerAddr::Unix(UnixAddr::from_pathname(path).ok()?),
        Endpoint::Ip(_) | Endpoint::Name { .. } => PeerAddr::Inet(ip?),
    };
    let name = group.tls.server_name.clone().unwrap_or_else(|| address.host());
    // Pingora verifies nothing when the name is empty, so a clear-text peer alone has none.
    let sni = if address.is_tls() { name } else { String::new() };
    Some(HttpPeer {
        _address: place,
        scheme: if address.is_tls() { Scheme::HTTPS } else { Scheme::HTTP },
        sni,
        proxy: None,
        client_cert_key: None,
        group_key: 0,
        options: options(group, address),
    })
}

fn options(group: &GroupConfig, address: &Address) -> PeerOptions {
    let mut options = PeerOptions::new();
    let timeouts = &group.timeouts;
    options.connection_timeout = Some(timeouts.connect);
    // TCP and TLS may each take the connect timeout; together no more than both.
    options.total_connection_timeout = Some(timeouts.connect * 2);
    options.read_timeout = Some(timeouts.first_byte.max(timeouts.between_bytes));
    options.write_timeout = Some(timeouts.write);
    options.idle_timeout = Some(timeouts.keepalive);
    options.verify_cert = group.tls.verify;
    options.verify_hostname = group.tls.verify;
    options.max_h2_streams = H2_STREAMS_MAX;
    options.alpn = match address.protocol {
        Protocol::Http => ALPN::H1,
        Protocol::Https => ALPN::H2H1,
        Protocol::H2 | Protocol::H2c => ALPN::H2,
    };
    options
}
