//! What a node is started with.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use tidegate_spec::{ForwardedBy, Listener, Network, NodeLimits, Spec};
use tidegate_telemetry::AccessSettings;

use crate::clock::Clock;

/// What a node is started with. [`EdgeConfig::new`] has a default for everything but the source.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// The node's name, unique in the fleet: letters, digits, `-`, `_`, `.`.
    pub name: String,
    /// Labels that rollouts select by.
    pub labels: BTreeMap<String, String>,
    /// Where it listens; port 0 picks a free one.
    pub listen: Vec<Listener>,
    /// Where `/metrics` and the other admin pages are; none when absent.
    pub admin: Option<SocketAddr>,
    /// Worker threads.
    pub threads: usize,
    /// Where confirmed configurations, fetched modules and compiled plugins are kept.
    pub data: PathBuf,
    /// Bytes of the cache in memory.
    pub cache_memory_bytes: u64,
    /// Bytes of the cache on disk, in the data folder; 0 for none.
    pub cache_disk_bytes: u64,
    /// Bytes of the hot map of short links.
    pub links_bytes: u64,
    /// Keys that the limit table has room for; 48 bytes each.
    pub limit_keys: usize,
    /// Which country addresses are in: lines of `first,last,CC`; nothing is known when absent.
    pub countries: Option<PathBuf>,
    /// Which autonomous systems announce addresses: lines of `first,last,number`, or an MMDB file.
    pub systems: Option<PathBuf>,
    /// What one connection and one message may cost.
    pub limits: NodeLimits,
    /// Proxies in front of the node, which may say on whose behalf they ask.
    pub trusted_proxies: Vec<Network>,
    /// The field in which they say it.
    pub forwarded_by: ForwardedBy,
    /// Where the configuration comes from.
    pub source: Source,
    /// The access log; none when absent.
    pub access_log: Option<AccessSettings>,
    /// How long open requests may go on after shutdown began.
    pub drain: Duration,
    /// How long they may go on after another process took over.
    pub upgrade_drain: Duration,
    /// Whether to take over from a process that runs with the same data folder, if there is one.
    pub upgrade: bool,
    /// The node's clock.
    pub clock: Clock,
}

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// It is given.
    Spec(Box<Spec>),
    /// A file, read again whenever it changes.
    File(PathBuf),
    /// A control plane.
    ControlPlane {
        /// Base URL.
        url: String,
        /// A token with the role `node`.
        token: String,
    },
}

const CACHE_MEMORY_BYTES: u64 = 256 << 20;
const LINKS_BYTES: u64 = 64 << 20;
const LIMIT_KEYS: usize = 100_000;
const DRAIN_S: u64 = 30;
const UPGRADE_DRAIN_S: u64 = 3600;

impl EdgeConfig {
    /// A node on a free port of the loopback interface, without admin pages and access log.
    #[must_use]
    pub fn new(source: Source, data: impl Into<PathBuf>) -> Self {
        Self {
            name: "edge".to_owned(),
            labels: BTreeMap::new(),
            listen: vec![Listener::plain("127.0.0.1:0")],
            admin: None,
            threads: 1,
            data: data.into(),
            cache_memory_bytes: CACHE_MEMORY_BYTES,
            cache_disk_bytes: 0,
            links_bytes: LINKS_BYTES,
            limit_keys: LIMIT_KEYS,
            countries: None,
            systems: None,
            limits: NodeLimits::default(),
            trusted_proxies: Vec::new(),
            forwarded_by: ForwardedBy::default(),
            source,
            access_log: None,
            drain: Duration::from_secs(DRAIN_S),
            upgrade_drain: Duration::from_secs(UPGRADE_DRAIN_S),
            upgrade: false,
            clock: Clock::system(),
        }
    }
}
