use std::collections::BTreeMap;

use serde_json::json;
use tidegate_control_api::{
    Beat, ChangeKind, Gates, NodeKind, Phase, Problem, Rollout, RolloutNew, RolloutState, Wave,
};
use tidegate_control_store::NodeRow;

use crate::diff::diff;
use crate::rollouts::{Verdict, judge};

const NOW: u64 = 100_000_000;

fn rollout() -> Rollout {
    let gates = Gates { soak_ms: 1_000, deadline_ms: 10_000, ..Gates::default() };
    Rollout {
        revision: 2,
        base: Some(1),
        state: RolloutState::Running,
        wave: 1,
        plan: RolloutNew { waves: vec![Wave::Percent(10), Wave::All(true)], gates },
        nodes: vec!["e1".into()],
        reason: String::new(),
        since: NOW - 5_000_000,
    }
}

fn row(phase: Phase, hash: &str, stats: &[(&str, f64)]) -> NodeRow {
    NodeRow {
        node: "e1".into(),
        kind: NodeKind::Edge,
        seen_at: NOW,
        away: false,
        purge_seq: 0,
        acked: Some(2),
        phase: Some(phase),
        ack_hash: Some(hash.into()),
        problems: vec![Problem::new("sites", "no")],
        beat: Beat { stats: figures(stats), ..Beat::default() },
        beat_at: NOW,
    }
}

fn figures(stats: &[(&str, f64)]) -> BTreeMap<String, f64> {
    stats.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

/// The verdict on one node that had these figures before.
fn verdict(rollout: &Rollout, row: NodeRow, before: &[(&str, f64)]) -> String {
    let baseline = [((2, "e1".to_owned()), figures(before))].into();
    match judge(rollout, &[row], "h", &baseline, NOW) {
        Verdict::Go => "go".into(),
        Verdict::Wait(reason) => format!("wait: {reason}"),
        Verdict::Halt(reason) => format!("halt: {reason}"),
    }
}

#[test]
fn gates() {
    let healthy = || row(Phase::Healthy, "h", &[]);
    assert_eq!(verdict(&rollout(), healthy(), &[]), "go");
    assert_eq!(verdict(&rollout(), row(Phase::Active, "h", &[]), &[]), "wait: waits for e1");
    assert_eq!(verdict(&rollout(), row(Phase::Healthy, "old", &[]), &[]), "wait: waits for e1");
    assert_eq!(verdict(&rollout(), row(Phase::Rejected, "h", &[]), &[]), "halt: e1: sites: no");
    assert_eq!(verdict(&rollout(), row(Phase::Rejected, "old", &[]), &[]), "wait: waits for e1");
    let late = Rollout { since: NOW - 60_000_000, ..rollout() };
    let halted = verdict(&late, NodeRow { away: true, ..healthy() }, &[]);
    assert_eq!(halted, "halt: not healthy after 10000 ms: e1");
    let unsoaked = NodeRow { beat_at: NOW - 4_500_000, ..healthy() };
    assert_eq!(verdict(&rollout(), unsoaked, &[]), "wait: waits for e1");
}

#[test]
fn figures_count_from_when_the_revision_came() {
    let gate = |before: &[(&str, f64)], now: &[(&str, f64)]| {
        verdict(&rollout(), row(Phase::Healthy, "h", now), before)
    };
    let old = [("requests_total", 1_000.0), ("errors_total", 900.0), ("plugin_traps_total", 3.0)];
    assert_eq!(gate(&old, &old), "go", "what was bad before is not this revision's");
    let worse = [("requests_total", 1_100.0), ("errors_total", 950.0), ("plugin_traps_total", 3.0)];
    assert_eq!(gate(&old, &worse), "halt: e1: 50.0 % errors, at most 5 %");
    let trapped =
        [("requests_total", 1_000.0), ("errors_total", 900.0), ("plugin_traps_total", 4.0)];
    assert_eq!(gate(&old, &trapped), "halt: e1: 1 plugin traps, at most 0");
    let few = [("requests_total", 1_010.0), ("errors_total", 910.0), ("plugin_traps_total", 3.0)];
    assert_eq!(gate(&old, &few), "go", "ten answers say nothing");
    let restarted = [("requests_total", 100.0), ("errors_total", 50.0)];
    assert_eq!(gate(&old, &restarted), "halt: e1: 50.0 % errors, at most 5 %");
}

#[test]
fn differences_go_by_name() {
    let before =
        json!({ "sites": [{ "name": "a", "hosts": ["x"] }, { "name": "b" }], "limits": [] });
    let after =
        json!({ "sites": [{ "name": "b" }, { "name": "a", "hosts": ["y"] }, { "name": "c" }] });
    let found = diff(&before, &after);
    let found: Vec<_> = found.iter().map(|c| (c.path.as_str(), c.kind)).collect();
    let moved_is_no_change =
        [("sites[a].hosts[0]", ChangeKind::Changed), ("sites[c]", ChangeKind::Added)];
    assert_eq!(found, moved_is_no_change);
    assert!(diff(&after, &after).is_empty());
}

#[test]
fn differences_never_show_a_secret() {
    let keys = |secret: &str| json!({ "keysets": [{ "name": "m", "keys": [{ "id": "k", "secret": secret }] }] });
    let certificates =
        |key: &str| json!({ "certificates": [{ "name": "m", "certificate": "c", "key": key }] });
    for (before, after) in [
        (keys("aaa"), keys("bbb")),
        (json!({}), keys("bbb")),
        (certificates("aaa"), certificates("bbb")),
        (json!({}), certificates("bbb")),
    ] {
        let shown = serde_json::to_string(&diff(&before, &after)).unwrap();
        assert!(!shown.contains("aaa") && !shown.contains("bbb"), "{shown}");
        assert!(shown.contains("redacted"), "{shown}");
    }
}
