//! Limits that nodes count together: three nodes and a Redis of their own, which is stopped and killed
//! in the middle.
//!
//! Runs where `TIDEGATE_TEST_REDIS` is set (`ci/services` sets it): that says that `redis-server` is
//! installed. The server used here is another one, on a free port, so that it can be stopped.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge};

use crate::node::Node;

/// A limit of 100 a second with a burst of 20.
const LIMIT: usize = 100;
const BURST: usize = 20;
const NODES: usize = 3;
/// No request may take this long, whatever happens to the store; a wait for it would.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// What nodes that were cut off for a moment may admit beyond the limit.
const CUT_PART: f64 = 0.05;
/// How long clients go on while the store is dead.
const DEAD: Duration = Duration::from_secs(10);
/// How long a node may take to notice that the store is gone or back.
const PATIENCE: Duration = Duration::from_secs(20);

fn spec(mode: &str, redis: u16) -> String {
    format!(
        r#"
sites:
  - name: all
    hosts: ["*"]
    routes:
      - {{ match: "/*", action: {{ respond: {{ body: in }} }}, limits: [all] }}
limits:
  - {{ name: all, key: [const], rate: {LIMIT}/s, burst: {BURST}, mode: {mode}, near_percent: 0 }}
counters: {{ redis: ["redis://127.0.0.1:{redis}"], nodes: {NODES} }}
"#
    )
}

/// A Redis server that is ended with the test.
struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = TempDir::new().unwrap();
        let child = Self::spawn(port, &folder);
        Self { child, port, folder }
    }

    fn spawn(port: u16, folder: &TempDir) -> Child {
        let mut server = Command::new("redis-server");
        server.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
        server.current_dir(folder.path()).stdout(Stdio::null()).spawn().unwrap()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn again(&mut self) {
        self.child = Self::spawn(self.port, &self.folder);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of asking all nodes for a while.
struct Seen {
    admitted: usize,
    longest: Duration,
    /// How long it took in the end.
    time: Duration,
}

async fn load(nodes: &[Node]) -> Seen {
    load_for(nodes, Duration::from_secs(3)).await
}

async fn load_for(nodes: &[Node], time: Duration) -> Seen {
    let start = Instant::now();
    let ask = async |node: &Node| {
        let mut client = Client::connect(node.addr()).await;
        let (began, mut admitted, mut longest) = (Instant::now(), 0, Duration::ZERO);
        while began.elapsed() < time {
            let asked = Instant::now();
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let status = client.response().await.unwrap().status();
            longest = longest.max(asked.elapsed());
            admitted += usize::from(status == 200);
            // Five times the limit, all nodes together.
            tokio::time::sleep(Duration::from_millis(6)).await;
        }
        (admitted, longest)
    };
    let all = futures_util::future::join_all(nodes.iter().map(ask)).await;
    let admitted = all.iter().map(|(admitted, _)| admitted).sum();
    let longest = all.iter().map(|(_, longest)| *longest).max().unwrap();
    Seen { admitted, longest, time: start.elapsed() }
}

/// Waits until every node has the store in reach, or none.
async fn until(nodes: &mut [Node], alone: bool) {
    let began = Instant::now();
    loop {
        let text = nodes[0].metrics().await;
        let line = text.lines().find(|line| line.starts_with("tidegate_limit_stores_alone "));
        let now = line.is_some_and(|line| !line.ends_with(" 0"));
        // The gauge belongs to the process: all nodes write it, so it is looked at a few times.
        tokio::time::sleep(Duration::from_millis(300)).await;
        if now == alone {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "the nodes did not notice");
    }
}

/// The most that may be admitted in `time`, with `part` more of it for what a mode does not promise.
fn most(time: Duration, part: f64) -> f64 {
    (LIMIT as f64 * time.as_secs_f64() + BURST as f64) * (1.0 + part)
}

#[test]
fn bounds_hold_with_redis_and_without() {
    if std::env::var_os("TIDEGATE_TEST_REDIS").is_none() {
        assert!(std::env::var_os("CI").is_none(), "TIDEGATE_TEST_REDIS must be set in CI");
        eprintln!("skipped: TIDEGATE_TEST_REDIS is not set");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (mode, part) in [("strict", 0.0), ("lease", 0.0), ("approx", 0.15)] {
        runtime.block_on(one_mode(mode, part));
    }
}

/// Decisions made without the store so far, of all nodes: the count belongs to the process.
async fn degraded(nodes: &mut [Node]) -> u64 {
    let text = nodes[0].metrics().await;
    let line = text.lines().find_map(|line| line.strip_prefix("tidegate_limit_degraded_total "));
    line.and_then(|count| count.parse::<f64>().ok()).unwrap_or_default() as u64
}

/// A busy machine may keep a healthy store from answering in time: then a node uses its safe share
/// beside what it was granted, and says so in its metrics. Otherwise the promise is exact.
async fn with_store(nodes: &mut [Node], part: f64) -> (Seen, f64) {
    let before = degraded(nodes).await;
    let seen = load(nodes).await;
    let cut = degraded(nodes).await > before;
    (seen, if cut { part.max(CUT_PART) } else { part })
}

async fn one_mode(mode: &str, part: f64) {
    let mut server = Server::start();
    let mut nodes = Vec::new();
    for n in 0..NODES {
        let name = format!("edge-{n}");
        let spec = spec(mode, server.port);
        nodes.push(Node::named(&name, &spec, Clock::system(), 1).await.unwrap());
    }
    until(&mut nodes, false).await;
    let check = |what: &str, Seen { admitted, longest, time }: Seen, from: f64, part: f64| {
        eprintln!("{mode}, {what}: {admitted} admitted, longest wait {longest:?}");
        assert!(longest < ANSWER_MAX, "{mode}, {what}: a request waited {longest:?}");
        assert!(admitted as f64 <= most(time, part), "{mode}, {what}: {admitted}");
        let least = LIMIT as f64 * time.as_secs_f64() * from;
        assert!(admitted as f64 >= least, "{mode}, {what}: only {admitted}");
    };
    let (seen, allowed) = with_store(&mut nodes, part).await;
    check("with redis", seen, 0.5, allowed);

    // It hangs: connections stay open and nothing comes back.
    server.signal("-STOP");
    check("when it hangs", load(&nodes).await, 0.1, part.max(0.02));
    until(&mut nodes, true).await;
    check("while it hangs", load(&nodes).await, 0.5, 0.02);
    server.signal("-CONT");
    until(&mut nodes, false).await;

    // It dies, and comes back without anything.
    let _ = server.child.kill();
    let _ = server.child.wait();
    until(&mut nodes, true).await;
    check("while it is dead", load_for(&nodes, DEAD).await, 0.5, 0.02);
    server.again();
    until(&mut nodes, false).await;
    let (seen, allowed) = with_store(&mut nodes, part).await;
    check("with redis again", seen, 0.5, allowed);
    for node in nodes {
        node.stop().await;
    }
}
