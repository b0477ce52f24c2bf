//! Where configurations come from, and how one is put in force: all of it or nothing.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tidegate_control_client::{
    Blobs, Handler, SpecUpdate, Subscriber, SubscriberConfig, Subscription, TableUpdate,
    api::{AnomalyReport, PurgeEvent, PurgeTarget, TableOp},
};
use tidegate_route::links::{Filter, Op};
use tidegate_snapshot::Problem;
use tidegate_spec::{ListSource, PluginModule, Spec, read};
use tidegate_store::{Purge, PurgeKind};
use tidegate_telemetry::{Counter, Gauge, Phase};

use crate::{
    Edge,
    config::EdgeConfig,
    limit,
    running::{Modules, Running},
};

/// How often a spec file is looked at.
const FILE_POLL_MS: u64 = 300;
/// How often link tables learn how fresh they are.
const CONFIRM_MS: u64 = 100;
/// The pushed tables that an edge watches.
const TABLES: [&str; 2] = ["links", limit::TABLE];

impl Edge {
    /// Puts a spec in force: compiled, plugins loaded, then swapped in. Requests under way keep
    /// the configuration they began with.
    ///
    /// # Errors
    /// Every problem; then nothing has changed.
    pub async fn apply(
        self: &Arc<Self>,
        spec: Arc<Spec>,
        revision: u64,
        base: PathBuf,
        modules: Modules,
    ) -> Result<(), Vec<Problem>> {
        let edge = self.clone();
        let prepare = move || Running::prepare(&edge.node, &spec, revision, &base, &modules);
        let prepared = tokio::task::spawn_blocking(prepare).await;
        let running = prepared.unwrap_or_else(|error| {
            Err(vec![Problem::new("", format!("the configuration could not be prepared: {error}"))])
        });
        match running {
            Ok(running) => {
                Counter::ConfigApplied.inc();
                Gauge::ConfigRevision.set(revision as i64);
                Gauge::PluginsLoaded.set(running.snapshot.plugins.len() as i64);
                tracing::info!(revision, hash = running.snapshot.hash, "configuration in force");
                if let Some(tls) = &running.tls {
                    self.node.tls.show(tls.clone());
                }
                self.node.plugins.set_lists(running.snapshot.lists.iter().cloned());
                self.node.running.store(Arc::new(running));
                self.count_with(&self.node.running.load().snapshot.counters.clone());
                // Again: something may have been pushed since it was prepared.
                self.lay_over();
                Ok(())
            }
            Err(problems) => {
                Counter::ConfigRejected.inc();
                for problem in &problems {
                    tracing::error!(revision, %problem, "configuration refused");
                }
                Err(problems)
            }
        }
    }
}

// === a spec file ===

/// Reads a spec file and puts it in force.
pub(crate) async fn load_file(
    edge: &Arc<Edge>,
    path: &Path,
    revision: u64,
) -> Result<(), Vec<Problem>> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        vec![Problem::new("", format!("cannot read {}: {error}", path.display()))]
    })?;
    let base = path.parent().unwrap_or(Path::new(".")).to_path_buf();
    let spec = read_all(&text, &base).inspect_err(|problems| {
        Counter::ConfigRejected.inc();
        for problem in problems {
            tracing::error!(file = %path.display(), %problem, "configuration refused");
        }
    })?;
    edge.apply(Arc::new(spec), revision, base, Modules::new()).await
}

/// Reads a spec, and the redirect tables that it keeps in files beside it.
fn read_all(text: &str, base: &Path) -> Result<Spec, Vec<Problem>> {
    let mut spec = read(text)?;
    let problems = spec.load_redirects(|file| {
        let file = base.join(file);
        std::fs::read_to_string(&file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))
    });
    if problems.is_empty() { Ok(spec) } else { Err(problems) }
}

/// Follows a spec file and the lists beside it: each change is a new revision. Looking at the file beats being told about
/// it where editors, links and network file systems are involved.
pub(crate) async fn follow_file(edge: Arc<Edge>, path: PathBuf) {
    let mut revision = 1;
    let mut seen = stamps(&edge, &path);
    loop {
        tokio::time::sleep(Duration::from_millis(FILE_POLL_MS)).await;
        let now = stamps(&edge, &path);
        // A file that is looked at for the first time was read a moment ago.
        let before = |path: &PathBuf| seen.get(path);
        let changed = now
            .iter()
            .any(|(path, now)| now.is_some() && before(path).is_some_and(|before| before != now));
        seen = now;
        if changed {
            revision += 1;
            // Problems are in the log; what ran before goes on.
            let _ = load_file(&edge, &path, revision).await;
        }
    }
}

type Stamp = Option<(SystemTime, u64)>;

/// Of the spec, and of the lists that the one in force has in files.
fn stamps(edge: &Edge, path: &Path) -> BTreeMap<PathBuf, Stamp> {
    let base = path.parent().unwrap_or(Path::new("."));
    let running = edge.node.running.load();
    let lists = running.snapshot.list_files.iter().map(|file| base.join(&**file));
    let files = lists.chain([path.to_owned()]);
    files.map(|path| (path.clone(), stamp(&path))).collect()
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

// === a control plane ===

/// Takes what the control plane sends.
pub(crate) struct ControlPlane {
    edge: Arc<Edge>,
    blobs: Blobs,
}

/// Subscribes; returns when the last confirmed configuration, if there is one, is in force.
pub(crate) async fn subscribe(
    edge: &Arc<Edge>,
    config: &EdgeConfig,
    url: &str,
    token: &str,
    reached_at: String,
) -> Result<Subscription, tidegate_control_client::ClientError> {
    let mut settings = SubscriberConfig::new(url, token, &config.name, &config.data);
    settings.tables = TABLES.map(str::to_owned).to_vec();
    settings.labels.clone_from(&config.labels);
    settings.version = env!("CARGO_PKG_VERSION").to_owned();
    settings.reached_at = Some(reached_at);
    let subscriber = Subscriber::new(settings)?;
    let _ = edge.control_plane.set(subscriber.client());
    let handler = ControlPlane { edge: edge.clone(), blobs: subscriber.blobs() };
    let subscription = subscriber.start(Arc::new(handler)).await;
    let freshness = subscription.freshness();
    tokio::spawn(confirm(edge.clone(), freshness));
    Ok(subscription)
}

/// Tells the link tables up to when they are known to be complete: only then may a filter say that
/// a code does not exist.
async fn confirm(edge: Arc<Edge>, freshness: tidegate_control_client::Freshness) {
    loop {
        tokio::time::sleep(Duration::from_millis(CONFIRM_MS)).await;
        for (name, table) in edge.node.link_tables.all() {
            if let Some(lag) = freshness.table(&name).lag() {
                let now_us = edge.node.clock.now().mono_us;
                let then_us = now_us.saturating_sub(lag.as_micros() as u64);
                table.confirm(table.state().seq, then_us);
            }
        }
    }
}

impl Handler for ControlPlane {
    async fn on_spec(&self, update: SpecUpdate) -> Result<(), Vec<Problem>> {
        let modules = self.fetch_modules(&update.spec).await?;
        self.edge.apply(update.spec, update.revision, PathBuf::from("."), modules).await
    }

    async fn on_table(&self, update: TableUpdate) -> Result<(), String> {
        Counter::TableUpdates.inc();
        if update.table == limit::TABLE {
            return self.edge.push_limits(update.reset, &update.ops);
        }
        let table = self.edge.node.link_tables.table(&update.table).table;
        if update.reset {
            table.reset();
        }
        if let Some(base) = &update.base {
            let bytes = tokio::fs::read(base).await.map_err(|error| error.to_string())?;
            let filter = Filter::from_bytes(&bytes).map_err(|error| error.to_string())?;
            table.replace(filter);
        }
        let ops: Vec<_> = update.ops.iter().filter_map(op).collect();
        let after = update.seq - (update.ops.len() as u64).min(update.seq);
        table.apply(after, update.seq, &ops).map_err(|gap| gap.to_string())
    }

    async fn on_purge(&self, purge: PurgeEvent) {
        Counter::Purges.inc();
        for target in &purge.targets {
            self.edge.purge(target, purge.soft);
        }
    }

    fn anomalies(&self) -> Option<AnomalyReport> {
        self.edge.anomaly_report()
    }

    fn stats(&self) -> BTreeMap<String, f64> {
        let figures = [
            ("requests_total", Counter::RequestsTotal.value() as f64),
            ("errors_total", Phase::Fault.value() as f64),
            ("hits_total", Phase::Hit.value() as f64),
            ("misses_total", Phase::Miss.value() as f64),
            ("plugin_traps_total", self.edge.node.plugins.failures() as f64),
            ("cache_bytes", self.edge.node.store.stats().bytes as f64),
        ];
        figures.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

impl Edge {
    /// Takes in what was pushed about limits; it holds from the next request on.
    ///
    /// # Errors
    /// More entries than a node keeps.
    pub fn push_limits(&self, reset: bool, ops: &[TableOp]) -> Result<(), String> {
        if reset {
            self.node.pushed.reset();
            self.node.watcher.reset();
        }
        let (tight, others): (Vec<_>, Vec<_>) =
            ops.iter().cloned().partition(|op| op.key.starts_with(limit::TIGHT));
        self.node.watcher.push(&tight, self.node.clock.now());
        if reset || !others.is_empty() {
            self.node.pushed.apply(&others)?;
            self.lay_over();
        }
        Ok(())
    }

    pub(crate) fn lay_over(&self) {
        let running = self.node.running.load();
        let overlay = self.node.pushed.lay_over(&running.snapshot, &self.node.limit_table);
        running.overlay.store(overlay.map(Arc::new));
    }
}

impl ControlPlane {
    async fn fetch_modules(&self, spec: &Spec) -> Result<Modules, Vec<Problem>> {
        let mut modules = Modules::new();
        let mut problems = Vec::new();
        for (path, hash) in blobs(spec) {
            match self.blobs.bytes(hash).await {
                Ok(bytes) => drop(modules.insert(hash.clone(), Arc::from(&bytes[..]))),
                Err(error) => {
                    problems.push(Problem::new(path, format!("it could not be fetched: {error}")));
                }
            }
        }
        if problems.is_empty() { Ok(modules) } else { Err(problems) }
    }
}

/// What a spec names by its hash, with the places of it.
fn blobs(spec: &Spec) -> impl Iterator<Item = (String, &String)> {
    let modules = spec.plugins.iter().enumerate().filter_map(|(at, plugin)| match &plugin.module {
        PluginModule::Sha256(hash) => Some((format!("plugins[{at}].module"), hash)),
        PluginModule::File(_) | PluginModule::Registry(_) => None,
    });
    let lists = spec.lists.iter().enumerate().filter_map(|(at, list)| match &list.source {
        Some(ListSource::Sha256(hash)) => Some((format!("lists[{at}].source"), hash)),
        Some(ListSource::File(_)) | None => None,
    });
    modules.chain(lists)
}

impl Edge {
    /// Carries out one target of a purge on this node. When it returns, nothing stored before is
    /// served any more.
    pub fn purge(&self, target: &PurgeTarget, soft: bool) {
        let purge = match target {
            PurgeTarget::Url(url) => Purge::Url(url.clone()),
            PurgeTarget::Tag(tag) => Purge::Tag(tidegate_cache::TagId::new(tag.as_bytes())),
            PurgeTarget::Prefix(prefix) => Purge::Prefix(prefix.clone()),
            PurgeTarget::Host(host) => Purge::Host(host.clone()),
            PurgeTarget::All(_) => Purge::Everything,
        };
        let now_ms = self.node.clock.now().unix_us / 1000;
        let kind = if soft { PurgeKind::Soft { now_ms } } else { PurgeKind::Hard };
        self.node.store.purge(&purge, kind);
    }
}

/// `domain/code`; whatever the operation was, what is known of the code is forgotten.
fn op(op: &TableOp) -> Option<Op<'_>> {
    let (domain, code) = op.key.split_once('/')?;
    Some(Op { domain, code })
}
