//! Rollouts: wave after wave, halted and taken back by gates.
//!
//! Taking back makes a new revision with the spec of the one before, for everybody: revisions only
//! grow, and the newest one is never the poisoned one.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tidegate_control_api::{Gates, NodeKind, Phase, Rollout, RolloutState, Wave};
use tidegate_control_store::{NodeRow, RevisionNew, RolloutStep, StoreError, micros_now};

use crate::app::App;
use crate::faults::Refusal;

const TICK_MS: u64 = 250;
/// The author of what happens without a person.
const ACTOR: &str = "rollout";
/// Answers that a share of errors is computed from; fewer say nothing.
const REQUESTS_MIN: f64 = 20.0;

/// Figures of the nodes when the revision became theirs.
type Baseline = HashMap<(u64, String), BTreeMap<String, f64>>;

/// What the gates say of the wave that is out.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Not every node is there yet, or not for long enough.
    Wait(String),
    /// On to the next wave.
    Go,
    /// Back.
    Halt(String),
}

/// Drives whatever rollout is under way, until the server stops.
pub(crate) async fn run(app: App) {
    let mut baseline = Baseline::new();
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_millis(TICK_MS)) => {}
        }
        let running = |r: &Rollout| r.state == RolloutState::Running;
        let rollout = app.feed.fleet().borrow().rollout.clone();
        let Some(rollout) = rollout.filter(running) else {
            baseline.clear();
            continue;
        };
        if let Err(refusal) = drive(&app, &rollout, &mut baseline).await {
            tracing::error!(revision = rollout.revision, fault = %refusal.0, "rollout cannot go on");
        }
    }
}

async fn drive(app: &App, rollout: &Rollout, baseline: &mut Baseline) -> Result<(), Refusal> {
    let rows = app.store.nodes().await?;
    let hash = app.store.revision(rollout.revision).await?.info.hash;
    for row in rows.iter().filter(|row| rollout.nodes.contains(&row.node)) {
        let key = (rollout.revision, row.node.clone());
        baseline.entry(key).or_insert_with(|| row.beat.stats.clone());
    }
    let verdict = judge(rollout, &rows, &hash, baseline, micros_now());
    match verdict {
        Verdict::Wait(reason) => {
            Ok(app.store.rollout_note(rollout.revision, rollout.wave, reason).await?)
        }
        Verdict::Halt(reason) => revert(app, rollout, ACTOR, &reason).await,
        Verdict::Go => advance(app, rollout, &rows).await,
    }
}

async fn advance(app: &App, rollout: &Rollout, rows: &[NodeRow]) -> Result<(), Refusal> {
    let done = rollout.wave >= rollout.plan.waves.len()
        || matches!(rollout.plan.waves[rollout.wave..], [Wave::All(true)]);
    let nodes = match rollout.plan.waves.get(rollout.wave) {
        Some(wave) if !done => joined(&rollout.nodes, wave, rows),
        _ => rollout.nodes.clone(),
    };
    let step = RolloutStep {
        revision: rollout.revision,
        from_wave: rollout.wave,
        state: if done { RolloutState::Done } else { RolloutState::Running },
        wave: if done { rollout.plan.waves.len() } else { rollout.wave + 1 },
        nodes,
        reason: String::new(),
        actor: ACTOR.to_owned(),
    };
    app.store.rollout_step(step).await?;
    Ok(())
}

/// Takes a rollout back: everybody runs the spec of the revision before it, under a new number.
pub(crate) async fn revert(
    app: &App,
    rollout: &Rollout,
    actor: &str,
    reason: &str,
) -> Result<(), Refusal> {
    let base = rollout.base.ok_or_else(|| Refusal::not_found("a revision to go back to"))?;
    tracing::warn!(revision = rollout.revision, base, reason, "rollout taken back");
    let message = format!("revision {} was taken back: {reason}", rollout.revision);
    let spec = app.store.revision(base).await?.spec;
    let new = RevisionNew::new(spec, actor, &message);
    let expect = Some(rollout.revision);
    let new = RevisionNew { expect, rollback_of: Some(base), supersede: true, ..new };
    match app.store.revision_put(new).await {
        // Another replica was faster.
        Err(StoreError::Stale { .. }) => Ok(()),
        other => other.map(drop).map_err(Refusal::from),
    }
}

/// What the gates say. Pure: the clock and the reports come as arguments.
pub(crate) fn judge(
    rollout: &Rollout,
    rows: &[NodeRow],
    hash: &str,
    baseline: &Baseline,
    now: u64,
) -> Verdict {
    let gates = &rollout.plan.gates;
    let named = |row: &&NodeRow| rollout.nodes.contains(&row.node);
    for row in rows.iter().filter(named) {
        if let Some(reason) = harm(rollout, row, hash, baseline) {
            return Verdict::Halt(format!("{}: {reason}", row.node));
        }
    }
    let soaked = rollout.since + gates.soak_ms * 1_000;
    let age_ms = now.saturating_sub(rollout.since) / 1_000;
    let waiting = |name: &&String| {
        let row = rows.iter().find(|row| row.node == **name);
        // Figures from after the soak must be there: without them nothing was watched.
        row.is_none_or(|row| !is_settled(row, hash, now) || row.beat_at < soaked)
    };
    let waiting: Vec<&str> = rollout.nodes.iter().filter(waiting).map(String::as_str).collect();
    match waiting.is_empty() {
        true => Verdict::Go,
        false if age_ms > gates.deadline_ms + gates.soak_ms => {
            let list = waiting.join(", ");
            Verdict::Halt(format!("not healthy after {} ms: {list}", gates.deadline_ms))
        }
        false => Verdict::Wait(format!("waits for {}", waiting.join(", "))),
    }
}

fn is_settled(row: &NodeRow, hash: &str, now: u64) -> bool {
    row.phase == Some(Phase::Healthy) && row.ack_hash.as_deref() == Some(hash) && row.is_live(now)
}

/// Why this node says that the revision is bad, if it does.
fn harm(rollout: &Rollout, row: &NodeRow, hash: &str, baseline: &Baseline) -> Option<String> {
    let refused = matches!(row.phase, Some(Phase::Rejected | Phase::Reverted));
    if refused && row.ack_hash.as_deref() == Some(hash) {
        return Some(first_problem(row));
    }
    let before = baseline.get(&(rollout.revision, row.node.clone()))?;
    exceeded(&rollout.plan.gates, before, &row.beat.stats)
}

fn exceeded(
    gates: &Gates,
    before: &BTreeMap<String, f64>,
    now: &BTreeMap<String, f64>,
) -> Option<String> {
    let stat = |stats: &BTreeMap<String, f64>, name: &str| stats.get(name).copied().unwrap_or(0.0);
    // A count that fell belongs to a process that started anew.
    let since = |name: &str| match stat(now, name) - stat(before, name) {
        grown if grown >= 0.0 => grown,
        _ => stat(now, name),
    };
    let traps = since("plugin_traps_total");
    if traps > gates.plugin_traps_max {
        return Some(format!("{traps} plugin traps, at most {}", gates.plugin_traps_max));
    }
    let (requests, errors) = (since("requests_total"), since("errors_total"));
    let percent = 100.0 * errors / requests.max(1.0);
    if requests >= REQUESTS_MIN && percent > gates.error_percent_max {
        return Some(format!("{percent:.1} % errors, at most {} %", gates.error_percent_max));
    }
    let (old, new) = (stat(before, "latency_p99_us"), stat(now, "latency_p99_us"));
    if gates.latency_percent_max > 0.0 && old > 0.0 && 100.0 * new / old > gates.latency_percent_max
    {
        return Some(format!("p99 went from {old} to {new} microseconds"));
    }
    None
}

fn first_problem(row: &NodeRow) -> String {
    let problem = row.problems.first().map(ToString::to_string);
    problem.unwrap_or_else(|| row.phase.map_or("", Phase::as_str).to_owned())
}

/// The nodes of the waves so far and of this one. Live edges only: who comes later is told by the
/// stream what everybody else runs, until the rollout is done.
fn joined(so_far: &[String], wave: &Wave, rows: &[NodeRow]) -> Vec<String> {
    let now = micros_now();
    let edges: Vec<&NodeRow> =
        rows.iter().filter(|row| row.kind == NodeKind::Edge && row.is_live(now)).collect();
    let mut nodes = so_far.to_vec();
    let mut add = |name: &String| {
        if !nodes.contains(name) {
            nodes.push(name.clone());
        }
    };
    match wave {
        Wave::Percent(percent) => {
            let count = (edges.len() * usize::from((*percent).min(100))).div_ceil(100);
            // Those that have it already count, so that 5 and then 20 percent are 20 in all.
            let fresh = edges.iter().filter(|row| !so_far.contains(&row.node));
            fresh.take(count.saturating_sub(so_far.len())).for_each(|row| add(&row.node));
        }
        Wave::Nodes(names) => names.iter().for_each(&mut add),
        Wave::Labels(labels) => {
            let has = |row: &&&NodeRow| {
                labels.iter().all(|(key, value)| row.beat.labels.get(key) == Some(value))
            };
            edges.iter().filter(has).for_each(|row| add(&row.node));
        }
        Wave::All(_) => edges.iter().for_each(|row| add(&row.node)),
    }
    nodes
}
