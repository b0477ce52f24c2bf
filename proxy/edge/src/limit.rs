//! Fourth step: rate limits.
//!
//! Every limit of the route is asked before any is charged. What a request holds or still owes is
//! [`Charged`]: places under limits of concurrency go back when the last reference to it is dropped,
//! however the request ended, and costs that only the answer tells are settled when it is recorded.

mod charged;
mod pushed;
mod refusal;
mod shared;
pub(crate) mod tally;
mod tight;
mod watch;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use smallvec::SmallVec;
use tidegate_http::Head;
use tidegate_limit::{
    CHARGES_MAX, Charge, Denied, KeyHash, Mode, Permit, Request, Rule, global::Shared,
};
use tidegate_snapshot::LimitIndex;
use tidegate_telemetry::Counter;

pub(crate) use charged::Charged;
pub(crate) use pushed::{Overlay, Pushed, TABLE};
pub(crate) use shared::{Question, SharedCounts, keep};
pub(crate) use tally::{Tallies, Tally};
pub(crate) use watch::{TIGHT, Watched, Watcher, watch, work_as};

use shared::Standing;
use tally::Word;
use tight::Tight;

use crate::{
    answer::{Answer, Local},
    request::{Context, Permitted, Stop, Verified, Work},
};

/// Most requests that wait for their turn under leaky buckets on one node; more are denied.
pub(crate) const DELAYED_MAX: i64 = 10_000;

/// A limit that applies, and which one of the spec it is.
type Applying<'r> = (LimitIndex, Charge<'r>);
/// All limits that apply to one request.
type Due<'r> = SmallVec<[Applying<'r>; CHARGES_MAX]>;

/// Charges every limit of the route, or none and answers 429.
pub(crate) fn charge(verified: Verified<'_>) -> Result<Permitted<'_>, Stop<'_>> {
    match verified.routed.route().limits.is_empty() {
        true => Ok(Permitted { verified }),
        false => charge_but(verified, &[]),
    }
}

/// The same, where the owners of these keys have granted the request already.
pub(crate) fn charge_but<'r>(
    mut verified: Verified<'r>,
    granted: &[KeyHash],
) -> Result<Permitted<'r>, Stop<'r>> {
    let cx = verified.routed.received.cx;
    // Nothing pushed costs one read of a flag that nobody writes.
    let overlay = match cx.node.pushed.any.load(Relaxed) {
        true => cx.running.overlay.load_full(),
        false => None,
    };
    let tight = match verified.routed.route().watched {
        true => cx.node.watcher.tight(),
        false => None,
    };
    let (applying, watched) = match applying(&verified, overlay.as_deref(), tight.as_deref()) {
        Ok(applying) => applying,
        Err((index, blocked)) => {
            Counter::LimitDenied.inc();
            cx.running.tally(index).add(Word::Denied);
            let local = refusal::blocked(verified.routed.received.head, blocked);
            return Err(verified.routed.stop(Answer::Local(local)));
        }
    };
    verified.routed.received.watched = watched;
    // A request that was granted elsewhere was counted before it waited.
    if watched.is_some() && granted.is_empty() {
        cx.node.watcher.begun(watched, verified.routed.found);
    }
    let deny = |verified: Verified<'r>, index, charge: &Charge<'_>, denied: &Denied| {
        if let Some(tight) = &tight {
            tight.denied(watched, charge.key);
        }
        deny(verified, index, charge, denied)
    };
    let pass = |verified, applying: &[Applying<'_>], counted: &[Applying<'_>], permit| {
        if let Some(tight) = &tight {
            tight.passed(&cx.node.limit_table, watched, cx.now.mono_us);
        }
        pass(verified, applying, counted, permit)
    };
    // Limits that this node counts alone need nobody's word, and nothing is put aside for them.
    if applying.iter().all(|(_, charge)| charge.rule.mode() == Mode::Local) {
        let charges: SmallVec<[Charge<'_>; CHARGES_MAX]> =
            applying.iter().map(|(_, charge)| *charge).collect();
        return match cx.node.limit_table.check(&charges, cx.now.mono_us) {
            Ok(permit) => pass(verified, &applying, &applying, permit),
            Err(denied) => {
                let (index, charge) = applying[denied.index];
                Err(deny(verified, index, &charge, &denied))
            }
        };
    }
    match decide(cx, &applying, granted) {
        Decision::Pass(counted, permit) => pass(verified, &applying, &counted, permit),
        Decision::Deny(index, charge, denied) => Err(deny(verified, index, &charge, &denied)),
        Decision::Ask(questions) => {
            Err(Stop::Detach(Box::new(verified.detach(None, Work::Asked(questions)))))
        }
    }
}

fn pass<'r>(
    verified: Verified<'r>,
    applying: &[Applying<'_>],
    counted: &[Applying<'_>],
    permit: Permit,
) -> Result<Permitted<'r>, Stop<'r>> {
    let cx = verified.routed.received.cx;
    Counter::LimitAllowed.inc();
    count(cx, applying, counted, &permit);
    let delay_us = permit.delay_us();
    let charged = Charged::new(cx.node, applying, counted, permit, cx.now);
    go_on(verified, charged, delay_us)
}

fn deny<'r>(
    verified: Verified<'r>,
    index: LimitIndex,
    charge: &Charge<'_>,
    denied: &Denied,
) -> Stop<'r> {
    let cx = verified.routed.received.cx;
    Counter::LimitDenied.inc();
    cx.running.tally(index).add(Word::Denied);
    cx.node.tallies.deny(charge.rule, charge.key);
    let local = refusal::denied(verified.routed.received.head, charge, denied);
    verified.routed.stop(Answer::Local(local))
}

/// Adds a request that passed to the tallies of its limits, also of those that would have denied it were they
/// enforced; a shared one of these was noted where it was decided.
fn count(cx: Context<'_>, applying: &[Applying<'_>], counted: &[Applying<'_>], permit: &Permit) {
    applying.iter().for_each(|(index, _)| cx.running.tally(*index).add(Word::Allowed));
    for ((index, _), outcome) in counted.iter().zip(permit.outcomes()) {
        if outcome.shadowed {
            Counter::LimitShadowed.inc();
            cx.running.tally(*index).add(Word::Shadowed);
        }
    }
}

/// What a waiting request is told that the owner of a key denied.
pub(crate) fn denied(
    cx: Context<'_>,
    head: &Head<'_>,
    rule: &Rule,
    question: &Question,
    wait_us: u64,
) -> Local {
    Counter::LimitDenied.inc();
    cx.running.tally(question.index).add(Word::Denied);
    cx.node.tallies.deny(rule, question.key);
    let charge = Charge { rule, key: question.key, cost: question.cost };
    refusal::denied(head, &charge, &over(0, &question.shared, wait_us))
}

/// What all limits together say.
#[expect(clippy::large_enum_variant, reason = "a decision allocates nothing")]
enum Decision<'o> {
    Pass(Due<'o>, Permit),
    Deny(LimitIndex, Charge<'o>, Denied),
    Ask(Vec<Question>),
}

/// Shared limits are asked first, what this node knows of them; then its own; then all are charged.
fn decide<'o>(cx: Context<'_>, applying: &[Applying<'o>], granted: &[KeyHash]) -> Decision<'o> {
    let (table, now_us) = (&cx.node.limit_table, cx.now.mono_us);
    let mut counted: Due<'o> = SmallVec::new();
    let mut takes: SmallVec<[_; 2]> = SmallVec::new();
    let mut questions = Vec::new();
    for (index, charge) in applying {
        let Charge { rule, key, cost } = *charge;
        if granted.contains(&key) {
            continue;
        }
        let Some(shared) = rule.shared(key, now_us) else {
            counted.push((*index, *charge));
            continue;
        };
        let tally = cx.running.tally(*index);
        match cx.node.shared.stand(table, *index, rule, &shared, key, cost, tally, now_us) {
            Standing::Local => counted.push((*index, *charge)),
            Standing::Go(take) => {
                if take.guarded {
                    counted.push((*index, *charge));
                }
                takes.push((*index, *charge, shared, take));
            }
            // In shadow nobody waits, and nobody is denied.
            Standing::No { .. } | Standing::Ask(_) if !rule.enforced(key) => {
                Counter::LimitShadowed.inc();
                tally.add(Word::Shadowed);
            }
            Standing::No { wait_us } => {
                return Decision::Deny(*index, *charge, over(0, &shared, wait_us));
            }
            Standing::Ask(question) => questions.push(question),
        }
    }
    let charges: SmallVec<[Charge<'o>; CHARGES_MAX]> =
        counted.iter().map(|(_, charge)| *charge).collect();
    if !questions.is_empty() {
        return match table.would_pass(&charges, now_us) {
            Ok(()) => Decision::Ask(questions),
            Err(denied) => refused(&counted, denied),
        };
    }
    for (index, charge, shared, take) in takes.iter().filter(|(.., take)| !take.guarded) {
        if !cx.node.shared.take(take, now_us) {
            let Charge { key, cost, .. } = *charge;
            questions.push(Question { index: *index, key, shared: *shared, cost });
        }
    }
    if !questions.is_empty() {
        return Decision::Ask(questions);
    }
    match table.check(&charges, now_us) {
        Ok(permit) => {
            for (.., take) in takes.iter().filter(|(.., take)| take.guarded) {
                let _ = cx.node.shared.take(take, now_us);
            }
            Decision::Pass(counted, permit)
        }
        Err(denied) => refused(&counted, denied),
    }
}

fn refused<'o>(counted: &[Applying<'o>], denied: Denied) -> Decision<'o> {
    let (index, charge) = counted[denied.index];
    Decision::Deny(index, charge, denied)
}

fn over(index: usize, shared: &Shared, retry_after_us: u64) -> Denied {
    Denied { index, retry_after_us, limit: shared.terms.burst, remaining: 0 }
}

/// On to the next step, or to the slow lane to wait for the request's turn there.
fn go_on(
    mut verified: Verified<'_>,
    charged: Option<Charged>,
    delay_us: u64,
) -> Result<Permitted<'_>, Stop<'_>> {
    verified.routed.received.charged = charged.map(Arc::new);
    if delay_us == 0 {
        return Ok(Permitted { verified });
    }
    if tidegate_telemetry::Gauge::LimitDelayed.value() >= DELAYED_MAX {
        Counter::LimitDenied.inc();
        let local = refusal::crowded(verified.routed.received.head);
        return Err(verified.routed.stop(Answer::Local(local)));
    }
    let until_us = verified.routed.received.cx.now.mono_us + delay_us;
    Err(Stop::Detach(Box::new(verified.detach(None, Work::Delayed { until_us }))))
}

/// The limits that apply to a request, with its keys; or the one that blocks its key outright.
fn applying<'r: 'o, 'o>(
    verified: &Verified<'r>,
    overlay: Option<&'o Overlay>,
    tight: Option<&'o Tight>,
) -> Result<(Due<'o>, Watched), (LimitIndex, &'o Rule)> {
    let cx = verified.routed.received.cx;
    let route = verified.routed.route();
    let head = verified.routed.received.head;
    let grant = verified.signature.grant.as_deref();
    let claim = |name: &str, f: &mut dyn FnMut(&str)| {
        if let Some(grant) = grant {
            grant.each_claim(name, f);
        }
    };
    let request = Request {
        client: cx.client.ip(),
        host: head.host(),
        method: head.method().as_str(),
        path: head.path(),
        query: head.query(),
        route: &route.name,
        fields: head,
        claim: Some(&claim),
        country: cx.node.countries.of(cx.client.ip()),
    };
    let mut applying = SmallVec::new();
    let mut watched = Watched::NONE;
    for index in &route.limits {
        let rule = &cx.running.snapshot[*index];
        let (rule, key) = match overlay {
            None => match cx.node.limit_table.key(rule, &request) {
                Some(key) => (rule.tier(&request), key),
                None => continue,
            },
            Some(overlay) => match overlay.rule(*index, rule, &cx.node.limit_table, &request) {
                pushed::Found::Counts(rule, key) => (rule, key),
                pushed::Found::Free => continue,
                pushed::Found::Blocked(rule) => return Err((*index, rule)),
            },
        };
        let mut charge = Charge { rule, key, cost: rule.cost(&request) };
        if route.watched
            && let Some(anomaly) = &cx.running.snapshot.anomalies[index.0 as usize]
            && !watch::is_exempt(anomaly, &cx.running.snapshot[*index], &request)
        {
            watched.push(anomaly.number, key);
            let off = || overlay.is_some_and(|overlay| overlay.never_tightens(*index));
            if let Some(tight) = tight.filter(|_| !off()) {
                charge = tight.in_place_of(charge, cx.now.mono_us);
            }
        }
        applying.push((*index, charge));
    }
    Ok((applying, watched))
}

/// Mixed with the client's network: what stands in for a key that nobody gave out.
fn stranger(key: KeyHash) -> KeyHash {
    KeyHash(key.0 ^ 0x5bd1_e995_9d1b_54a5)
}
