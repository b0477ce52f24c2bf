//! A client that floods: observed, in shadow, tightened, released; the others go on as before.

use std::time::{Duration, Instant};

use serde_json::Value;
use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge, VirtualClock};

use crate::node::Node;

const SPEC: &str = r#"
sites:
  - name: shop
    hosts: ["*"]
    routes:
      - { name: all, match: "/*", action: { respond: { body: in } }, limits: [per-key] }
limits:
  - name: per-key
    key: [api_key]
    rate: 1000/s
    anomaly:
      action: tighten
      rate_min_percent: 1
      shadow_for: 10s
      tighten_for: 40s
      calm_for: 6s
      warm_up: 40s
      exempt: [monitor]
"#;
const BUCKET: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);

/// A node whose clock moves from bucket to bucket.
struct World {
    node: Node,
    clock: VirtualClock,
    client: Client,
    statuses: Vec<u16>,
}

impl World {
    async fn new(spec: &str) -> Self {
        let clock = VirtualClock::new();
        let node = Node::with_threads(spec, Clock::Virtual(clock.shared()), 1).await.unwrap();
        let client = Client::connect(node.addr()).await;
        let mut world = Self { node, clock, client, statuses: Vec::new() };
        // The workers count from the first bucket on in which somebody looked.
        world.look().await;
        world
    }

    fn page(&self) -> Value {
        self.node.handle().edge().anomalies("")
    }

    /// Ends the bucket, and waits until it was looked at.
    async fn look(&mut self) {
        let before = self.node.handle().edge().watched_buckets();
        self.clock.advance(BUCKET);
        let began = Instant::now();
        while self.node.handle().edge().watched_buckets() == before {
            assert!(began.elapsed() < PATIENCE, "nobody looks");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Sends so many requests of a key at once, and counts those that pass.
    async fn ask(&mut self, key: &str, count: usize) -> usize {
        let one = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\n\r\n");
        self.client.send(one.repeat(count)).await;
        let mut passed = 0;
        for _ in 0..count {
            let status = self.client.response().await.unwrap().status();
            self.statuses.push(status);
            passed += usize::from(status == 200);
        }
        passed
    }

    /// A bucket in which five clients do as usual and one sends `flood` requests, of which so many pass.
    async fn bucket(&mut self, key: &str, flood: usize) -> usize {
        for n in 0..5 {
            assert_eq!(self.ask(&format!("client-{n}"), 6 + n).await, 6 + n, "others go on");
        }
        let passed = self.ask(key, flood).await;
        self.look().await;
        passed
    }

    fn state(&self) -> Option<String> {
        Some(self.page()["clients"].get(0)?["state"].as_str()?.to_owned())
    }

    async fn warm() -> Self {
        let mut world = Self::new(SPEC).await;
        for _ in 0..22 {
            world.bucket("flood", 0).await;
        }
        assert_eq!(world.page()["limits"][0]["warm"], true, "{}", world.page());
        world
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn a_flood_is_shadowed_tightened_and_released() {
    run(async {
        let mut world = World::warm().await;
        assert_eq!(world.state(), None);
        let mut seen = Vec::new();
        for bucket in 0..14 {
            let passed = world.bucket("flood", 400).await;
            let page = world.page();
            let line = &page["clients"][0];
            let state = world.state().unwrap_or_default();
            if seen.last() != Some(&state) {
                seen.push(state.clone());
            }
            match state.as_str() {
                "tightened" if line["denied"].as_u64() > Some(0) => {
                    assert!(passed < 100, "bucket {bucket}: {passed} passed, {line}");
                    assert!(line["would_deny"].as_u64() > Some(0), "{line}");
                }
                _ => assert_eq!(passed, 400, "bucket {bucket}: in shadow nothing is denied"),
            }
        }
        assert_eq!(seen, ["observed", "shadow", "tightened"]);
        let page = world.page();
        assert_eq!(page["clients"][0]["signal"], "rate", "{page}");
        assert_eq!(page["clients"][0]["key"].as_str().unwrap().len(), 16, "a hash, no key");
        assert!(!page.to_string().contains("flood"), "{page}");
        let one = world.node.handle().edge().anomalies("limit=per-key&value=flood");
        assert_eq!(one["clients"][0], page["clients"][0], "who has the key finds its line");
        let other = world.node.handle().edge().anomalies("limit=per-key&value=client-1");
        assert_eq!(other["clients"].as_array().unwrap().len(), 0);
        for _ in 0..12 {
            world.bucket("flood", 2).await;
        }
        assert_eq!(world.state(), None, "released: {}", world.page());
        assert_eq!(world.ask("flood", 100).await, 100, "and free");
        world.node.stop().await;
    });
}

#[test]
fn it_ends_by_itself_and_begins_in_shadow_again() {
    run(async {
        let mut world = World::warm().await;
        let mut states = Vec::new();
        for _ in 0..36 {
            world.bucket("flood", 400).await;
            let state = world.state().unwrap_or_default();
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
        let expected = ["observed", "shadow", "tightened", "", "observed", "shadow"];
        assert_eq!(states.get(..6).unwrap_or(&states), expected);
        world.node.stop().await;
    });
}

#[test]
fn exempt_keys_and_the_switch() {
    run(async {
        let mut world = World::warm().await;
        for _ in 0..6 {
            assert_eq!(world.bucket("monitor", 400).await, 400);
        }
        assert_eq!(world.state(), None, "{}", world.page());
        for _ in 0..12 {
            world.bucket("flood", 400).await;
        }
        assert!(world.ask("flood", 400).await < 100);
        let off = tidegate_control_client::api::TableOp {
            value: Some(serde_json::json!({ "tighten": false })),
            ..tidegate_control_client::api::TableOp::put("switch/per-key")
        };
        world.node.handle().edge().push_limits(false, &[off]).unwrap();
        assert_eq!(world.ask("flood", 400).await, 400, "the switch holds at once");
        world.node.stop().await;
    });
}

#[test]
fn what_the_fleet_has_found_holds_here() {
    run(async {
        let mut world = World::warm().await;
        let found = |world: &mut World, state: &str, rate: f64| {
            let edge = world.node.handle().edge();
            let key = edge.anomaly_key("per-key", "spread").unwrap();
            let until = world.clock.now_us() + 20_000_000;
            let value = serde_json::json!({ "state": state, "rate": rate, "until": until });
            let op = tidegate_control_client::api::TableOp {
                value: Some(value),
                ..tidegate_control_client::api::TableOp::put(format!("tight/per-key/{key}"))
            };
            edge.push_limits(false, &[op]).unwrap();
        };
        found(&mut world, "tightened", 1.0);
        world.look().await;
        assert!(world.ask("spread", 50).await < 5);
        assert_eq!(world.page()["clients"][0]["found_by"], "fleet", "{}", world.page());
        for _ in 0..11 {
            world.look().await;
        }
        assert_eq!(world.ask("spread", 50).await, 50, "its time is up");
        world.node.stop().await;
    });
}
