//! Keeps a node up to date. LIFECYCLE:
//!
//! ```text
//! start ── last confirmed spec from disk ─▶ handler        (no control plane needed)
//!   │
//!   └─ stream task: connect ─▶ read lines ─▶ lost or silent ─▶ pause with jitter ─▶ connect ...
//!         │ spec        newest only ─▶ spec lane: trying ─▶ on_spec ─▶ health window ─▶ confirmed
//!         │ table       in order    ─▶ table lane: on_table
//!         │ purge       in order    ─▶ purge lane: on_purge ─▶ acknowledged
//!         └ heartbeat   freshness, through the lanes so that it never overtakes an operation
//! reporter: acknowledgements (the newest of a revision), heartbeats
//! ```
//!
//! A slow lane stops the reading of the stream (its queue is bounded); the server then brings the
//! node up to date from its log instead of queueing for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate_control_api::{AnomalyReport, NodeKind, Problem, PurgeEvent, TableOp};
use tidegate_spec::Spec;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::lanes::shared::Shared;
use crate::lanes::{Lanes, purges, report, specs, stream, tables};
use crate::{Blobs, Client, Freshness, LastGood, Result};

/// Events that wait for a lane before the stream is not read any further.
const QUEUE_MAX: usize = 256;

/// Who subscribes, to what.
#[derive(Clone, Debug)]
pub struct SubscriberConfig {
    /// The control plane, `http://host:port`.
    pub address: String,
    /// A token with the role `node` or `service`.
    pub token: String,
    /// This node's name, unique in the fleet: letters, digits, `-`, `_`, `.`.
    pub node: String,
    /// What this node is.
    pub kind: NodeKind,
    /// Where the last specs and fetched blobs are kept.
    pub data_dir: PathBuf,
    /// Tables to receive.
    pub tables: Vec<String>,
    /// Version of the program, for the list of nodes.
    pub version: String,
    /// Labels that waves select by.
    pub labels: BTreeMap<String, String>,
    /// Where an operator reaches this node.
    pub reached_at: Option<String>,
    /// How long a spec must run before it is confirmed.
    pub health_window: Duration,
}

/// A spec to be used from now on.
#[derive(Clone, Debug)]
pub struct SpecUpdate {
    /// Its revision.
    pub revision: u64,
    /// Its hash at the control plane. For an edge equal to `spec.hash()`.
    pub hash: String,
    /// The spec; a service gets `services`, `keysets` and `link_domains` only.
    pub spec: Arc<Spec>,
    /// Whether it comes from this node's disk.
    pub stored: bool,
}

/// A table moves on.
#[derive(Clone, Debug)]
pub struct TableUpdate {
    /// Its name.
    pub table: String,
    /// Generation of the base.
    pub generation: u64,
    /// Sequence of the last operation here.
    pub seq: u64,
    /// Forget everything known of this table before applying the rest.
    pub reset: bool,
    /// The base to start from, a verified file.
    pub base: Option<PathBuf>,
    /// In order.
    pub ops: Vec<TableOp>,
}

/// What a node does with what arrives. Calls of one kind never overlap; calls of different kinds do.
pub trait Handler: Send + Sync + 'static {
    /// Makes a spec the one in use, all or nothing; every problem when that cannot be. The former
    /// one stays in use then.
    fn on_spec(
        &self,
        update: SpecUpdate,
    ) -> impl Future<Output = std::result::Result<(), Vec<Problem>>> + Send;

    /// Applies a change of a table. After an error the table starts anew from its base.
    fn on_table(
        &self,
        _update: TableUpdate,
    ) -> impl Future<Output = std::result::Result<(), String>> + Send {
        std::future::ready(Ok(()))
    }

    /// Carries a purge out. Acknowledged when it returns.
    fn on_purge(&self, _purge: PurgeEvent) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Asked once, a health window after a spec was taken into use; with a reason not to go on with
    /// it the former one is put back.
    fn healthy(&self) -> impl Future<Output = std::result::Result<(), String>> + Send {
        std::future::ready(Ok(()))
    }

    /// The last purge whose effect the cache on disk has, where the cache knows better than the
    /// subscriber, which keeps the last one that [`Handler::on_purge`] returned from.
    fn purge_position(&self) -> Option<u64> {
        None
    }

    /// Figures for the heartbeat: `requests_total`, `errors_total`, `hits_total`,
    /// `latency_p99_us`, `plugin_traps_total` and others.
    fn stats(&self) -> BTreeMap<String, f64> {
        BTreeMap::new()
    }

    /// Clients that stand out, for the heartbeat.
    fn anomalies(&self) -> Option<AnomalyReport> {
        None
    }
}

/// Starts subscriptions.
#[derive(Debug)]
pub struct Subscriber {
    config: SubscriberConfig,
    client: Client,
    blobs: Blobs,
    last_good: LastGood,
}

/// A running subscription. Dropping it stops it.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

/// How a subscription stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether the stream is there.
    pub connected: bool,
    /// Revision and hash in use.
    pub active: Option<(u64, String)>,
    /// The last purge carried out.
    pub purge_seq: u64,
    /// Whether the control plane was heard and every purge that it spoke of is carried out: until
    /// then a cache on disk may have what was purged while this node was away.
    pub purged: bool,
    /// The last operation applied of each table.
    pub tables: BTreeMap<String, u64>,
}

impl SubscriberConfig {
    /// A node with a health window of two seconds, no tables and no labels.
    pub fn new(address: &str, token: &str, node: &str, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            address: address.to_owned(),
            token: token.to_owned(),
            node: node.to_owned(),
            kind: NodeKind::Edge,
            data_dir: data_dir.into(),
            tables: Vec::new(),
            version: String::new(),
            labels: BTreeMap::new(),
            reached_at: None,
            health_window: Duration::from_secs(2),
        }
    }
}

impl Subscriber {
    /// Checks the settings and opens the folders; nothing is sent yet.
    pub fn new(config: SubscriberConfig) -> Result<Self> {
        let client = Client::new(&config.address, &config.token)?;
        let blobs = Blobs::open(client.clone(), &config.data_dir.join("blobs"))?;
        let last_good = LastGood::open(&config.data_dir.join("specs"))?;
        Ok(Self { config, client, blobs, last_good })
    }

    /// The blob cache that the handler may fetch plugin modules from.
    pub fn blobs(&self) -> Blobs {
        self.blobs.clone()
    }

    /// The calls that this node may make by itself.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Starts from the disk and returns when that is done: with a stored spec the handler has it
    /// now. Goes on in the background, on the current Tokio runtime, until it is dropped.
    pub async fn start<H: Handler>(self, handler: Arc<H>) -> Subscription {
        let Self { config, client, blobs, last_good } = self;
        let (acks, ack_queue) = mpsc::unbounded_channel();
        let kept = purges::position_read(&config.data_dir);
        let purged = handler.purge_position().or(kept);
        let shared = Arc::new(Shared::new(config, client, acks, purged));
        let (spec, newest) = watch::channel(None);
        let (table, table_queue) = mpsc::channel(QUEUE_MAX);
        let (purge, purge_queue) = mpsc::channel(QUEUE_MAX);
        let mut spec_lane = specs::SpecLane::new(Arc::clone(&shared), last_good, handler.clone());
        spec_lane.boot().await;
        let mut tasks = JoinSet::new();
        tasks.spawn(stream::run(Arc::clone(&shared), Lanes { spec, table, purge }));
        tasks.spawn(spec_lane.run(newest));
        tasks.spawn(tables::run(Arc::clone(&shared), blobs, handler.clone(), table_queue));
        tasks.spawn(purges::run(Arc::clone(&shared), handler.clone(), purge_queue));
        tasks.spawn(purges::acknowledge(Arc::clone(&shared)));
        tasks.spawn(report::acks(Arc::clone(&shared), ack_queue));
        tasks.spawn(report::beats(Arc::clone(&shared), handler));
        Subscription { shared, tasks }
    }
}

impl Subscription {
    /// How old what this node knows may be.
    pub fn freshness(&self) -> Freshness {
        self.shared.freshness.clone()
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let purge_seq = shared.purged.load(Ordering::Acquire);
        let heard = shared.freshness.silence().is_some();
        Status {
            connected: *shared.connected.borrow(),
            purged: heard && purge_seq >= shared.purge_head.load(Ordering::Acquire),
            active: shared.active(),
            purge_seq,
            tables: shared.positions(),
        }
    }

    /// Stops it and waits until nothing of it runs any more.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}
