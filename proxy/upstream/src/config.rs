//! What an upstream group is configured to be.

use std::time::Duration;

pub use address::{Address, AddressError, Endpoint, Protocol};

mod address;
#[cfg(test)]
mod tests;

/// One upstream group: servers that can stand in for each other.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupConfig {
    /// The group's name in the spec.
    pub name: String,
    /// Its servers; an empty group refuses every exchange.
    pub servers: Vec<ServerConfig>,
    /// How a server is chosen.
    pub balance: Balance,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// When a request is tried again.
    pub retry: Retry,
    /// When a server is left out because requests to it fail.
    pub ejection: Ejection,
    /// How servers are asked whether they are well; `None` trusts them until requests fail.
    pub health: Option<HealthCheck>,
    /// What may be under way at once.
    pub breaker: Breaker,
    /// How servers reached by TLS are verified.
    pub tls: Tls,
}

/// One server of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// Where it is and what it speaks.
    pub address: Address,
    /// Its share of the requests, relative to the others; 0 takes none.
    pub weight: u32,
    /// Failover order: servers of a higher number serve only while all of the lower are out.
    pub priority: u32,
}

/// How a server is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// In turn, by weight, spread smoothly.
    #[default]
    RoundRobin,
    /// The one with fewer requests under way out of two drawn at random, by weight.
    LeastRequests,
    /// The same server for the same [`hash_key`](crate::Outbound::hash_key), with bounded load;
    /// round robin without a key.
    Hash,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands; also, separately, until the TLS handshake is done.
    pub connect: Duration,
    /// From the request's end to the response head.
    pub first_byte: Duration,
    /// Between two pieces of the response body.
    pub between_bytes: Duration,
    /// For each piece of the request.
    pub write: Duration,
    /// For the whole exchange, tries included; none by default.
    pub total: Option<Duration>,
    /// How long a connection without work is kept.
    pub keepalive: Duration,
}

/// When a request is tried again. Never after a byte of the final response went downstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Tries beyond the first.
    pub retries_max: u32,
    /// Retries at one time, in percent of the exchanges under way in the group.
    pub budget_percent: u32,
    /// Retries at one time that are always allowed.
    pub budget_min: u32,
}

/// When a server is left out because requests to it fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Faults in a row that eject it; 0 never does.
    pub consecutive_faults: u32,
    /// How long the first ejection lasts; the next ones grow by as much each.
    pub base: Duration,
    /// The longest ejection.
    pub max: Duration,
    /// The most servers of a group that may be ejected at once, in percent; one of two may always.
    pub ejected_percent_max: u32,
}

/// How servers are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path asked for; `None` only opens a connection.
    pub path: Option<String>,
    /// The `Host` sent; empty for the server's own.
    pub host: String,
    /// Time between two checks of a server.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Good answers in a row that bring a server back.
    pub healthy_after: u32,
    /// Bad answers in a row that put a server out.
    pub unhealthy_after: u32,
    /// The statuses that count as good, both included.
    pub status: (u16, u16),
    /// What the body's first 16 KiB must contain.
    pub body_contains: Option<String>,
}

/// What may be under way at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Exchanges under way in the group; 0 is no limit.
    pub exchanges_max: u32,
    /// Exchanges under way to one server; 0 is no limit.
    pub server_exchanges_max: u32,
}

/// How servers reached by TLS are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The name sent and verified; `None` takes the server's host name.
    pub server_name: Option<String>,
    /// Whether the certificate is verified. Turning it off is for tests.
    pub verify: bool,
}

impl GroupConfig {
    /// A group with default settings.
    #[must_use]
    pub fn new(name: &str, servers: Vec<Address>) -> Self {
        Self {
            name: name.to_owned(),
            servers: servers.into_iter().map(ServerConfig::new).collect(),
            balance: Balance::default(),
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            ejection: Ejection::default(),
            health: None,
            breaker: Breaker::default(),
            tls: Tls::default(),
        }
    }
}

impl ServerConfig {
    /// A server of weight 1, first in the failover order.
    #[must_use]
    pub const fn new(address: Address) -> Self {
        Self { address, weight: 1, priority: 0 }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(30),
            between_bytes: Duration::from_secs(30),
            write: Duration::from_secs(30),
            total: None,
            keepalive: Duration::from_secs(60),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self { retries_max: 1, budget_percent: 20, budget_min: 3 }
    }
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            consecutive_faults: 5,
            base: Duration::from_secs(5),
            max: Duration::from_secs(60),
            ejected_percent_max: 50,
        }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: Some("/".to_owned()),
            host: String::new(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy_after: 2,
            unhealthy_after: 3,
            status: (200, 399),
            body_contains: None,
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self { server_name: None, verify: true }
    }
}
