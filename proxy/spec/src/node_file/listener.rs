//! Where a node listens.

use serde::{Deserialize, Deserializer};

use super::Network;

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// `host:port`, or `unix:/path`.
    pub address: String,
    /// Whether it speaks TLS, with the fleet's certificates.
    #[serde(default)]
    pub tls: bool,
    /// What is spoken, best first: `h2`, `http/1.1`.
    #[serde(default = "protocols")]
    pub protocols: Vec<Protocol>,
    /// Whether each connection begins with a PROXY protocol header.
    #[serde(default)]
    pub proxy_protocol: ProxyProtocol,
    /// The networks that such headers are taken from, as `10.0.0.0/8`; every network when empty.
    #[serde(default)]
    pub proxy_protocol_from: Vec<Network>,
    /// Connections the kernel may hold before they are accepted.
    #[serde(default = "backlog")]
    pub backlog: u32,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Protocol {
    /// HTTP/2: by ALPN with TLS, with prior knowledge without.
    #[serde(rename = "h2")]
    Http2,
    /// HTTP/1.1 and HTTP/1.0.
    #[serde(rename = "http/1.1")]
    Http1,
}

/// Whether connections begin with a PROXY protocol header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// They do not (`false`).
    #[default]
    Off,
    /// All do (`true`).
    Required,
    /// Those from the networks named may (`"optional"`).
    Optional,
}

impl Listener {
    /// A listener of HTTP/1.1 and HTTP/2 without TLS.
    pub fn plain(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            tls: false,
            protocols: protocols(),
            proxy_protocol: ProxyProtocol::Off,
            proxy_protocol_from: Vec::new(),
            backlog: backlog(),
        }
    }
}

impl<'de> Deserialize<'de> for ProxyProtocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Switch(bool),
            Word(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Switch(false) => Ok(Self::Off),
            Written::Switch(true) => Ok(Self::Required),
            Written::Word(word) if word == "optional" => Ok(Self::Optional),
            Written::Word(word) => Err(serde::de::Error::custom(format!(
                "expected true, false or \"optional\", found {word:?}"
            ))),
        }
    }
}

fn protocols() -> Vec<Protocol> {
    vec![Protocol::Http2, Protocol::Http1]
}

fn backlog() -> u32 {
    4096
}
