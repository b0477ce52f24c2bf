//! Limits: what is pushed about them beside the spec, and what verified tokens say to them.

use serde_json::json;
use tidegate_control_client::api::{Op, TableOp};
use tidegate_edge::Clock;
use tidegate_sign::{Algorithm, Claims, Key, Keyset, KeysetOptions, Scope, mint};
use tidegate_testkit::{Client, Edge};

use crate::node::Node;

const SPEC: &str = r#"
sites:
  - name: all
    hosts: ["*"]
    routes:
      - { match: /key, action: { respond: { body: in } }, limits: [key] }
      - { match: "/media/*", action: { respond: { body: in } }, verify: media, limits: [session] }
limits:
  - { name: key, key: [api_key], rate: 1/h }
  - { name: session, key: ["claim:session"], rate: 1/h, missing: skip }
keysets:
  - name: media
    keys: [{ id: k1, algorithm: hmac-sha256, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY }]
"#;

fn put(key: &str, value: serde_json::Value) -> TableOp {
    TableOp { op: Op::Put, key: key.to_owned(), value: Some(value) }
}

async fn status(client: &mut Client, target: &str, api_key: &str) -> u16 {
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {api_key}\r\n\r\n");
    client.send(&head).await;
    client.response().await.unwrap().status()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

#[test]
fn what_is_pushed_holds_at_once() {
    runtime().block_on(async {
        let node = Node::with_threads(SPEC, Clock::system(), 1).await.unwrap();
        let edge = node.handle().edge().clone();
        let mut client = Client::connect(node.addr()).await;
        assert_eq!(status(&mut client, "/key", "a").await, 200);
        assert_eq!(status(&mut client, "/key", "a").await, 429);

        let ops = [
            put("key/key/a", json!({ "rate": "5/h" })),
            put("key/key/bad", json!({ "block": true })),
            put("key/key/good", json!({ "free": true })),
            put("key/none/x", json!({ "block": true })),
        ];
        edge.push_limits(false, &ops).unwrap();
        assert_eq!(status(&mut client, "/key", "a").await, 200, "five in place of one");
        assert_eq!(status(&mut client, "/key", "bad").await, 429);
        for _ in 0..3 {
            assert_eq!(status(&mut client, "/key", "good").await, 200);
        }

        edge.push_limits(false, &[put("switch/key", json!({ "enforce_percent": 0 }))]).unwrap();
        assert_eq!(status(&mut client, "/key", "b").await, 200);
        assert_eq!(status(&mut client, "/key", "b").await, 200, "in shadow");
        edge.push_limits(false, &[TableOp::delete("switch/key")]).unwrap();
        assert_eq!(status(&mut client, "/key", "b").await, 429);
        edge.push_limits(true, &[]).unwrap();
        assert_eq!(status(&mut client, "/key", "bad").await, 200, "all of it is forgotten");
        node.stop().await;
    });
}

#[test]
fn keys_that_nobody_gave_out_share_a_bucket() {
    runtime().block_on(async {
        let node = Node::with_threads(SPEC, Clock::system(), 1).await.unwrap();
        let edge = node.handle().edge().clone();
        let given = tidegate_spec::canonical::sha256_hex(b"given");
        edge.push_limits(false, &[TableOp::put(format!("known/key/{given}"))]).unwrap();
        let mut client = Client::connect(node.addr()).await;
        assert_eq!(status(&mut client, "/key", "made-up-1").await, 200);
        assert_eq!(status(&mut client, "/key", "made-up-2").await, 429);
        assert_eq!(status(&mut client, "/key", "given").await, 200);
        node.stop().await;
    });
}

#[test]
fn a_claim_of_a_verified_token_is_a_key() {
    runtime().block_on(async {
        let node = Node::with_threads(SPEC, Clock::system(), 1).await.unwrap();
        let key = Key::new("k1", Algorithm::HmacSha256, b"0123456789abcdef0123456789abcdef");
        let keyset = Keyset::new(KeysetOptions {
            name: "media".to_owned(),
            keys: vec![key.unwrap()],
            formats: vec![],
            skew_s: 0,
        });
        let keyset = keyset.unwrap();
        let target = |session: &str, file: &str| {
            let scope = Scope::Prefix("/media".to_owned());
            let session = Some(session.to_owned());
            let claims = Claims { session, ..Claims::new(scope, 4_000_000_000) };
            format!("/media/{file}?tg={}", mint(&keyset, &claims).unwrap())
        };
        let mut client = Client::connect(node.addr()).await;
        assert_eq!(status(&mut client, &target("s1", "a"), "x").await, 200);
        assert_eq!(status(&mut client, &target("s1", "b"), "y").await, 429);
        assert_eq!(status(&mut client, &target("s2", "a"), "x").await, 200);
        node.stop().await;
    });
}
