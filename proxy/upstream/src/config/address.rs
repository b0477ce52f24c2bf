//! Where a server is and what it speaks.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a server is and what it speaks: `http://host[:port]`, `https://host[:port]`,
/// `h2c://host[:port]`, `h2://host[:port]` (TLS, HTTP/2 only) or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is.
    pub endpoint: Endpoint,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 in clear text.
    Http,
    /// HTTP/2 or HTTP/1.1 over TLS, as the handshake decides.
    Https,
    /// HTTP/2 in clear text with prior knowledge (RFC 9113 section 3.3).
    H2c,
    /// HTTP/2 over TLS, nothing else.
    H2,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A fixed address.
    Ip(SocketAddr),
    /// A name that is looked up again and again.
    Name {
        /// The host name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// Why a text is not a server's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No known scheme.
    #[error("server {0:?} has no scheme; write http://, https://, h2c://, h2:// or unix:/path")]
    Scheme(String),
    /// No host.
    #[error("server {0:?} has no host")]
    Host(String),
    /// Not a port.
    #[error("server {0:?} has a port that is not a number from 1 to 65535")]
    Port(String),
    /// A path, query or user name.
    #[error("server {0:?} has more than scheme, host and port; a path belongs in a route")]
    Extra(String),
    /// A relative path.
    #[error("server {0:?} needs an absolute path after unix:")]
    UnixPath(String),
}

impl Address {
    /// The host name or address without port, as TLS and `Host` want it.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.endpoint {
            Endpoint::Ip(addr) => addr.ip().to_string(),
            Endpoint::Name { host, .. } => host.clone(),
            Endpoint::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Host and port as `Host` wants them; the port only when it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let (host, port) = match &self.endpoint {
            Endpoint::Ip(SocketAddr::V6(addr)) => (format!("[{}]", addr.ip()), addr.port()),
            Endpoint::Ip(addr) => (addr.ip().to_string(), addr.port()),
            Endpoint::Name { host, port } => (host.clone(), *port),
            Endpoint::Unix(_) => return "localhost".to_owned(),
        };
        if port == self.protocol.default_port() { host } else { format!("{host}:{port}") }
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self.protocol, Protocol::Https | Protocol::H2)
    }
}

impl Protocol {
    /// The port of the scheme.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::H2c => 80,
            Self::Https | Self::H2 => 443,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(text, path);
        }
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| AddressError::Scheme(text.to_owned()))?;
        let protocol = match scheme {
            "http" => Protocol::Http,
            "https" => Protocol::Https,
            "h2c" => Protocol::H2c,
            "h2" => Protocol::H2,
            _ => return Err(AddressError::Scheme(text.to_owned())),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(AddressError::Extra(text.to_owned()));
        }
        Ok(Self { protocol, endpoint: endpoint(text, authority, protocol)? })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::H2c => "h2c",
            Protocol::H2 => "h2",
        };
        match &self.endpoint {
            Endpoint::Ip(addr) => write!(f, "{scheme}://{addr}"),
            Endpoint::Name { host, port } => write!(f, "{scheme}://{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn unix(text: &str, path: &str) -> Result<Address, AddressError> {
    // "unix:///path" is accepted as the URL form of the same thing.
    let path = path.strip_prefix("//").unwrap_or(path);
    if !Path::new(path).is_absolute() {
        return Err(AddressError::UnixPath(text.to_owned()));
    }
    Ok(Address { protocol: Protocol::Http, endpoint: Endpoint::Unix(path.into()) })
}

fn endpoint(text: &str, authority: &str, protocol: Protocol) -> Result<Endpoint, AddressError> {
    let (host, port) = split_port(authority).ok_or_else(|| AddressError::Port(text.to_owned()))?;
    let port = port.unwrap_or(protocol.default_port());
    if host.is_empty() {
        return Err(AddressError::Host(text.to_owned()));
    }
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    Ok(match bare.parse::<IpAddr>() {
        Ok(ip) => Endpoint::Ip(SocketAddr::new(ip, port)),
        Err(_) => Endpoint::Name { host: host.to_ascii_lowercase(), port },
    })
}

/// Host and port of an authority; `None` when the port is not one.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
            Some((host, Some(port)))
        }
        _ => Some((authority, None)),
    }
}
