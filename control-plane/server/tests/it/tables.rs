use std::time::Duration;

use bytes::Bytes;
use tidegate_control_client::api::TableOp;

use crate::world::{World, eventually, respond};

const FRESH: Duration = Duration::from_secs(2);

fn puts(range: std::ops::RangeInclusive<u32>) -> Vec<TableOp> {
    range.map(|n| TableOp::put(format!("d/{n}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_arrive_in_order_and_the_table_is_known_to_be_fresh() {
    let world = World::start().await;
    world.apply(&respond("one")).await;
    let service = world.service();
    assert_eq!(service.table_append("links", puts(1..=3)).await.unwrap(), 3);
    let edge = world.edge("e1").await;
    let freshness = edge.subscription.freshness().table("links");
    assert!(freshness.lag().is_none() || freshness.within(FRESH));
    eventually("three", async || (edge.keys().len() == 3).then_some(())).await;
    for n in 4..=200 {
        service.table_append("links", puts(n..=n)).await.unwrap();
    }
    eventually("all", async || (edge.keys().len() == 200).then_some(())).await;
    let expected: Vec<_> = (1..=200).map(|n| format!("d/{n}")).collect();
    assert_eq!(edge.keys(), expected);
    eventually("fresh", async || freshness.within(FRESH).then_some(())).await;
    assert_eq!(edge.subscription.status().tables["links"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_base_reaches_those_who_are_there_and_those_who_come() {
    let world = World::start().await;
    let service = world.service();
    service.table_append("links", puts(1..=3)).await.unwrap();
    let edge = world.edge("e1").await;
    eventually("three", async || (edge.keys().len() == 3).then_some(())).await;
    service.table_append("links", vec![TableOp::delete("d/2")]).await.unwrap();
    let head = service.table_base_put("links", 4, Bytes::from("d/1\nd/3\n")).await.unwrap();
    assert_eq!((head.generation, head.seq), (1, 4));
    service.table_append("links", puts(9..=9)).await.unwrap();
    let expected = ["d/1", "d/3", "d/9"];
    eventually("base", async || {
        let based = edge.seen.tables.lock().unwrap().iter().any(|update| update.base.is_some());
        (based && edge.keys() == expected).then_some(())
    })
    .await;
    let late = world.edge("e2").await;
    eventually("late", async || (late.keys() == expected).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_while_away_is_sent_and_nothing_twice() {
    let mut world = World::start().await;
    world.service().table_append("links", puts(1..=5)).await.unwrap();
    let edge = world.edge("e1").await;
    eventually("five", async || (edge.keys().len() == 5).then_some(())).await;
    world.stop().await;
    let freshness = edge.subscription.freshness();
    world.again().await;
    world.service().table_append("links", puts(6..=8)).await.unwrap();
    eventually("eight", async || (edge.keys().len() >= 8).then_some(())).await;
    assert_eq!(edge.keys().len(), 8);
    assert!(freshness.silence().is_some());
    let resets = edge.seen.tables.lock().unwrap().iter().filter(|update| update.reset).count();
    assert_eq!(resets, 1, "only the first line starts anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_without_its_blob_is_refused() {
    use tidegate_control_client::api::{BlobRef, TableBase, paths};
    let world = World::start().await;
    let base = TableBase { blob: BlobRef { sha256: "ab".repeat(32), bytes: 1 }, seq: 0 };
    let answer = crate::access::send(
        &world,
        "PUT",
        &paths::fill(paths::TABLE_BASE, &["links"]),
        Some(&world.token(tidegate_control_client::api::Role::Service)),
        serde_json::to_string(&base).unwrap(),
    )
    .await;
    assert_eq!(answer.0, 422, "{}", answer.1);
}
