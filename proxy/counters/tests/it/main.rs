//! Counts in a Redis Cluster of real servers: keys over all slots, and a slot that moves.
//!
//! Runs where `TIDEGATE_TEST_REDIS` is set: that says that `redis-server` and `redis-cli` are installed. The
//! servers used here are others, on free ports.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::{
    collections::HashMap,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tidegate_counters::Redis;
use tidegate_limit::global::{Batch, Entry, Terms};

const PATIENCE: Duration = Duration::from_secs(60);
const SLOTS: u16 = 16_384;
const MASTERS: usize = 3;
/// Five, and one an hour.
const TERMS: Terms = Terms { emission_ns: 3_600_000_000_000, burst: 5, left_ms: 0, near: 0 };

/// Three masters that share the slots.
struct Cluster {
    servers: Vec<Server>,
    _folder: TempDir,
}

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(folder: &TempDir) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, bus) = (free(), free());
        let home = folder.path().join(port.to_string());
        std::fs::create_dir(&home).unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--cluster-port", &bus.to_string()]);
        command.args(["--bind", "127.0.0.1", "--save", "", "--cluster-enabled", "yes"]);
        command.args(["--cluster-node-timeout", "1500"]).current_dir(home).stdout(Stdio::null());
        Self { child: command.spawn().unwrap(), port }
    }

    fn say(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        let output = command.args(["-p", &self.port.to_string()]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn id(&self) -> String {
        self.say(&["CLUSTER", "MYID"])
    }
}

fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let began = Instant::now();
    while !ready() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Cluster {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let servers: Vec<Server> = (0..MASTERS).map(|_| Server::start(&folder)).collect();
        for server in &servers {
            until("a server", || server.say(&["PING"]) == "PONG");
        }
        let cluster = Self { servers, _folder: folder };
        cluster.join();
        cluster
    }

    fn join(&self) {
        let part = SLOTS / MASTERS as u16;
        for (number, server) in (0..).zip(&self.servers[..MASTERS]) {
            let last = if number + 1 == MASTERS as u16 { SLOTS } else { part * (number + 1) } - 1;
            let range = [(part * number).to_string(), last.to_string()];
            assert_eq!(server.say(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]]), "OK");
            server.say(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
        }
        let first = &self.servers[0];
        for other in &self.servers[1..] {
            let info = other.say(&["CLUSTER", "NODES"]);
            // `id 127.0.0.1:port@bus ...`; before a meeting a server does not know its own address.
            let bus = info.split('@').nth(1).unwrap().split([' ', ',']).next().unwrap().to_owned();
            let port = other.port.to_string();
            assert_eq!(first.say(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]), "OK");
        }
        let knows_all =
            |server: &Server| server.say(&["CLUSTER", "INFO"]).contains("cluster_known_nodes:3");
        until("a meeting", || self.servers.iter().all(knows_all));
        until("a cluster", || {
            let well =
                |server: &Server| server.say(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
            self.servers.iter().all(well)
        });
    }

    fn urls(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("redis://127.0.0.1:{}", server.port)).collect()
    }

    fn owner_of(&self, slot: &str) -> usize {
        let nodes = self.servers[1].say(&["CLUSTER", "SHARDS"]);
        assert!(!nodes.is_empty());
        let slot: u16 = slot.parse().unwrap();
        usize::from(slot / (SLOTS / MASTERS as u16)).min(MASTERS - 1)
    }
}

struct Nodes {
    redis: Redis,
    seq: u64,
    /// Tokens granted so far, by key.
    granted: HashMap<u64, u32>,
}

impl Nodes {
    /// One token for each key; false while the cluster is out of reach.
    async fn ask(&mut self, keys: impl Iterator<Item = u64>) -> bool {
        self.seq += 1;
        let entry = |key| Entry { key, terms: TERMS, must: 1, ..Entry::default() };
        let batch = Batch { node: 7, seq: self.seq, entries: keys.map(entry).collect() };
        let Ok(reply) = self.redis.exchange(&batch).await else { return false };
        assert_eq!(reply.answers.len(), batch.entries.len());
        for answer in reply.answers {
            *self.granted.entry(answer.key).or_default() += answer.granted;
        }
        true
    }
}

#[test]
fn a_cluster_counts_while_slots_move() {
    if std::env::var_os("TIDEGATE_TEST_REDIS").is_none() {
        assert!(std::env::var_os("CI").is_none(), "TIDEGATE_TEST_REDIS must be set in CI");
        eprintln!("skipped: TIDEGATE_TEST_REDIS is not set");
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(conversation());
}

async fn conversation() {
    let cluster = Cluster::start();
    let redis = Redis::open(&cluster.urls(), true, None).unwrap();
    let mut nodes = Nodes { redis, seq: 0, granted: HashMap::new() };
    let keys = || (1..=300_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for _ in 0..2 {
        assert!(nodes.ask(keys()).await);
    }
    assert!(nodes.granted.values().all(|granted| *granted == 2), "keys in all slots");

    // A slot on its way to another server: the old one answers ASK for what has left, then MOVED.
    let key = keys().next().unwrap();
    let name = format!("tidegate:limits:{{{key:016x}}}");
    let slot = cluster.servers[0].say(&["CLUSTER", "KEYSLOT", &name]);
    let from = cluster.owner_of(&slot);
    let to = (from + 1) % MASTERS;
    let (old, new) = (&cluster.servers[from], &cluster.servers[to]);
    assert_eq!(new.say(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &old.id()]), "OK");
    assert_eq!(old.say(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &new.id()]), "OK");
    assert!(nodes.ask([key].into_iter()).await, "before it leaves");
    let port = new.port.to_string();
    assert_eq!(old.say(&["MIGRATE", "127.0.0.1", &port, &name, "0", "1000"]), "OK");
    assert!(nodes.ask([key].into_iter()).await, "ASK");
    for server in [new, old] {
        assert_eq!(server.say(&["CLUSTER", "SETSLOT", &slot, "NODE", &new.id()]), "OK");
    }
    assert!(nodes.ask([key].into_iter()).await, "MOVED");
    assert_eq!(nodes.granted[&key], 5, "its count went with it");
    assert!(nodes.ask([key].into_iter()).await);
    assert_eq!(nodes.granted[&key], 5);

    for _ in 0..4 {
        assert!(nodes.ask(keys()).await);
    }
    assert!(nodes.granted.values().all(|granted| *granted == 5));
    let other = (1..=300_u64).map(|n| n.wrapping_mul(0xd6e8_feb8_6659_fd93));
    assert!(nodes.ask(other.clone()).await, "new keys, in all slots");
    assert!(other.into_iter().all(|key| nodes.granted[&key] == 1));
}
