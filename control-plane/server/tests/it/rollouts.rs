use std::path::Path;
use std::sync::atomic::Ordering;

use tidegate_control_client::Apply;
use tidegate_control_client::api::{Gates, Rollout, RolloutNew, RolloutState, Wave};

use crate::world::{Edge, World, eventually, respond};

fn gates() -> Gates {
    Gates { soak_ms: 300, deadline_ms: 15_000, ..Gates::default() }
}

async fn fleet(world: &World, count: usize) -> Vec<Edge> {
    world.apply(&respond("one")).await;
    let mut edges = Vec::new();
    for n in 0..count {
        edges.push(world.edge(&format!("e{n}")).await);
        world.until_node(&format!("e{n}"), |node| node.healthy).await;
    }
    edges
}

async fn roll(world: &World, waves: Vec<Wave>) {
    let apply = Apply { rollout: RolloutNew { waves, gates: gates() }, ..Apply::default() };
    world.admin().spec_apply(&respond("two"), Path::new("."), &apply).await.unwrap();
}

async fn until(world: &World, state: RolloutState, revision: u64) -> Rollout {
    let admin = world.admin();
    eventually("rollout", async || {
        let rollout = admin.rollout().await.ok()?;
        (rollout.state == state && rollout.revision == revision).then_some(rollout)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn waves_go_out_one_after_the_other() {
    let world = World::start().await;
    let edges = fleet(&world, 3).await;
    roll(&world, vec![Wave::Nodes(vec!["e1".into()]), Wave::Percent(60), Wave::All(true)]).await;
    edges[1].until_revision(2).await;
    assert!(edges[0].revisions() == [1] && edges[2].revisions() == [1], "the canary alone has it");
    until(&world, RolloutState::Done, 2).await;
    for edge in &edges {
        edge.until_revision(2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_refuses_takes_the_rollout_back_and_nobody_else_sees_it() {
    let world = World::start().await;
    let edges = fleet(&world, 3).await;
    edges[0].seen.refuse.store(true, Ordering::SeqCst);
    roll(&world, vec![Wave::Nodes(vec!["e0".into()]), Wave::All(true)]).await;
    let after = until(&world, RolloutState::Done, 3).await;
    assert_eq!(after.revision, 3, "the spec before, under a new number");
    for name in ["e1", "e2"] {
        world.until_node(name, |node| node.healthy && node.target == Some(3)).await;
    }
    let revisions = world.admin().revisions(0).await.unwrap().revisions;
    assert_eq!(revisions[0].rollback_of, Some(1));
    assert!(revisions[0].message.contains("e0: sites: not here"), "{}", revisions[0].message);
    for edge in &edges[1..] {
        assert!(!edge.revisions().contains(&2), "{:?}", edge.revisions());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_on_the_canary_take_the_rollout_back() {
    let world = World::start().await;
    let edges = fleet(&world, 2).await;
    roll(&world, vec![Wave::Nodes(vec!["e0".into()]), Wave::All(true)]).await;
    edges[0].until_revision(2).await;
    let stats = [("requests_total", 1_000.0), ("errors_total", 400.0)];
    *edges[0].seen.stats.lock().unwrap() =
        stats.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // The wave is held back until the heartbeat with these figures is there.
    until(&world, RolloutState::Done, 3).await;
    edges[0].until_revision(3).await;
    assert_eq!(edges[1].hashes().len(), 1, "the other edge never saw another spec");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_promotes_or_aborts_and_nobody_else_changes_the_spec_meanwhile() {
    let world = World::start().await;
    let edges = fleet(&world, 2).await;
    let admin = world.admin();
    roll(&world, vec![Wave::Nodes(vec!["absent".into()]), Wave::All(true)]).await;
    let busy =
        admin.spec_apply(&respond("x"), Path::new("."), &Apply::default()).await.unwrap_err();
    assert_eq!(busy.status(), Some(409), "{busy}");
    assert_eq!(admin.rollout_promote().await.unwrap().state, RolloutState::Done);
    for edge in &edges {
        edge.until_revision(2).await;
    }
    assert_eq!(admin.rollout_promote().await.unwrap_err().status(), Some(409));
    let apply = Apply {
        rollout: RolloutNew {
            waves: vec![Wave::Nodes(vec!["e0".into()]), Wave::Nodes(vec!["e0".into()])],
            gates: Gates { soak_ms: 60_000, ..gates() },
        },
        ..Apply::default()
    };
    admin.spec_apply(&respond("three"), Path::new("."), &apply).await.unwrap();
    edges[0].until_revision(3).await;
    admin.rollout_abort().await.unwrap();
    edges[0].until_revision(4).await;
    assert_eq!(edges[1].hashes().len(), 2, "one and two, never three");
}
