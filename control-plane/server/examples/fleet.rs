//! Measures a fleet on loopback: how long a change takes until every node runs it, and how long a
//! purge takes until every node has carried it out.
//!
//! `cargo run --release -p tidegate-control-server --example fleet -- [nodes] [rounds]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints figures")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidegate_control_client::api::{Problem, Purge, PurgeTarget, Role};
use tidegate_control_client::{
    Apply, Client, Handler, SpecUpdate, Subscriber, SubscriberConfig, Subscription,
};
use tidegate_control_server::{Server, ServerConfig, token_read};

/// When this node took which revision, in microseconds after the start.
struct Node {
    start: Instant,
    revision: AtomicU64,
    at: AtomicU64,
}

impl Handler for Node {
    async fn on_spec(&self, update: SpecUpdate) -> Result<(), Vec<Problem>> {
        let micros = u64::try_from(self.start.elapsed().as_micros()).unwrap();
        self.at.store(micros, Ordering::SeqCst);
        self.revision.store(update.revision, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let (nodes, rounds) = (arguments.next().unwrap_or(1_000), arguments.next().unwrap_or(10));
    let folder = tempfile::tempdir().unwrap();
    let config = ServerConfig::new("127.0.0.1:0".parse().unwrap(), folder.path().join("control"));
    let server = Server::start(config).await.unwrap();
    let token = |role| token_read(&folder.path().join("control"), role).unwrap();
    let admin = Client::new(&server.url(), &token(Role::Admin)).unwrap();
    let begun = Instant::now();
    let fleet = fleet(nodes, &server.url(), &token(Role::Node), folder.path()).await;
    until_live(&admin, nodes).await;
    println!("{nodes} nodes live after {:?}", begun.elapsed());
    let (mut active, mut settled) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (mut each, all) = change(&admin, &fleet, round).await;
        active.append(&mut each);
        settled.push(all);
    }
    show("change to active, each node", active);
    show("change to healthy on all, as the list says", settled);
    let mut purges = Vec::new();
    for round in 0..rounds {
        let begun = Instant::now();
        let report = admin.purge(&Purge::new(vec![PurgeTarget::Tag(format!("t{round}"))])).await;
        let report = report.unwrap();
        assert!(report.done, "{} missing", report.missing.len());
        purges.push(begun.elapsed());
    }
    show("purge to acknowledged by all", purges);
    drop(fleet);
    server.shutdown().await;
}

async fn fleet(
    count: usize,
    url: &str,
    token: &str,
    folder: &Path,
) -> Vec<(Arc<Node>, Subscription)> {
    let mut fleet = Vec::new();
    for n in 0..count {
        let start = Instant::now();
        let node = Arc::new(Node { start, revision: AtomicU64::new(0), at: AtomicU64::new(0) });
        let mut settings =
            SubscriberConfig::new(url, token, &format!("n{n:04}"), folder.join(format!("n{n}")));
        settings.health_window = Duration::from_millis(100);
        let subscription = Subscriber::new(settings).unwrap().start(Arc::clone(&node)).await;
        fleet.push((node, subscription));
    }
    fleet
}

async fn until_live(admin: &Client, count: usize) {
    while admin.nodes_list().await.unwrap().nodes.iter().filter(|node| node.live).count() < count {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long the change took to each node, and until all were healthy.
async fn change(
    admin: &Client,
    fleet: &[(Arc<Node>, Subscription)],
    round: usize,
) -> (Vec<Duration>, Duration) {
    let spec = format!(
        "sites: [{{ name: s, hosts: [\"*\"], routes: [{{ match: {{ path: /x }}, \
         action: {{ respond: {{ status: 200, body: \"{round}\" }} }} }}] }}]"
    );
    let begun = Instant::now();
    let applied = admin.spec_apply(&spec, Path::new("."), &Apply::default()).await.unwrap();
    let revision = applied.revision.revision;
    while fleet.iter().any(|(node, _)| node.revision.load(Ordering::SeqCst) != revision) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let each = fleet.iter().map(|(node, _)| {
        let at = node.start + Duration::from_micros(node.at.load(Ordering::SeqCst));
        at.saturating_duration_since(begun)
    });
    let each = each.collect();
    loop {
        let list = admin.nodes_list().await.unwrap();
        let done = |node: &tidegate_control_client::api::Node| {
            node.healthy && node.target == Some(revision)
        };
        if list.nodes.iter().all(done) {
            return (each, begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what}: p50 {:?}, p99 {:?}, worst {:?}", at(50), at(99), at(100));
}
