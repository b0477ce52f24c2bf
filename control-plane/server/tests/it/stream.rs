use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate_control_client::api::{NodeKind, Phase, Role};
use tidegate_control_client::{Client, SubscriberConfig};

use crate::world::{Edge, Recorder, World, eventually, respond};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gets_each_revision_and_the_list_says_so() {
    let world = World::start().await;
    let edge = world.edge("e1").await;
    world.apply(&respond("one")).await;
    edge.until_revision(1).await;
    world.until_node("e1", |node| node.healthy && node.target == Some(1)).await;
    world.apply(&respond("two")).await;
    edge.until_revision(2).await;
    let node = world.until_node("e1", |node| node.healthy && node.target == Some(2)).await;
    assert!(node.live && !node.drift);
    world.until_node("e1", |node| node.beat.revision == Some(2)).await;
    assert_eq!(edge.revisions(), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_survives_the_control_plane_and_resumes_with_what_it_missed_only() {
    let mut world = World::start().await;
    world.apply(&respond("one")).await;
    let edge = world.edge("e1").await;
    edge.until_revision(1).await;
    world.until_node("e1", |node| node.healthy).await;
    world.stop().await;
    eventually("lost", async || (!edge.subscription.status().connected).then_some(())).await;
    world.again().await;
    eventually("back", async || edge.subscription.status().connected.then_some(())).await;
    world.apply(&respond("two")).await;
    edge.until_revision(2).await;
    assert_eq!(edge.revisions(), [1, 2], "what it had was not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_from_its_disk_with_no_control_plane_in_reach() {
    let mut world = World::start().await;
    world.apply(&respond("one")).await;
    let edge = world.edge("e1").await;
    world.until_node("e1", |node| node.healthy).await;
    let settings = world.settings("e1");
    edge.subscription.shutdown().await;
    world.stop().await;
    let edge = Edge::start(settings).await;
    assert_eq!(edge.revisions(), [1], "it had the spec when start returned");
    assert!(edge.seen.specs.lock().unwrap()[0].stored);
    world.again().await;
    world.until_node("e1", |node| node.healthy && node.live).await;
    assert_eq!(edge.revisions(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_spec_is_reported_with_all_problems_and_never_becomes_last_good() {
    let world = World::start().await;
    world.apply(&respond("one")).await;
    let edge = world.edge("e1").await;
    world.until_node("e1", |node| node.healthy).await;
    edge.seen.refuse.store(true, Ordering::SeqCst);
    world.apply(&respond("two")).await;
    let node = world.until_node("e1", |node| node.phase == Some(Phase::Rejected)).await;
    assert_eq!((node.problems.len(), node.healthy), (2, false));
    assert_eq!(edge.subscription.status().active.unwrap().0, 1, "it stays on what it had");
    world.until_node("e1", |node| node.drift).await;
    let settings = world.settings("e1");
    edge.subscription.shutdown().await;
    let edge =
        Edge::start(SubscriberConfig { address: "http://127.0.0.1:1".into(), ..settings }).await;
    assert_eq!(edge.revisions(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_a_node_panics_on_or_sickens_of_is_taken_back() {
    let world = World::start().await;
    world.apply(&respond("one")).await;
    let edge = world.edge("e1").await;
    world.until_node("e1", |node| node.healthy).await;
    edge.seen.panic.store(true, Ordering::SeqCst);
    world.apply(&respond("two")).await;
    world.until_node("e1", |node| node.phase == Some(Phase::Rejected)).await;
    edge.seen.panic.store(false, Ordering::SeqCst);
    edge.seen.sick.store(true, Ordering::SeqCst);
    world.apply(&respond("three")).await;
    let node = world.until_node("e1", |node| node.phase == Some(Phase::Reverted)).await;
    assert_eq!(node.problems[0].message, "fever");
    assert_eq!(edge.revisions(), [1, 3, 1], "the confirmed one was put back");
    assert_eq!(edge.subscription.status().active.unwrap().0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_gets_settings_and_keys_and_no_routes() {
    let world = World::start().await;
    let parts = "services: { links: { short_base: \"http://s\" } }\nkeysets: [{ name: media, keys: [{ id: k, generate: true }] }]\n";
    world.apply(&(respond("one") + parts)).await;
    let folder = world.folder.path().join("service");
    let mut settings =
        SubscriberConfig::new(&world.url(), &world.token(Role::Service), "links-1", folder);
    settings.kind = NodeKind::Service;
    let service = Edge::start_with(settings, Recorder::default()).await;
    service.until_revision(1).await;
    let spec = Arc::clone(&service.seen.specs.lock().unwrap()[0].spec);
    assert_eq!(spec.services["links"]["short_base"], "http://s");
    assert!(spec.sites.is_empty() && spec.keysets[0].keys[0].secret.is_some());
    let node =
        world.until_node("links-1", |node| node.healthy || node.phase == Some(Phase::Active)).await;
    assert_eq!(node.kind, NodeKind::Service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_many_changes_ends_with_the_newest() {
    let world = World::start().await;
    let edge = world.edge("e1").await;
    for n in 1..=50 {
        world.apply(&respond(&format!("n{n}"))).await;
    }
    edge.until_revision(50).await;
    let revisions = edge.revisions();
    assert!(revisions.is_sorted(), "{revisions:?}");
    world.until_node("e1", |node| node.healthy && node.target == Some(50)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_goes_away_is_seen_at_once() {
    let world = World::start().await;
    world.apply(&respond("one")).await;
    let edge = world.edge("e1").await;
    world.until_node("e1", |node| node.healthy).await;
    edge.subscription.shutdown().await;
    world.until_node("e1", |node| !node.live && !node.healthy).await;
    let edge = world.edge("e1").await;
    world.until_node("e1", |node| node.live).await;
    drop(edge);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_and_tried_again() {
    let world = World::start().await;
    let wrong = SubscriberConfig { token: "tg_wrong".into(), ..world.settings("e1") };
    let edge = Edge::start(wrong).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!edge.subscription.status().connected);
    let client = Client::new(&world.url(), "tg_wrong").unwrap();
    assert_eq!(client.nodes_list().await.unwrap_err().status(), Some(401));
}
