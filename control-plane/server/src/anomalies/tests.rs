use tidegate_control_api::Busiest;
use tidegate_snapshot::compile_text;

use super::*;

const SECOND: u64 = 1_000_000;

fn snapshot(mode: &str) -> Snapshot {
    let spec = format!(
        "
limits:
  - name: per-key
    key: [api_key]
    rate: 100/s
    mode: {mode}
    anomaly: {{ action: tighten, warm_up: 60s, shadow_for: 20s, tighten_for: 60s }}
sites:
  - name: api
    hosts: ['*']
    routes: [{{ match: /*, action: {{ respond: {{ body: x }} }}, limits: [per-key] }}]
"
    );
    compile_text(&spec, 1).unwrap().1
}

/// What a node says: twenty clients of its own as usual, and one with this rate that all nodes have.
fn report(node: usize, rate: f64) -> AnomalyReport {
    let busy = |key: u64, rate: f64| Busy {
        key: format!("{key:016x}"),
        rate,
        requests: rate * 60.0,
        ..Busy::default()
    };
    let mut keys: Vec<Busy> = (1..=20)
        .map(|key| busy(key + 100_000 * (1 + node as u64), 1.0 + key as f64 / 20.0))
        .collect();
    keys.push(busy(999, rate));
    let busiest = vec![Busiest { limit: "per-key".to_owned(), clients: 21.0, keys }];
    AnomalyReport { busiest, ..AnomalyReport::default() }
}

/// Buckets until `until_s`, in which each of so many nodes sees the client at this rate; what was pushed.
fn play(
    sum: &mut Sum,
    mode: &str,
    from_s: u64,
    until_s: u64,
    nodes: usize,
    rate: f64,
) -> Vec<TableOp> {
    let (snapshot, secret) = (snapshot(mode), Secret::new([0; 16]));
    let mut all = Vec::new();
    for second in (from_s..until_s).step_by(2) {
        let now_us = second * SECOND;
        for node in 0..nodes {
            sum.reports.insert(format!("n{node}"), (now_us, report(node, rate)));
        }
        all.extend(sum.turn(&snapshot, &secret, now_us));
    }
    all
}

fn states(ops: &[TableOp]) -> Vec<(Op, String, f64)> {
    let value = |op: &TableOp| -> Tightening {
        op.value.clone().map(|value| serde_json::from_value(value).unwrap()).unwrap_or_default()
    };
    ops.iter().map(|op| (op.op, value(op).state, value(op).rate.round())).collect()
}

#[test]
fn who_gives_each_node_a_little_is_found_in_the_sum() {
    let mut sum = Sum::default();
    assert_eq!(play(&mut sum, "local", 0, 80, 8, 1.0), []);
    // 8/s on each of eight nodes: below the floor of a tenth of the limit on any of them.
    let ops = play(&mut sum, "local", 80, 120, 8, 8.0);
    let key = "tight/per-key/00000000000003e7";
    assert!(ops.iter().all(|op| op.key == key), "{ops:?}");
    // A tenth of 64, and an eighth of that on each node.
    let put = |state: &str| (Op::Put, state.to_owned(), 1.0);
    assert_eq!(states(&ops), [put("shadow"), put("tightened")]);
    let ops = play(&mut sum, "local", 120, 170, 8, 1.0);
    assert_eq!(states(&ops), [(Op::Delete, String::new(), 0.0)], "released");
}

#[test]
fn shared_limits_get_the_whole_rate_and_single_nodes_nothing() {
    let mut sum = Sum::default();
    play(&mut sum, "approx", 0, 80, 4, 1.0);
    let ops = play(&mut sum, "approx", 80, 90, 4, 80.0);
    assert_eq!(states(&ops), [(Op::Put, "shadow".to_owned(), 32.0)]);
    let mut sum = Sum::default();
    play(&mut sum, "local", 0, 80, 1, 1.0);
    assert_eq!(play(&mut sum, "local", 80, 120, 1, 300.0), [], "it deals with that itself");
}

#[test]
fn what_a_silent_node_said_is_forgotten() {
    let mut sum = Sum::default();
    play(&mut sum, "local", 0, 80, 3, 1.0);
    let (snapshot, secret) = (snapshot("local"), Secret::new([0; 16]));
    sum.turn(&snapshot, &secret, 100 * SECOND);
    assert!(sum.reports.is_empty());
}
