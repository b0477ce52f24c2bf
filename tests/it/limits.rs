//! Limits that two edges share, counted by the control plane's process over real connections; what is pushed
//! about them to running nodes; and what holds while that process is away.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Output,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::world::{PATIENCE, Process, free_address, get, kill, tidegate, try_request, wait_for};

/// A limit of 100 a second with a burst of 20, in every mode.
const LIMIT: f64 = 100.0;
const BURST: f64 = 20.0;
/// No request may take this long, whatever happens to the counts.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// What nodes that a busy machine cut off for a moment may admit beyond a limit that is exact.
const CUT_PART: f64 = 0.05;

const SPEC: &str = r#"
sites:
  - name: all
    hosts: ["*"]
    routes:
      - { match: /approx, action: { respond: { body: in } }, limits: [approx] }
      - { match: /lease, action: { respond: { body: in } }, limits: [lease] }
      - { match: /strict, action: { respond: { body: in } }, limits: [strict] }
      - { match: /open, action: { respond: { body: in } }, limits: [open] }
      - { match: /closed, action: { respond: { body: in } }, limits: [closed] }
      - { match: /then, action: { respond: { body: in } }, limits: [then] }
      - { match: /key, action: { respond: { body: in } }, limits: [key] }
limits:
  - { name: approx, key: [const], rate: 100/s, burst: 20, mode: approx, near_percent: 0 }
  - { name: lease, key: [const], rate: 100/s, burst: 20, mode: lease }
  - { name: strict, key: [const], rate: 100/s, burst: 20, mode: strict }
  - { name: open, key: [const], rate: 1/h, mode: strict, on_store_failure: { first: open } }
  - { name: closed, key: [const], rate: 1000/s, mode: strict, on_store_failure: { first: closed } }
  - { name: then, key: [const], rate: 1000/s, mode: strict, on_store_failure: { first: open, after: 2s, then: closed } }
  - { name: key, key: [api_key], rate: 1/h, mode: lease }
counters: { nodes: 2 }
"#;

/// A control plane and two edges, each a process.
struct Fleet {
    data: TempDir,
    control: SocketAddr,
    plane: Option<Process>,
    edges: Vec<Edge>,
}

struct Edge {
    listen: SocketAddr,
    admin: SocketAddr,
    _process: Process,
}

// === impl Fleet ===

impl Fleet {
    fn start() -> Self {
        let data = TempDir::new().unwrap();
        let mut fleet = Self { data, control: free_address(), plane: None, edges: Vec::new() };
        fleet.plane_starts();
        let spec = fleet.data.path().join("spec.yaml");
        std::fs::write(&spec, SPEC).unwrap();
        let applied = fleet.verb(&["config", "apply", "--no-wait", spec.to_str().unwrap()]);
        assert!(applied.status.success(), "{applied:?}");
        fleet.edges = ["a", "b"].map(|name| fleet.edge(name)).into();
        for edge in &fleet.edges {
            wait_for("the edge to be ready", || {
                try_request(edge.admin, "GET", "/ready", &[], "").filter(|it| it.status == 200)
            });
        }
        fleet.until_alone(false);
        fleet
    }

    fn plane_starts(&mut self) {
        let mut command = tidegate();
        command.args(["control-plane", "--listen", &self.control.to_string(), "--data"]);
        command.arg(self.data.path().join("plane"));
        self.plane = Some(Process::start(&mut command, &self.data.path().join("plane.log")));
        wait_for("the control plane", || try_request(self.control, "GET", "/healthz", &[], ""));
    }

    fn plane_dies(&mut self) {
        let mut plane = self.plane.take().unwrap();
        kill(plane.id());
        wait_for("its end", || (!plane.is_running()).then_some(()));
    }

    fn edge(&self, name: &str) -> Edge {
        let (listen, admin) = (free_address(), free_address());
        let mut command = tidegate();
        command.args(["edge", "--threads", "1", "--cache-memory", "16MiB", "--node", name]);
        command.args(["--listen", &listen.to_string(), "--admin", &admin.to_string()]);
        command.arg("--control-plane").arg(format!("http://{}", self.control));
        command.arg("--token-file").arg(self.data.path().join("plane/node.token"));
        command.arg("--data").arg(self.data.path().join(name));
        let log = self.data.path().join(format!("{name}.log"));
        Edge { listen, admin, _process: Process::start(&mut command, &log) }
    }

    fn verb(&self, words: &[&str]) -> Output {
        let mut command = tidegate();
        command.args(words).arg("--server").arg(format!("http://{}", self.control));
        command.arg("--token-file").arg(self.data.path().join("plane/root.token")).output().unwrap()
    }

    /// Waits until both nodes have the counts in reach, or neither.
    fn until_alone(&self, alone: bool) {
        for edge in &self.edges {
            wait_for("the nodes to notice", || {
                let figure = edge.metric("tidegate_limit_stores_alone ");
                ((figure > 0.0) == alone).then_some(())
            });
        }
    }

    /// Five times the limit for three seconds, over both edges.
    fn load(&self, target: &'static str) -> Seen {
        let before = self.degraded();
        let start = Instant::now();
        let ask = |edge: &Edge| {
            let addr = edge.listen;
            thread::spawn(move || admitted(addr, target, Duration::from_secs(3)))
        };
        let threads: Vec<_> = self.edges.iter().flat_map(|edge| [ask(edge), ask(edge)]).collect();
        let all: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        Seen {
            admitted: all.iter().map(|(admitted, _)| admitted).sum::<usize>() as f64,
            longest: all.iter().map(|(_, longest)| *longest).max().unwrap(),
            allowed: LIMIT * start.elapsed().as_secs_f64() + BURST,
            cut: self.degraded() > before,
        }
    }

    fn degraded(&self) -> f64 {
        self.edges.iter().map(|edge| edge.metric("tidegate_limit_degraded_total ")).sum()
    }
}

impl Edge {
    fn metric(&self, line: &str) -> f64 {
        let text = get(self.admin, "/metrics").text();
        let found = text.lines().find(|candidate| candidate.starts_with(line));
        found.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    fn status(&self, target: &str, key: &str) -> u16 {
        try_request(self.listen, "GET", target, &[("x-api-key", key)], "").unwrap().status
    }
}

/// What came of asking both edges for a while.
#[derive(Debug)]
struct Seen {
    admitted: f64,
    longest: Duration,
    allowed: f64,
    /// A node decided something alone meanwhile.
    cut: bool,
}

impl Seen {
    fn check(&self, what: &str, part: f64) {
        eprintln!("{what}: {self:?}");
        let part = if self.cut { part.max(CUT_PART) } else { part };
        assert!(self.longest < ANSWER_MAX, "{what}: a request waited: {self:?}");
        assert!(self.admitted <= self.allowed * (1.0 + part), "{what}: too many: {self:?}");
        assert!(self.admitted >= self.allowed * 0.4, "{what}: too few: {self:?}");
    }
}

/// Asks again and again on one connection; how often it was let in, and the longest wait.
fn admitted(addr: SocketAddr, target: &str, time: Duration) -> (usize, Duration) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let (began, mut admitted, mut longest) = (Instant::now(), 0, Duration::ZERO);
    let mut buffer = vec![0; 16 * 1024];
    while began.elapsed() < time {
        let asked = Instant::now();
        stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        // Every answer is small and comes in one piece.
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 12, "the connection closed");
        longest = longest.max(asked.elapsed());
        admitted += usize::from(buffer.starts_with(b"HTTP/1.1 200"));
        thread::sleep(Duration::from_millis(8));
    }
    (admitted, longest)
}

#[test]
fn two_edges_share_limits_that_the_control_plane_counts() {
    let mut fleet = Fleet::start();
    for (target, part) in [("/strict", 0.0), ("/lease", 0.0), ("/approx", 0.15)] {
        fleet.load(target).check(target, part);
    }
    // Its page says so too.
    let page = get(fleet.edges[0].admin, "/v1/limits").text();
    assert!(page.contains(r#""mode": "strict""#) && page.contains("denied_most"), "{page}");
    pushed_numbers_hold_on_running_nodes(&fleet);

    fleet.plane_dies();
    fleet.until_alone(true);
    for edge in &fleet.edges {
        for _ in 0..5 {
            assert_eq!(edge.status("/open", "x"), 200, "an open limit lets everybody in");
            assert_eq!(edge.status("/closed", "x"), 429, "a closed one nobody");
        }
        assert!(edge.metric("tidegate_limit_degraded_total ") > 0.0);
        wait_for("the second policy", || (edge.status("/then", "x") == 429).then_some(()));
    }
    // The others go by their part of the limit.
    for target in ["/strict", "/lease", "/approx"] {
        fleet.load(target).check(&format!("{target} alone"), 0.02);
    }
    fleet.plane_starts();
    fleet.until_alone(false);
    fleet.load("/strict").check("/strict again", 0.0);
    assert_eq!(fleet.edges[0].status("/closed", "x"), 200);
}

/// Numbers of single keys and switches of limits, pushed by the administrator's verbs.
fn pushed_numbers_hold_on_running_nodes(fleet: &Fleet) {
    let statuses = |key: &str| fleet.edges.iter().map(|edge| edge.status("/key", key)).max();
    let verb = |words: &[&str]| {
        let output = fleet.verb(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        Instant::now()
    };
    // One an hour for each key, on both nodes together.
    wait_for("the only token", || (statuses("vip") == Some(429)).then_some(()));
    let pushed = verb(&["limits", "set", "key", "vip", "--rate", "1000/s"]);
    wait_for("other numbers", || (statuses("vip") == Some(200)).then_some(()));
    eprintln!("pushed numbers hold after {:?}", pushed.elapsed());
    let pushed = verb(&["limits", "set", "key", "bad", "--block"]);
    let blocked = |edge: &Edge| edge.status("/key", "bad") == 429;
    wait_for("a block", || fleet.edges.iter().all(blocked).then_some(()));
    eprintln!("a block holds after {:?}", pushed.elapsed());
    verb(&["limits", "switch", "key", "shadow"]);
    // One of the nodes may still have let the only token pass: in shadow nobody is denied, again and again.
    let passes = || (0..3).all(|_| statuses("other") == Some(200));
    wait_for("shadow", || passes().then_some(()));
    verb(&["limits", "switch", "key", "spec"]);
    wait_for("the spec's word", || (statuses("other") == Some(429)).then_some(()));
    verb(&["limits", "unset", "key", "vip"]);
    wait_for("the spec's numbers", || (statuses("vip") == Some(429)).then_some(()));
    let shown = tidegate()
        .args(["limits", "--admin", &format!("http://{}", fleet.edges[0].admin)])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("shadow_denied") && shown.contains("keys denied most"), "{shown}");
}
