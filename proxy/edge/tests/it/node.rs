//! A real node for tests: free port, folder of its own, a clock that only the test moves.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tempfile::TempDir;
use tidegate_edge::{Clock, EdgeConfig, Handle, Modules, Source};
use tidegate_spec::{NodeConfig, Spec, read};
use tidegate_telemetry::{AccessSettings, AccessTarget};
use tidegate_testkit::{Edge, VirtualClock};

/// A running node.
pub(crate) struct Node {
    handle: Option<Handle>,
    revision: u64,
    data: TempDir,
}

impl Node {
    /// Starts a node with `threads` workers.
    pub(crate) async fn with_threads(
        spec: &str,
        clock: Clock,
        threads: usize,
    ) -> Result<Self, String> {
        Self::with_file(spec, "", clock, threads).await
    }

    /// Starts a node of that name.
    pub(crate) async fn named(
        name: &str,
        spec: &str,
        clock: Clock,
        threads: usize,
    ) -> Result<Self, String> {
        Self::with_file(spec, &format!("name = \"{name}\""), clock, threads).await
    }

    /// Starts a node with keys of a node file.
    pub(crate) async fn with_file(
        spec: &str,
        node_file: &str,
        clock: Clock,
        threads: usize,
    ) -> Result<Self, String> {
        let file = NodeConfig::parse(node_file).map_err(|error| error.to_string())?;
        let data = TempDir::new().map_err(|error| error.to_string())?;
        let mut config = EdgeConfig::new(Source::Spec(Box::new(spec_of(spec)?)), data.path());
        config.clock = clock;
        if let Some(name) = file.name {
            config.name = name;
        }
        config.threads = threads;
        if !node_file.is_empty() && node_file.contains("[[listeners]]") {
            config.listen = file.listeners;
        }
        if node_file.contains("admin = ") {
            config.admin = file.admin.parse().ok();
        }
        config.limits = file.limits;
        config.trusted_proxies = file.trusted_proxies;
        config.forwarded_by = file.forwarded_by;
        config.countries = file.countries;
        config.systems = file.systems;
        if !file.access_log.path.is_empty() {
            let target = AccessTarget::File(data.path().join(&file.access_log.path));
            config.access_log = Some(AccessSettings { target, ..AccessSettings::default() });
        }
        config.drain = Duration::from_millis(50);
        let start = tokio::task::spawn_blocking(|| tidegate_edge::Edge::start(config)).await;
        let handle =
            start.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(Self { handle: Some(handle), revision: 1, data })
    }

    /// Starts a node with a cache on disk, in a folder that `prepare` has seen before.
    pub(crate) async fn with_disk(
        spec: &str,
        clock: Clock,
        prepare: impl FnOnce(&Path),
    ) -> Result<Self, String> {
        let data = TempDir::new().map_err(|error| error.to_string())?;
        prepare(data.path());
        let mut config = EdgeConfig::new(Source::Spec(Box::new(spec_of(spec)?)), data.path());
        config.clock = clock;
        config.threads = 1;
        config.cache_disk_bytes = 64 << 20;
        config.drain = Duration::from_millis(50);
        let start = tokio::task::spawn_blocking(|| tidegate_edge::Edge::start(config)).await;
        let handle =
            start.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(Self { handle: Some(handle), revision: 1, data })
    }

    /// Stops it and gives its access log.
    pub(crate) async fn access_log(mut self) -> String {
        let handle = self.handle.take().expect("the node runs");
        let stopped = tokio::task::spawn_blocking(|| handle.shutdown()).await;
        stopped.expect("the node stops");
        std::fs::read_to_string(self.data.path().join("access.log")).expect("there is a log")
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.handle.as_ref().expect("the node runs")
    }
}

impl Edge for Node {
    async fn start(spec: &str, node_file: &str, clock: &VirtualClock) -> Result<Self, String> {
        Self::with_file(spec, node_file, Clock::Virtual(clock.shared()), 1).await
    }

    fn addr(&self) -> SocketAddr {
        self.handle().addresses()[0]
    }

    async fn apply(&mut self, spec: &str) -> Result<(), String> {
        self.revision += 1;
        let spec = Arc::new(spec_of(spec)?);
        let edge = self.handle().edge().clone();
        let applied = edge.apply(spec, self.revision, Path::new(".").into(), Modules::new()).await;
        applied.map_err(|problems| {
            problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()
        })
    }

    async fn metrics(&mut self) -> String {
        self.handle().metrics()
    }

    async fn stop(mut self) {
        let handle = self.handle.take().expect("the node runs");
        let _ = tokio::task::spawn_blocking(|| handle.shutdown()).await;
    }
}

fn spec_of(text: &str) -> Result<Spec, String> {
    read(text).map_err(|problems| {
        problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()
    })
}
