//! A control plane with what tests ask of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidegate_control_client::api::{Node, PluginNew, Problem, PurgeEvent, Role};
use tidegate_control_client::{
    Apply, Client, Handler, SpecUpdate, Subscriber, SubscriberConfig, Subscription, TableUpdate,
};
use tidegate_control_server::{Handle, PluginCheck, Server, ServerConfig, token_read};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) server: Option<Handle>,
    pub(crate) address: SocketAddr,
}

impl World {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(folder.path(), "127.0.0.1:0".parse().unwrap()).await;
        Self { folder, address: server.local_addr, server: Some(server) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn token(&self, role: Role) -> String {
        token_read(self.folder.path(), role).unwrap()
    }

    pub(crate) fn admin(&self) -> Client {
        Client::new(&self.url(), &self.token(Role::Admin)).unwrap()
    }

    pub(crate) fn service(&self) -> Client {
        Client::new(&self.url(), &self.token(Role::Service)).unwrap()
    }

    pub(crate) async fn stop(&mut self) {
        self.server.take().unwrap().shutdown().await;
    }

    /// On the same address with the same data.
    pub(crate) async fn again(&mut self) {
        self.server = Some(serve(self.folder.path(), self.address).await);
    }

    pub(crate) async fn apply(&self, text: &str) -> u64 {
        let applied = self.admin().spec_apply(text, Path::new("."), &Apply::default()).await;
        applied.unwrap().revision.revision
    }

    pub(crate) fn settings(&self, node: &str) -> SubscriberConfig {
        let folder = self.folder.path().join(format!("node-{node}"));
        let token = self.token(Role::Node);
        SubscriberConfig {
            tables: vec!["links".into()],
            health_window: Duration::from_millis(50),
            ..SubscriberConfig::new(&self.url(), &token, node, folder)
        }
    }

    pub(crate) async fn edge(&self, node: &str) -> Edge {
        Edge::start(self.settings(node)).await
    }

    /// Waits until the control plane says this of a node.
    pub(crate) async fn until_node(&self, name: &str, wanted: impl Fn(&Node) -> bool) -> Node {
        let admin = self.admin();
        eventually(name, async || {
            let list = admin.nodes_list().await.ok()?;
            list.nodes.into_iter().find(|node| node.node == name && wanted(node))
        })
        .await
    }
}

async fn serve(folder: &Path, listen: SocketAddr) -> Handle {
    let mut config = ServerConfig::new(listen, folder);
    config.plugin_check = Some(PluginCheck(Arc::new(check)));
    Server::start(config).await.unwrap()
}

/// Modules that say they are bad are; of others every word of the cases passes.
fn check(module: &[u8], new: &PluginNew) -> Result<u64, Vec<String>> {
    match String::from_utf8_lossy(module).contains("bad") {
        true => Err(vec!["it is bad".to_owned()]),
        false => Ok(new.cases.split_whitespace().count() as u64),
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < until, "{what}: did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Writes down what a subscriber is told.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) specs: Mutex<Vec<SpecUpdate>>,
    pub(crate) tables: Mutex<Vec<TableUpdate>>,
    pub(crate) purges: Mutex<Vec<PurgeEvent>>,
    pub(crate) stats: Mutex<BTreeMap<String, f64>>,
    pub(crate) refuse: AtomicBool,
    pub(crate) panic: AtomicBool,
    pub(crate) sick: AtomicBool,
    pub(crate) purges_hang: AtomicBool,
}

impl Handler for Recorder {
    async fn on_spec(&self, update: SpecUpdate) -> Result<(), Vec<Problem>> {
        assert!(!self.panic.load(Ordering::SeqCst), "on purpose");
        if self.refuse.load(Ordering::SeqCst) {
            return Err(vec![
                Problem::new("sites", "not here"),
                Problem::new("limits", "nor here"),
            ]);
        }
        self.specs.lock().unwrap().push(update);
        Ok(())
    }

    async fn on_table(&self, update: TableUpdate) -> Result<(), String> {
        self.tables.lock().unwrap().push(update);
        Ok(())
    }

    async fn on_purge(&self, purge: PurgeEvent) {
        while self.purges_hang.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.purges.lock().unwrap().push(purge);
    }

    async fn healthy(&self) -> Result<(), String> {
        if self.sick.load(Ordering::SeqCst) { Err("fever".into()) } else { Ok(()) }
    }

    fn stats(&self) -> BTreeMap<String, f64> {
        self.stats.lock().unwrap().clone()
    }
}

pub(crate) struct Edge {
    pub(crate) seen: Arc<Recorder>,
    pub(crate) subscription: Subscription,
}

impl Edge {
    pub(crate) async fn start(settings: SubscriberConfig) -> Self {
        Self::start_with(settings, Recorder::default()).await
    }

    pub(crate) async fn start_with(settings: SubscriberConfig, recorder: Recorder) -> Self {
        let seen = Arc::new(recorder);
        let subscription = Subscriber::new(settings).unwrap().start(Arc::clone(&seen)).await;
        Self { seen, subscription }
    }

    pub(crate) fn hashes(&self) -> Vec<String> {
        self.seen.specs.lock().unwrap().iter().map(|update| update.hash.clone()).collect()
    }

    pub(crate) fn revisions(&self) -> Vec<u64> {
        self.seen.specs.lock().unwrap().iter().map(|update| update.revision).collect()
    }

    pub(crate) async fn until_revision(&self, revision: u64) {
        eventually(&format!("revision {revision}"), async || {
            let active = self.subscription.status().active;
            active.filter(|(active, _)| *active == revision)
        })
        .await;
    }

    /// Keys of the table as they follow from everything told so far.
    pub(crate) fn keys(&self) -> Vec<String> {
        use tidegate_control_client::api::Op;
        let mut keys = Vec::new();
        for update in self.seen.tables.lock().unwrap().iter() {
            if update.reset {
                keys.clear();
            }
            if let Some(base) = &update.base {
                keys.extend(fs::read_to_string(base).unwrap().lines().map(str::to_owned));
            }
            for op in &update.ops {
                match op.op {
                    Op::Delete => keys.retain(|key| *key != op.key),
                    Op::Put | Op::Change => keys.push(op.key.clone()),
                }
            }
        }
        keys
    }
}

/// A spec that answers one path with this text.
pub(crate) fn respond(body: &str) -> String {
    format!(
        "sites:\n  - name: demo\n    hosts: [\"*\"]\n    routes:\n      - match: {{ path: \"/x\" }}\n        \
         action: {{ respond: {{ status: 200, body: \"{body}\" }} }}\n"
    )
}
