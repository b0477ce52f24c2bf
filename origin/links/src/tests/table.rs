use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use http::Method;
use serde_json::json;
use tidegate_route::links::Filter;

use super::{code_of, links_with, shorten};
use crate::announce::{Announce, AnnounceError, Change, Op, Position};

/// A log in memory that can be switched off.
#[derive(Default)]
struct Log {
    ops: Mutex<Vec<Op>>,
    bases: Mutex<Vec<(Vec<u8>, u64)>>,
    down: AtomicBool,
}

impl Log {
    fn check(&self) -> Result<(), AnnounceError> {
        if self.down.load(Ordering::SeqCst) { Err(AnnounceError("down".into())) } else { Ok(()) }
    }

    fn ops(&self) -> Vec<(Change, String)> {
        self.ops.lock().unwrap().iter().map(|op| (op.change, op.code.clone())).collect()
    }

    async fn first_base(&self) -> (Filter, u64) {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some((bytes, seq)) = self.bases.lock().unwrap().first() {
                return (Filter::from_bytes(bytes).unwrap(), *seq);
            }
            assert!(Instant::now() < until, "no base was made");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Announce for Log {
    fn append<'a>(&'a self, ops: &'a [Op]) -> BoxFuture<'a, Result<(), AnnounceError>> {
        Box::pin(async move {
            self.check()?;
            self.ops.lock().unwrap().extend_from_slice(ops);
            Ok(())
        })
    }

    fn position(&self) -> BoxFuture<'_, Result<Position, AnnounceError>> {
        Box::pin(async move {
            self.check()?;
            let generation = self.bases.lock().unwrap().len() as u64;
            Ok(Position { generation, seq: self.ops.lock().unwrap().len() as u64 })
        })
    }

    fn base(&self, bytes: Vec<u8>, seq: u64) -> BoxFuture<'_, Result<(), AnnounceError>> {
        Box::pin(async move {
            self.check()?;
            self.bases.lock().unwrap().push((bytes, seq));
            Ok(())
        })
    }
}

fn settings() -> serde_json::Value {
    json!({ "short_base": "https://go.example" })
}

#[tokio::test]
async fn a_creation_is_acknowledged_after_it_is_on_the_log() {
    let log = Arc::new(Log::default());
    let (_world, client) = links_with(settings(), Some(log.clone())).await;
    // What was changed lately is announced again at the start; after the first base that is over.
    log.first_base().await;
    let code = code_of(&client, "https://example.com/").await;
    assert_eq!(log.ops(), [(Change::Put, code.clone())]);
    let path = format!("/v1/links/{code}");
    client.json(Method::PATCH, &path, &json!({ "url": "https://example.org/" }), &[]).await;
    client.json(Method::DELETE, &path, &json!({}), &[]).await;
    let changes: Vec<_> = log.ops().into_iter().map(|(change, _)| change).collect();
    assert_eq!(changes, [Change::Put, Change::Change, Change::Delete]);
}

#[tokio::test]
async fn without_the_log_a_creation_is_accepted_and_told_later() {
    let log = Arc::new(Log::default());
    let (_world, client) = links_with(settings(), Some(log.clone())).await;
    log.down.store(true, Ordering::SeqCst);
    let made = shorten(&client, json!({ "url": "https://example.com/", "alias": "later" })).await;
    assert_eq!(made.status, 202);
    assert_eq!(client.get("/later").await.status, 302, "the authority itself knows it");
    log.down.store(false, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(20);
    while log.ops().is_empty() {
        assert!(Instant::now() < until, "never announced");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(log.ops(), [(Change::Put, "later".to_owned())]);
}

#[tokio::test]
async fn the_base_holds_every_code_but_the_deleted() {
    let (world, client) = links_with(settings(), None).await;
    let mut codes = Vec::new();
    for n in 0..30 {
        codes.push(code_of(&client, &format!("https://example.com/{n}")).await);
    }
    let deleted = codes.pop().unwrap();
    client.json(Method::DELETE, &format!("/v1/links/{deleted}"), &json!({}), &[]).await;

    let log = Arc::new(Log::default());
    let dyn_log: Arc<dyn Announce> = log.clone();
    let _client = world.client(crate::service(&world.cx, Some(dyn_log)).await.unwrap());
    let (filter, seq) = log.first_base().await;
    assert_eq!((filter.generation(), filter.seq(), filter.codes()), (1, seq, 29));
    assert!(codes.iter().all(|code| filter.may_have("default", code)));
    // What a process that ended in between may not have announced is announced again.
    assert_eq!(log.ops().len(), 30);
}
