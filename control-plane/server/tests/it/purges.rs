use std::sync::atomic::Ordering;

use tidegate_control_client::api::{Purge, PurgeTarget};

use crate::world::{World, eventually, respond};

fn tag(name: &str) -> Purge {
    Purge::new(vec![PurgeTarget::Tag(name.into())])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_is_done_when_every_live_edge_has_carried_it_out() {
    let world = World::start().await;
    world.apply(&respond("one")).await;
    let (one, two) = (world.edge("e1").await, world.edge("e2").await);
    world.until_node("e1", |node| node.live).await;
    world.until_node("e2", |node| node.live).await;
    let report = world.admin().purge(&tag("a")).await.unwrap();
    assert!(report.done, "{report:?}");
    assert_eq!(report.acknowledged, ["e1", "e2"]);
    assert_eq!(one.seen.purges.lock().unwrap()[0].targets, [PurgeTarget::Tag("a".into())]);
    assert_eq!(two.seen.purges.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_says_who_has_not_and_who_is_away() {
    let world = World::start().await;
    let (one, two, three) =
        (world.edge("e1").await, world.edge("e2").await, world.edge("e3").await);
    for name in ["e1", "e2", "e3"] {
        world.until_node(name, |node| node.live).await;
    }
    three.subscription.shutdown().await;
    world.until_node("e3", |node| !node.live).await;
    two.seen.purges_hang.store(true, Ordering::SeqCst);
    let admin = world.admin();
    let report = admin.purge(&Purge { wait_ms: 300, ..tag("a") }).await.unwrap();
    assert!(!report.done);
    assert_eq!(report.missing, ["e2"]);
    assert_eq!(report.away, ["e3"]);
    two.seen.purges_hang.store(false, Ordering::SeqCst);
    eventually("done", async || admin.purge_get(report.seq).await.ok().filter(|r| r.done)).await;
    assert_eq!(one.seen.purges.lock().unwrap().len(), 1);
    assert_eq!(admin.purge_get(99).await.unwrap_err().status(), Some(404));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_cut_off_carries_out_what_it_missed_in_order() {
    let mut world = World::start().await;
    let edge = world.edge("e1").await;
    world.until_node("e1", |node| node.live).await;
    world.admin().purge(&tag("a")).await.unwrap();
    world.stop().await;
    world.again().await;
    let admin = world.admin();
    for name in ["b", "c"] {
        admin.purge(&Purge { wait_ms: 0, ..tag(name) }).await.unwrap();
    }
    eventually("three", async || (edge.seen.purges.lock().unwrap().len() == 3).then_some(())).await;
    let seqs: Vec<u64> = edge.seen.purges.lock().unwrap().iter().map(|p| p.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_switched_off_carries_out_what_it_missed() {
    let world = World::start().await;
    let edge = world.edge("e1").await;
    world.until_node("e1", |node| node.live).await;
    world.admin().purge(&tag("a")).await.unwrap();
    edge.subscription.shutdown().await;
    world.until_node("e1", |node| !node.live).await;
    let report = world.admin().purge(&tag("b")).await.unwrap();
    assert_eq!((report.done, report.away), (true, vec!["e1".to_owned()]));
    let edge = world.edge("e1").await;
    eventually("b", async || (edge.seen.purges.lock().unwrap().len() == 1).then_some(())).await;
    assert_eq!(edge.seen.purges.lock().unwrap()[0].targets, [PurgeTarget::Tag("b".into())]);
    eventually("purged", async || edge.subscription.status().purged.then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_knows_another_database_starts_counting_with_the_new_one() {
    let mut world = World::start().await;
    let edge = world.edge("e1").await;
    world.until_node("e1", |node| node.live).await;
    for name in ["a", "b", "c"] {
        world.admin().purge(&tag(name)).await.unwrap();
    }
    world.stop().await;
    for file in ["control.db", "control.db-wal", "control.db-shm"] {
        std::fs::remove_file(world.folder.path().join(file)).ok();
    }
    world.again().await;
    world.until_node("e1", |node| node.live).await;
    let report = world.admin().purge(&tag("d")).await.unwrap();
    assert!(report.done && report.seq == 1, "{report:?}");
    assert_eq!(edge.seen.purges.lock().unwrap().len(), 4);
}
