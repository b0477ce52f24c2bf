//! Limits that are counted for all: by nodes, by Envoys over gRPC, and across a restart.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::rt::TokioExecutor;
use tidegate_control_client::Client;
use tidegate_control_client::api::{Role, paths};
use tidegate_limit::global::{Batch, Entry, Reply, Terms};

use crate::world::World;

const SPEC: &str = "
limits:
  - { name: per-key, key: [api_key], rate: 3/h, mode: lease }
sites:
  - name: api
    hosts: ['*']
    routes: [{ match: /*, action: { respond: { body: x } }, limits: [per-key] }]
";

/// A batch that waits for tokens of a bucket of five an hour.
fn batch(seq: u64, must: u32) -> Batch {
    let terms = Terms { emission_ns: 720_000_000_000, burst: 5, left_ms: 0, near: 0 };
    Batch { node: 7, seq, entries: vec![Entry { key: 42, terms, must, ..Entry::default() }] }
}

async fn granted(client: &Client, batch: &Batch) -> u32 {
    let bytes = client.counters_exchange(Bytes::from(batch.encode())).await.unwrap();
    Reply::decode(&bytes).unwrap().answers[0].granted
}

#[tokio::test]
async fn what_takes_long_to_come_back_survives_a_restart() {
    let mut world = World::start().await;
    // Buckets of a new owner begin with a second less in them.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let client = Client::new(&world.url(), &world.token(Role::Node)).unwrap();
    assert_eq!(granted(&client, &batch(1, 3)).await, 3);
    assert_eq!(granted(&client, &batch(1, 3)).await, 3, "the same batch again is no new one");
    assert_eq!(granted(&client, &batch(2, 1)).await, 1);
    world.stop().await;
    world.again().await;
    let client = Client::new(&world.url(), &world.token(Role::Node)).unwrap();
    assert_eq!(granted(&client, &batch(3, 5)).await, 1, "four of five are used");
    let page = page_of(&world, paths::LIMITS).await;
    assert!(page.contains("\"keys\":1"), "{page}");
}

async fn page_of(world: &World, path: &str) -> String {
    let http = Pooled::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = http::Request::get(format!("{}{path}", world.url()))
        .header("authorization", format!("Bearer {}", world.token(Role::Admin)));
    let answer = http.request(request.body(Full::default()).unwrap()).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// `RateLimitRequest` of one descriptor, as Envoy sends it: domain, then the descriptor's entries.
fn should_rate_limit(domain: &str, entries: &[(&str, &str)], hits: u8) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| [&[tag << 3 | 2, bytes.len() as u8][..], bytes].concat();
    let entry = |(key, value): &(&str, &str)| {
        field(1, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat())
    };
    let descriptor: Vec<u8> = entries.iter().flat_map(entry).collect();
    let message = [field(1, domain.as_bytes()), field(2, &descriptor), vec![3 << 3, hits]].concat();
    let length = (message.len() as u32).to_be_bytes();
    [&[0][..], &length, &message].concat()
}

/// The overall code that comes back: 1 for OK, 2 for over the limit.
async fn code(world: &World, message: Vec<u8>, token: &str) -> (u16, Option<u8>, String) {
    let http = Pooled::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let request = http::Request::post(format!("{}{}", world.url(), paths::RLS))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {token}"))
        .body(Full::from(message))
        .unwrap();
    let answer = http.request(request).await.unwrap();
    let status = answer.status().as_u16();
    let head = answer.headers().clone();
    let body = answer.into_body().collect().await.unwrap();
    let named = |fields: &http::HeaderMap| {
        fields.get("grpc-status").map(|value| value.to_str().unwrap().to_owned())
    };
    let grpc = body.trailers().and_then(named).or_else(|| named(&head)).unwrap_or_default();
    let bytes = body.to_bytes();
    (status, bytes.get(6).copied(), grpc)
}

#[tokio::test]
async fn envoys_count_with_the_same_counters() {
    let world = World::start().await;
    world.apply(SPEC).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let token = world.token(Role::Service);
    for domain in ["per-key", "api", "per-key"] {
        let message = should_rate_limit(domain, &[("api_key", "k1")], 1);
        assert_eq!(code(&world, message, &token).await, (200, Some(1), "0".to_owned()));
    }
    let message = should_rate_limit("api", &[("api_key", "k1")], 1);
    assert_eq!(code(&world, message, &token).await, (200, Some(2), "0".to_owned()));
    let other = should_rate_limit("api", &[("api_key", "k2")], 2);
    assert_eq!(code(&world, other, &token).await.1, Some(1));
    let unknown = should_rate_limit("api", &[("generic_key", "x")], 1);
    assert_eq!(code(&world, unknown, &token).await.1, Some(1), "no limit has such a key");
    let (_, _, grpc) = code(&world, b"\0\0\0\0\x02\xff\xff".to_vec(), &token).await;
    assert_eq!(grpc, "3", "no such message");
    let (_, _, grpc) = code(&world, b"\x01\0\0\0\x02\x1f\x8b".to_vec(), &token).await;
    assert_eq!(grpc, "12", "a compressed one");
    let message = should_rate_limit("api", &[("api_key", "k1")], 1);
    assert_eq!(code(&world, message, "wrong").await.0, 401);
}
