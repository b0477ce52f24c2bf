//! All groups of a node, and the way through them.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::GroupConfig;
use crate::downstream::Downstream;
use crate::group::{Group, GroupStats};
use crate::metrics::Families;
use crate::outbound::Outbound;
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::proxy::{PLAN, Relay};
use crate::session::ClientSide;
use crate::tend;

/// All groups of a node, and the way through them.
///
/// Each worker thread has connection pools of its own: a connection stays with the runtime whose
/// reactor it is registered with, and threads do not meet at a pool's lock.
pub struct Upstreams {
    config: UpstreamsConfig,
    groups: ArcSwap<HashMap<String, Arc<Group>>>,
    applying: Mutex<()>,
    proxies: Box<[OnceLock<Arc<HttpProxy<Relay>>>]>,
    shutdown: ShutdownWatch,
    /// Keeps the watch open; Pingora only asks whether it is true.
    _running: watch::Sender<bool>,
}

/// What a node decides for all its groups.
#[derive(Clone, Debug)]
pub struct UpstreamsConfig {
    /// Threads that run exchanges.
    pub workers: usize,
    /// Connections without work that each worker keeps.
    pub idle_connections_max: usize,
    /// Certificates trusted for servers reached by TLS, as PEM; the system's when `None`.
    pub ca_file: Option<PathBuf>,
    /// Where the running state reads the time.
    pub clock: Clock,
}

impl Default for UpstreamsConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            idle_connections_max: 1024,
            ca_file: None,
            clock: Clock::system(),
        }
    }
}

impl Upstreams {
    /// No groups yet.
    #[must_use]
    pub fn new(config: UpstreamsConfig) -> Arc<Self> {
        let (running, shutdown) = watch::channel(false);
        Arc::new(Self {
            proxies: (0..config.workers.max(1)).map(|_| OnceLock::new()).collect(),
            config,
            groups: ArcSwap::default(),
            applying: Mutex::new(()),
            shutdown,
            _running: running,
        })
    }

    /// Puts a configuration in place: the groups in the order given, for the caller to keep beside
    /// its own snapshot. Groups that did not change are the same objects as before; servers that
    /// stayed in a changed group keep their state. Exchanges under way keep the group they have.
    pub fn apply(&self, configs: &[GroupConfig]) -> Vec<Arc<Group>> {
        let _one_at_a_time = self.applying.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.groups.load_full();
        let groups: Vec<Arc<Group>> = configs
            .iter()
            .map(|config| match before.get(&config.name) {
                Some(same) if same.config() == config => Arc::clone(same),
                old => {
                    let clock = self.config.clock.clone();
                    Arc::new(Group::new(config.clone(), old.map(Arc::as_ref), clock))
                }
            })
            .collect();
        let by_name = groups.iter().map(|g| (g.name().to_owned(), Arc::clone(g))).collect();
        self.groups.store(Arc::new(by_name));
        groups
    }

    /// The group of that name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<Arc<Group>> {
        self.groups.load().get(name).cloned()
    }

    /// What all groups have counted, by name.
    #[must_use]
    pub fn stats(&self) -> Vec<GroupStats> {
        let mut stats: Vec<_> = self.groups.load().values().map(|group| group.stats()).collect();
        stats.sort_by(|a, b| a.group.cmp(&b.group));
        stats
    }

    /// Carries one request to a server of the group and the response back to `downstream`, which
    /// is given back. Must run in a Tokio runtime that lives at least as long as its connections.
    ///
    /// Dropping the future ends the exchange and closes its connection; the downstream goes with it.
    pub async fn exchange<D: Downstream>(
        &self,
        group: &Arc<Group>,
        request: Outbound,
        downstream: D,
    ) -> (D, Outcome) {
        let plan = match Plan::new(group, request) {
            Ok(plan) => Arc::new(plan),
            Err(fault) => return (downstream, Outcome::Failed(fault)),
        };
        self.run(plan, downstream).await
    }

    /// Carries out a plan.
    pub(crate) async fn run<D: Downstream>(&self, plan: Arc<Plan>, downstream: D) -> (D, Outcome) {
        let group = &plan.group;
        tend::lookup_first(group).await;
        let (session, slot) = ClientSide::new(downstream, Arc::clone(&plan));
        let session = ServerSession::new_custom(Box::new(session));
        let run = self.proxy().process_new_http(session, &self.shutdown);
        let run = PLAN.scope(Arc::clone(&plan), run);
        match group.config().timeouts.total {
            None => drop(run.await),
            Some(limit) if tokio::time::timeout(limit, run).await.is_err() => plan.timed_out(),
            Some(_) => {}
        }
        // The session has ended with the future that owned it.
        let given_back = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(downstream) = given_back else {
            unreachable!("a session gives its downstream back when it is dropped")
        };
        (downstream, plan.outcome())
    }

    /// Shows what groups and servers have counted on `/metrics` for as long as this lives.
    pub fn publish(self: &Arc<Self>) {
        tidegate_telemetry::register_source(Box::new(Families(Arc::downgrade(self))));
    }

    pub(crate) fn all(&self) -> Vec<Arc<Group>> {
        self.groups.load().values().cloned().collect()
    }

    pub(crate) const fn clock(&self) -> &Clock {
        &self.config.clock
    }

    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.config.ca_file.as_deref()
    }

    fn proxy(&self) -> &Arc<HttpProxy<Relay>> {
        let place = worker() % self.proxies.len();
        self.proxies[place].get_or_init(|| Arc::new(http_proxy(&self.pingora_config(), Relay)))
    }

    fn pingora_config(&self) -> Arc<ServerConf> {
        Arc::new(ServerConf {
            threads: 1,
            upstream_keepalive_pool_size: self.config.idle_connections_max,
            ca_file: self.config.ca_file.as_ref().map(|path| path.display().to_string()),
            // Tries are counted by our own rules; this only must not end them early.
            max_retries: usize::MAX,
            ..ServerConf::default()
        })
    }
}

/// The number of the calling thread, counted from its first exchange.
fn worker() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
    }
    NUMBER.get().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        NUMBER.set(Some(number));
        number
    })
}
