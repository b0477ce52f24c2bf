//! Starting a node and ending it.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tidegate_cache::KeySeed;
use tidegate_http::HeadLimits;
use tidegate_http2::AbuseLimits;
use tidegate_limit::{Secret, Table as LimitTable};
use tidegate_route::links;
use tidegate_snapshot::Problem;
use tidegate_spec::{NodeLimits, Protocol};
use tidegate_store::{DiskConfig, Store};
use tidegate_telemetry::{AccessLog, Gauge, Samples, register_source};
use tidegate_tls::Tls;
use tidegate_upstream::{Upstreams, UpstreamsConfig};
use tidegate_wasm::{HostConfig, MetricValue};
use tokio::{
    runtime::Runtime,
    sync::{oneshot, watch},
    task::AbortHandle,
};

use crate::{
    Edge, EdgeConfig, Source, admin,
    caps::Caps,
    certificates::{self, Expiries},
    clock::Clock,
    countries::{self, Countries},
    dispatch::Calls,
    handover::{self, Line, Offer, Taken},
    identity::Trust,
    limit::{self, Pushed, SharedCounts, Watcher},
    listen::{self, Bound, Endpoint},
    media::Streams,
    node::{LinkTables, Node},
    partial::Parts,
    running::{Modules, Running},
    single_flight::SingleFlight,
    source,
    systems::{Places, Systems},
    tier::SharedTier,
};

/// How often a draining node looks whether its connections are gone.
const DRAIN_POLL_MS: u64 = 50;

/// A running node. Dropping it lets the node run on; [`Handle::shutdown`] ends it.
pub struct Handle {
    edge: Arc<Edge>,
    endpoints: Vec<Arc<Endpoint>>,
    addresses: Vec<SocketAddr>,
    admin: Option<Admin>,
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
    background: Runtime,
    offer: Arc<Offer>,
    next: Mutex<Option<oneshot::Receiver<Line>>>,
    /// How long requests may go on after a stop, and after an upgrade.
    drains: (Duration, Duration),
}

/// The admin pages.
struct Admin {
    address: SocketAddr,
    task: AbortHandle,
}

/// Cuts a drain short, from another thread than the one that waits for it.
#[derive(Clone)]
pub struct Hurry {
    edge: Arc<Edge>,
    limit: Duration,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound, a folder not be made, a thread not be started.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// The configuration has problems.
    #[error("the configuration has {} problem(s):\n{}", .0.len(), lines(.0))]
    Problems(Vec<Problem>),
    /// The control plane's address or token cannot be used.
    #[error("control plane: {0}")]
    ControlPlane(#[from] tidegate_control_client::ClientError),
    /// TLS could not be set up.
    #[error("TLS: {0}")]
    Tls(#[from] tidegate_tls::TlsError),
    /// The node's own certificate could not be made.
    #[error("TLS: {0}")]
    SelfSigned(#[from] tidegate_tls::SelfSignedError),
    /// The plugin host could not be started.
    #[error("plugin host: {0}")]
    Plugins(#[from] tidegate_wasm::HostError),
}

// === impl Edge ===

impl Edge {
    /// Starts a node: addresses bound, configuration in force if one is at hand, workers running.
    ///
    /// # Errors
    /// What kept it from starting. A control plane out of reach is no error: the node starts from
    /// what it has on disk and goes on trying.
    pub fn start(config: EdgeConfig) -> Result<Handle, StartError> {
        make_folder(&config.data)?;
        let mut taken = if config.upgrade { take_over(&config.data)? } else { None };
        let background = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("tidegate-node")
            .enable_all()
            .build()
            .map_err(|error| StartError::Io { what: "starting the runtime".into(), error })?;
        let (store, tier) = store(&config)?;
        let edge = Arc::new(Self {
            caps: Arc::new(Caps::new(config.limits)),
            node: node(&config, store)?,
            draining: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            drain_until: Mutex::new(None),
            subscription: Mutex::new(None),
            control_plane: OnceLock::new(),
        });
        edge.node.media.belongs_to(&edge);
        let threads = config.threads.max(1);
        let (endpoints, sockets) =
            listen::bind(&config.listen, threads, |settings| match &mut taken {
                Some(taken) => taken.sockets(&settings.address),
                None => Vec::new(),
            })
            .map_err(|error| StartError::Io { what: "listening".into(), error })?;
        let addresses = tcp_addresses(&endpoints);
        register_source(Box::new(Expiries(Arc::downgrade(&edge))));
        let offer = Arc::new(Offer::default());
        offer.add(&sockets).map_err(upgrading)?;
        let given = taken.as_mut().and_then(Taken::admin);
        let admin = background.block_on(start_admin(&edge, config.admin, given, &offer))?;
        background.spawn(limit::keep(Arc::downgrade(&edge), secret_file(&config)));
        background.spawn(limit::watch(Arc::downgrade(&edge)));
        background.block_on(configure(&edge, &config, &addresses))?;
        background.spawn(edge.node.upstreams.clone().tend());
        let (stop, shutdown) = watch::channel(false);
        let workers = sockets
            .into_iter()
            .enumerate()
            .map(|(index, sockets)| {
                listen::spawn_worker(index, edge.clone(), sockets, shutdown.clone())
                    .map_err(|error| StartError::Io { what: "starting a worker".into(), error })
            })
            .collect::<Result<_, _>>()?;
        background.spawn(certificates::follow(Arc::downgrade(&edge)));
        background.spawn(countries::follow(Arc::downgrade(&edge)));
        if let Some(taken) = taken {
            taken.ready().map_err(upgrading)?;
            tracing::info!("taken over from the process before");
        }
        let next = Mutex::new(background.block_on(next_process(&config.data, &offer, tier)));
        let drains = (config.drain, config.upgrade_drain);
        Ok(Handle {
            edge,
            endpoints,
            addresses,
            admin,
            stop,
            workers,
            background,
            offer,
            next,
            drains,
        })
    }

    /// Open requests may go on for so long, and no longer than was said before.
    fn drain_for(&self, limit: Duration) {
        let until = Instant::now() + limit;
        let mut before = self.drain_until.lock().unwrap_or_else(PoisonError::into_inner);
        *before = Some(before.map_or(until, |before| before.min(until)));
    }

    /// Waits until every connection is gone or the drain deadline has passed.
    pub(crate) async fn drained(&self) {
        let is_late = || {
            let until = *self.drain_until.lock().unwrap_or_else(PoisonError::into_inner);
            until.is_some_and(|until| Instant::now() >= until)
        };
        while self.caps.open() > 0 && !is_late() {
            tokio::time::sleep(Duration::from_millis(DRAIN_POLL_MS)).await;
        }
    }
}

// === impl Handle ===

impl Handle {
    /// The TCP addresses where clients connect; as configured, with ports filled in.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where clients connect, Unix sockets too, and whether they speak TLS there.
    pub fn bound(&self) -> impl Iterator<Item = (&Bound, bool)> {
        self.endpoints.iter().map(|endpoint| (&endpoint.bound, endpoint.settings.tls))
    }

    /// Where the admin pages are.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// The node, for tests and embedders.
    #[must_use]
    pub fn edge(&self) -> &Arc<Edge> {
        &self.edge
    }

    /// Opens the access log's file anew, after it was moved away.
    pub fn reopen_access_log(&self) {
        self.edge.node.access_log.reopen();
    }

    /// The Prometheus text.
    #[must_use]
    pub fn metrics(&self) -> String {
        admin::metrics(&self.edge)
    }

    /// Waits until another process serves in place of this one. For ever where none can take over.
    /// To be called once.
    pub async fn taken_over(&self) {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        let line = match next {
            Some(next) => next.await.ok(),
            None => None,
        };
        let Some(line) = line else { return std::future::pending().await };
        self.edge.handed_over.store(true, Relaxed);
        self.stop_accepting(self.drains.1);
        line.draining();
        tracing::info!(limit = ?self.drains.1, "another process serves: open requests go on here");
    }

    /// For whoever may lose patience while [`Handle::shutdown`] waits.
    #[must_use]
    pub fn hurry(&self) -> Hurry {
        Hurry { edge: self.edge.clone(), limit: self.drains.0 }
    }

    fn stop_accepting(&self, limit: Duration) {
        self.edge.drain_for(limit);
        self.edge.draining.store(true, Relaxed);
        Gauge::Draining.set(1);
        if let Some(admin) = self.admin.as_ref().filter(|_| self.edge.is_handed_over()) {
            admin.task.abort();
        }
        self.offer.close();
        let _ = self.stop.send(true);
        if self.edge.is_handed_over() {
            let mut held = self.edge.subscription.lock().unwrap_or_else(PoisonError::into_inner);
            // What is pushed from now on is the next process's business.
            if let Some(subscription) = held.take() {
                self.background.spawn(subscription.shutdown());
            }
        }
    }

    /// Ends the node: no new connections, open requests go on until the drain deadline, idle
    /// connections close. After [`Handle::taken_over`] the deadline is that of an upgrade.
    pub fn shutdown(self) {
        if !self.edge.is_handed_over() {
            self.stop_accepting(self.drains.0);
        }
        for worker in self.workers {
            let _ = worker.join();
        }
        self.edge.node.access_log.flush();
        self.background.shutdown_timeout(Duration::from_secs(1));
    }
}

// === impl Hurry ===

impl Hurry {
    /// Open requests may go on no longer than after a stop.
    pub fn up(&self) {
        self.edge.drain_for(self.limit);
    }
}

// === parts ===

fn upgrading(error: io::Error) -> StartError {
    StartError::Io { what: "taking over from the running process".into(), error }
}

fn take_over(data: &Path) -> Result<Option<Taken>, StartError> {
    let taken = Taken::ask(data).map_err(upgrading)?;
    if taken.is_none() {
        tracing::info!("no process to take over from");
    }
    Ok(taken)
}

/// Tells when another process serves. A node that cannot be asked is one that cannot be upgraded, and
/// runs all the same.
async fn next_process(
    data: &Path,
    offer: &Arc<Offer>,
    tier: Option<Arc<SharedTier>>,
) -> Option<oneshot::Receiver<Line>> {
    let listener = match handover::bind(data) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%error, "no process will be able to take over from this one");
            return None;
        }
    };
    let (tell, told) = oneshot::channel();
    let offer = offer.clone();
    tokio::spawn(async move {
        match handover::wait(listener, offer, tier).await {
            Ok(line) => drop(tell.send(line)),
            Err(error) => {
                tracing::warn!(%error, "no process will be able to take over from this one")
            }
        }
    });
    Some(told)
}

fn node(config: &EdgeConfig, store: Store) -> Result<Node, StartError> {
    let countries = countries(config)?;
    let access_log = match &config.access_log {
        None => AccessLog::off(),
        Some(settings) => AccessLog::start(settings)
            .map_err(|error| StartError::Io { what: "opening the access log".into(), error })?,
    };
    let calls = Arc::new(Calls::default());
    let code_cache = config.data.join("compiled");
    make_folder(&code_cache)?;
    let plugins = tidegate_wasm::Host::new(HostConfig {
        workers: config.threads.max(1),
        code_cache: Some(code_cache),
        dispatcher: calls.clone(),
        ..HostConfig::default()
    })?;
    register_source(Box::new(PluginFigures(Arc::downgrade(&plugins))));
    let upstreams = Upstreams::new(UpstreamsConfig {
        workers: config.threads.max(1),
        clock: match &config.clock {
            Clock::System(_) => tidegate_upstream::Clock::system(),
            Clock::Virtual(unix_us) => tidegate_upstream::Clock::shared(unix_us.clone()),
        },
        ..UpstreamsConfig::default()
    });
    calls.through(upstreams.clone());
    let limits = links::Limits { hot_bytes_max: config.links_bytes, ..links::Limits::default() };
    Ok(Node {
        name: config.name.as_str().into(),
        clock: config.clock.clone(),
        head_limits: head_limits(&config.limits),
        http2: http2(&config.limits),
        limits: config.limits,
        trust: Trust { proxies: config.trusted_proxies.clone(), by: config.forwarded_by },
        running: ArcSwap::from_pointee(Running::empty().map_err(StartError::Problems)?),
        tls: tls(config)?,
        store,
        parts: Parts::default(),
        media: Streams::default(),
        limit_table: Arc::new(LimitTable::new(config.limit_keys, secret(config)?)),
        shared: SharedCounts::new(&config.name),
        pushed: Pushed::default(),
        watcher: Watcher::new(config.threads.max(1)),
        tallies: Default::default(),
        places: Places::new(countries.clone(), systems(config)?),
        countries,
        upstreams,
        plugins,
        access_log,
        link_tables: LinkTables::new(limits),
        link_questions: SingleFlight::default(),
    })
}

/// The place for certificates; on a node that speaks TLS with one of its own, for the time before
/// the configuration has any.
fn tls(config: &EdgeConfig) -> Result<Tls, StartError> {
    let now_unix_s = config.clock.now().unix_s() as i64;
    let speaks = config.listen.iter().any(|listener| listener.tls);
    let own = match speaks {
        true => Some(tidegate_tls::self_signed(&config.data.join("tls"), now_unix_s)?),
        false => None,
    };
    let protocols = config.listen.iter().map(|listener| {
        let alpn = |protocol: &Protocol| match protocol {
            Protocol::Http2 => tidegate_tls::Protocol::Http2,
            Protocol::Http1 => tidegate_tls::Protocol::Http1,
        };
        listener.protocols.iter().map(alpn).collect()
    });
    Ok(Tls::new(own, protocols.collect(), now_s)?)
}

fn now_s() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn tcp_addresses(endpoints: &[Arc<Endpoint>]) -> Vec<SocketAddr> {
    let tcp = |endpoint: &Arc<Endpoint>| match &endpoint.bound {
        Bound::Tcp(address) => Some(*address),
        Bound::Unix(_) => None,
    };
    endpoints.iter().filter_map(tcp).collect()
}

fn head_limits(limits: &NodeLimits) -> HeadLimits {
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    HeadLimits {
        head_bytes_max: bytes(limits.head_bytes_max).min(HeadLimits::HEAD_BYTES_CAP),
        fields_max: limits.head_fields_max.min(HeadLimits::FIELDS_CAP),
        target_bytes_max: bytes(limits.target_bytes_max),
    }
}

/// The largest frame taken: the least the standard allows, since a frame is kept until it is whole.
const FRAME_BYTES_MAX: u32 = 16_384;

/// What HTTP/2 connections announce and bear.
fn http2(limits: &NodeLimits) -> tidegate_http2::Settings {
    let window = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).min(i32::MAX as u32);
    tidegate_http2::Settings {
        streams_max: limits.http2.streams_max,
        initial_stream_window_bytes: window(limits.http2.stream_window),
        connection_window_bytes: window(limits.http2.connection_window),
        head_bytes_max: window(limits.head_bytes_max),
        fields_max: limits.head_fields_max as u32,
        header_table_bytes: window(limits.http2.header_table_bytes),
        extended_connect: true,
        abuse: AbuseLimits {
            window_us: limits.http2.flood_window.as_micros() as u64,
            early_resets: limits.http2.early_resets_max,
            resets: limits.http2.resets_max,
            pings: limits.http2.pings_max,
            settings: limits.http2.settings_max,
            empty_frames: limits.http2.empty_frames_max,
            continuations: limits.http2.continuations_max,
            window_updates: limits.http2.window_updates_max,
            priority_updates: limits.http2.priority_updates_max,
            replies_queued: limits.http2.replies_queued_max,
        },
        frame_bytes_max: FRAME_BYTES_MAX,
    }
}

/// Where the secret of the fleet's limits is kept.
fn secret_file(config: &EdgeConfig) -> std::path::PathBuf {
    config.data.join("limits.secret")
}

/// The one that the fleet was known to share; one of this node's own until it says.
fn secret(config: &EdgeConfig) -> Result<Secret, StartError> {
    let kept = std::fs::read(secret_file(config)).ok();
    match kept.and_then(|bytes| bytes.try_into().ok()) {
        Some(bytes) => Ok(Secret::new(bytes)),
        None => Ok(Secret::new(random()?)),
    }
}

fn countries(config: &EdgeConfig) -> Result<Arc<Countries>, StartError> {
    let Some(path) = &config.countries else { return Ok(Arc::default()) };
    Countries::load(path).map(Arc::new).map_err(|error| reading(path, error))
}

fn systems(config: &EdgeConfig) -> Result<Arc<Systems>, StartError> {
    let Some(path) = &config.systems else { return Ok(Arc::default()) };
    Systems::load(path).map(Arc::new).map_err(|error| reading(path, error))
}

fn reading(path: &Path, error: io::Error) -> StartError {
    StartError::Io { what: format!("reading {}", path.display()), error }
}

/// The cache: in memory, and behind it on disk where the node has room for one. A disk that cannot
/// be used is said and done without.
fn store(config: &EdgeConfig) -> Result<(Store, Option<Arc<SharedTier>>), StartError> {
    let memory = config.cache_memory_bytes;
    if config.cache_disk_bytes > 0 {
        let folder = config.data.join("cache");
        match SharedTier::open(DiskConfig::new(&folder, config.cache_disk_bytes)) {
            Ok(tier) => {
                let tier = Arc::new(tier);
                let settings = tidegate_store::Config::new(memory, tier.seed());
                let store = Store::with_tier(settings, Some(tier.clone()));
                return Ok((store, Some(tier)));
            }
            Err(error) => {
                tracing::error!(folder = %folder.display(), %error, "the cache on disk is off");
            }
        }
    }
    let settings = tidegate_store::Config::new(memory, KeySeed::new(random()?));
    Ok((Store::new(settings), None))
}

/// The numbers of plugins and about plugins, for `/metrics`.
struct PluginFigures(Weak<tidegate_wasm::Host>);

impl tidegate_telemetry::Source for PluginFigures {
    fn collect(&self, samples: &mut Samples) {
        let Some(host) = self.0.upgrade() else { return };
        for sample in host.metrics() {
            let labels: Vec<_> =
                sample.labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let help = "Defined by a plugin, or about it.";
            match sample.value {
                MetricValue::Counter(n) => samples.counter(&sample.name, help, &labels, n as f64),
                MetricValue::Gauge(n) => samples.gauge(&sample.name, help, &labels, n as f64),
                MetricValue::Histogram { count, sum, .. } => {
                    samples.counter(&format!("{}_count", sample.name), help, &labels, count as f64);
                    samples.counter(&format!("{}_sum", sample.name), help, &labels, sum as f64);
                }
            }
        }
    }
}

async fn start_admin(
    edge: &Arc<Edge>,
    address: Option<SocketAddr>,
    given: Option<std::net::TcpListener>,
    offer: &Offer,
) -> Result<Option<Admin>, StartError> {
    let Some(address) = address else { return Ok(None) };
    let (address, listener) = admin::bind(address, given)
        .await
        .map_err(|error| StartError::Io { what: format!("admin address {address}"), error })?;
    offer.add_admin(&listener).map_err(upgrading)?;
    let task = tokio::spawn(admin::serve(edge.clone(), listener)).abort_handle();
    Ok(Some(Admin { address, task }))
}

async fn configure(
    edge: &Arc<Edge>,
    config: &EdgeConfig,
    addresses: &[SocketAddr],
) -> Result<(), StartError> {
    match &config.source {
        Source::Spec(spec) => {
            let apply = edge.apply(Arc::new((**spec).clone()), 1, ".".into(), Modules::new());
            apply.await.map_err(StartError::Problems)
        }
        Source::File(path) => {
            source::load_file(edge, path, 1).await.map_err(StartError::Problems)?;
            tokio::spawn(source::follow_file(edge.clone(), path.clone()));
            Ok(())
        }
        Source::ControlPlane { url, token } => {
            let reached_at =
                addresses.first().map(|address| format!("http://{address}")).unwrap_or_default();
            let subscription = source::subscribe(edge, config, url, token, reached_at).await?;
            *edge.subscription.lock().unwrap_or_else(PoisonError::into_inner) = Some(subscription);
            Ok(())
        }
    }
}

fn make_folder(path: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(path)
        .map_err(|error| StartError::Io { what: format!("making {}", path.display()), error })
}

fn random() -> Result<[u8; 16], StartError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Io {
        what: "asking for random bytes".into(),
        error: io::Error::other(error.to_string()),
    })?;
    Ok(bytes)
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}
