//! Two servers on one PostgreSQL.

use std::path::Path;

use bytes::Bytes;
use tidegate_control_client::api::{Purge, PurgeTarget, Role, TableOp};
use tidegate_control_client::{Apply, Client, SubscriberConfig};
use tidegate_control_server::{Server, ServerConfig, StaticToken};
use tidegate_limit::global::{Batch, Entry, Reply, Terms};
use tidegate_sql::testing::postgres;

use crate::world::{Edge, eventually, respond};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_one_reaches_the_nodes_of_the_other() {
    static NOTHING: tidegate_sql::Options = tidegate_sql::Options::new("unused", &[]);
    let Some(database) = postgres(&NOTHING).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let token = |name: &str, role| StaticToken {
        name: name.into(),
        role,
        secret: format!("tg_{name}_0123456789"),
    };
    let tokens =
        [token("ann", Role::Admin), token("edge", Role::Node), token("links", Role::Service)];
    let config = |name: &str| ServerConfig {
        db: Some(database.address.clone()),
        tokens: tokens.to_vec(),
        seal_file: Some(folder.path().join("seal.key")),
        ..ServerConfig::new("127.0.0.1:0".parse().unwrap(), folder.path().join(name))
    };
    let (one, two) =
        (Server::start(config("a")).await.unwrap(), Server::start(config("b")).await.unwrap());
    let admin = Client::new(&one.url(), &tokens[0].secret).unwrap();
    let settings = SubscriberConfig {
        tables: vec!["links".into()],
        ..SubscriberConfig::new(&two.url(), &tokens[1].secret, "e1", folder.path().join("e1"))
    };
    let edge = Edge::start(settings).await;
    admin.spec_apply(&respond("one"), Path::new("."), &Apply::default()).await.unwrap();
    edge.until_revision(1).await;
    let links = Client::new(&one.url(), &tokens[2].secret).unwrap();
    links.table_append("links", vec![TableOp::put("d/1")]).await.unwrap();
    eventually("operation", async || (edge.keys() == ["d/1"]).then_some(())).await;
    eventually("live", async || {
        let list = admin.nodes_list().await.unwrap();
        list.nodes.iter().any(|node| node.live).then_some(())
    })
    .await;
    let report = admin.purge(&Purge::new(vec![PurgeTarget::All(true)])).await.unwrap();
    assert_eq!((report.done, report.acknowledged.len()), (true, 1), "{report:?}");
    one.shutdown().await;
    let other = Client::new(&two.url(), &tokens[0].secret).unwrap();
    other.spec_apply(&respond("two"), Path::new("."), &Apply::default()).await.unwrap();
    edge.until_revision(2).await;
    assert_eq!(other.audit(0, true).await.unwrap().verified, Some(true));
    two.shutdown().await;
}

const TERMS: Terms = Terms { emission_ns: 720_000_000_000, burst: 5, left_ms: 0, near: 0 };

/// Asks for tokens of one bucket of five an hour; none while nobody keeps the counts.
async fn granted(client: &Client, seq: u64, must: u32) -> Option<u32> {
    let entry = Entry { key: 42, terms: TERMS, must, ..Entry::default() };
    let batch = Batch { node: 7, seq, entries: vec![entry] };
    let bytes = client.counters_exchange(Bytes::from(batch.encode())).await.ok()?;
    Some(Reply::decode(&bytes).unwrap().answers[0].granted)
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_have_one_owner_and_another_takes_over() {
    static NOTHING: tidegate_sql::Options = tidegate_sql::Options::new("unused", &[]);
    let Some(database) = postgres(&NOTHING).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let token =
        StaticToken { name: "edge".into(), role: Role::Node, secret: "tg_edge_012345678".into() };
    let config = |name: &str| ServerConfig {
        db: Some(database.address.clone()),
        tokens: vec![token.clone()],
        seal_file: Some(folder.path().join("seal.key")),
        ..ServerConfig::new("127.0.0.1:0".parse().unwrap(), folder.path().join(name))
    };
    let one = Server::start(config("a")).await.unwrap();
    let first = Client::new(&one.url(), &token.secret).unwrap();
    eventually("an owner", async || granted(&first, 1, 0).await).await;
    // Buckets of a new owner begin with a second less in them.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let two = Server::start(config("b")).await.unwrap();
    let second = Client::new(&two.url(), &token.secret).unwrap();
    eventually("what is passed on", async || granted(&second, 2, 0).await).await;
    // Both count in one bucket, whichever of them is asked.
    assert_eq!(granted(&first, 3, 2).await, Some(2));
    assert_eq!(granted(&second, 4, 2).await, Some(2));
    assert_eq!(granted(&first, 5, 2).await, Some(1), "one was left");
    // The next owner knows that all are used.
    one.shutdown().await;
    let left = eventually("another owner", async || granted(&second, 6, 1).await).await;
    assert_eq!(left, 0);
    two.shutdown().await;
}
