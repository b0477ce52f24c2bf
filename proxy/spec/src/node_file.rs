//! The node file `edge.toml`: what is local to one machine.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

mod limits;
mod listener;
mod network;

pub use limits::{Http2Limits, NodeLimits};
pub use listener::{Listener, Protocol, ProxyProtocol};
pub use network::{Network, NetworkInvalid};

use crate::units::{parse_duration, parse_size};

/// What one edge node is told about itself. Everything else is in the fleet spec.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// Name of the node in the fleet; the machine's name when absent.
    pub name: Option<String>,
    /// Labels that rollouts and metrics select by.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Who may say on whose behalf a request comes: proxies in front of this node. From anyone else
    /// `Forwarded` and `X-Forwarded-*` are dropped.
    pub trusted_proxies: Vec<Network>,
    /// The field that those proxies write. The other one is not believed: it would be the client's.
    pub forwarded_by: ForwardedBy,
    /// What one connection and one message may cost.
    pub limits: NodeLimits,
    /// Worker threads; one per core when absent.
    pub threads: Option<usize>,
    /// Folder of everything the node keeps: confirmed snapshots, the disk cache, the log spool.
    pub data: PathBuf,
    /// Cache sizes.
    pub cache: NodeCache,
    /// Keys that the table of limits has room for; 48 bytes each.
    pub limit_keys: usize,
    /// A file that tells which country addresses are in, lines of `first,last,CC`; for limits and tokens.
    pub countries: Option<PathBuf>,
    /// Lines of `first,last,number`, or an MMDB file: which autonomous systems announce addresses.
    pub systems: Option<PathBuf>,
    /// Address of `/metrics`, `/ready` and the other admin pages; off when empty.
    pub admin: String,
    /// A spec file that the node watches, in place of a control plane.
    pub spec: Option<PathBuf>,
    /// Where the configuration comes from.
    pub control_plane: Option<ControlPlane>,
    /// The access log.
    pub access_log: AccessLog,
    /// How long open requests may go on after a stop signal.
    #[serde(deserialize_with = "duration")]
    pub drain: Duration,
    /// How long they may go on after another process took over the listeners.
    #[serde(deserialize_with = "duration")]
    pub upgrade_drain: Duration,
}

/// The field in which trusted proxies say on whose behalf they ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto` and `X-Forwarded-Host` beside it.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Sizes of the cache tiers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeCache {
    /// Bytes of the memory tier.
    #[serde(deserialize_with = "size")]
    pub memory: u64,
    /// Bytes of the disk tier; 0 turns it off.
    #[serde(deserialize_with = "size")]
    pub disk: u64,
    /// Bytes of the hot map of short links.
    #[serde(deserialize_with = "size")]
    pub links: u64,
}

/// How a node reaches its control plane.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlane {
    /// Base URL.
    pub url: String,
    /// The node's token.
    #[serde(default)]
    pub token: Option<String>,
    /// A file that holds the token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// Where access records go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// A file, `-` for standard output, or empty for none.
    pub path: String,
    /// Share of the requests that are logged, in percent. Errors are always logged.
    pub sample_percent: u8,
}

/// Why a node file was refused.
#[derive(Debug, thiserror::Error)]
#[error("node file: {0}")]
pub struct NodeFileError(#[from] toml::de::Error);

impl NodeConfig {
    /// Reads a node file; an unknown key is an error with its place.
    pub fn parse(text: &str) -> Result<Self, NodeFileError> {
        Ok(toml::from_str(text)?)
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        let address = "127.0.0.1:8080".to_owned();
        Self {
            name: None,
            labels: Default::default(),
            listeners: vec![Listener::plain(address)],
            trusted_proxies: Vec::new(),
            forwarded_by: ForwardedBy::default(),
            limits: NodeLimits::default(),
            threads: None,
            data: "data/edge".into(),
            cache: NodeCache::default(),
            limit_keys: 1_000_000,
            countries: None,
            systems: None,
            admin: "127.0.0.1:8081".into(),
            spec: None,
            control_plane: None,
            access_log: AccessLog::default(),
            drain: Duration::from_secs(30),
            upgrade_drain: Duration::from_secs(3600),
        }
    }
}

impl Default for NodeCache {
    fn default() -> Self {
        Self { memory: 256 << 20, disk: 0, links: 64 << 20 }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { path: String::new(), sample_percent: 100 }
    }
}

impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "redacted");
        f.debug_struct("ControlPlane")
            .field("url", &self.url)
            .field("token", &token)
            .field("token_file", &self.token_file)
            .finish()
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).ok_or_else(|| {
        serde::de::Error::custom(format!("expected a duration such as 30s, found {text:?}"))
    })
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_size(&text).map(|size| size.0).ok_or_else(|| {
        serde::de::Error::custom(format!("expected a size such as 256MiB, found {text:?}"))
    })
}
