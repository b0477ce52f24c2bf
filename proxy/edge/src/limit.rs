//! Fourth step: rate limits.
//!
//! Every limit of the route is asked before any is charged. What a request holds or still owes is
//! [`Charged`]: places under limits of concurrency go back when the last reference to it is dropped,
//! however the request ended, and costs that only the answer tells are settled when it is recorded.

mod charged;
mod pushed;
mod refusal;

use std::sync::{Arc, atomic::Ordering::Relaxed};

use smallvec::SmallVec;
use tidegate_limit::{CHARGES_MAX, Charge, KeyHash, Request, Rule};
use tidegate_snapshot::LimitIndex;
use tidegate_telemetry::Counter;

pub(crate) use charged::Charged;
pub(crate) use pushed::{Overlay, Pushed, TABLE};

use crate::{
    answer::Answer,
    request::{Permitted, Stop, Verified, Work},
};

/// Most requests that wait for their turn under leaky buckets on one node; more are denied.
pub(crate) const DELAYED_MAX: i64 = 10_000;

/// A limit that applies, and which one of the spec it is.
type Applying<'r> = (LimitIndex, Charge<'r>);

/// Charges every limit of the route, or none and answers 429.
pub(crate) fn charge(verified: Verified<'_>) -> Result<Permitted<'_>, Stop<'_>> {
    let route = verified.routed.route();
    if route.limits.is_empty() {
        return Ok(Permitted { verified });
    }
    let cx = verified.routed.received.cx;
    // Nothing pushed costs one read of a flag that nobody writes.
    let overlay = match cx.node.pushed.any.load(Relaxed) {
        true => cx.running.overlay.load_full(),
        false => None,
    };
    let applying = match applying(&verified, overlay.as_deref()) {
        Ok(applying) => applying,
        Err(blocked) => {
            Counter::LimitDenied.inc();
            let local = refusal::blocked(verified.routed.received.head, blocked);
            return Err(verified.routed.stop(Answer::Local(local)));
        }
    };
    let charges: SmallVec<[Charge<'_>; CHARGES_MAX]> =
        applying.iter().map(|(_, charge)| *charge).collect();
    let table = &cx.node.limit_table;
    match table.check(&charges, cx.now.mono_us) {
        Ok(permit) => {
            Counter::LimitAllowed.inc();
            let shadowed = permit.outcomes().iter().filter(|outcome| outcome.shadowed).count();
            Counter::LimitShadowed.add(shadowed as u64);
            let delay_us = permit.delay_us();
            let charged = Charged::new(table, &applying, permit);
            go_on(verified, charged, delay_us)
        }
        Err(denied) => {
            Counter::LimitDenied.inc();
            let head = verified.routed.received.head;
            let local = refusal::denied(head, &charges[denied.index], &denied);
            Err(verified.routed.stop(Answer::Local(local)))
        }
    }
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
) -> Result<SmallVec<[Applying<'o>; CHARGES_MAX]>, &'o Rule> {
    let cx = verified.routed.received.cx;
    let route = verified.routed.route();
    let head = verified.routed.received.head;
    let grant = verified.signature.grant.as_deref();
    let claim = |name: &str| grant.and_then(|grant| grant.claim(name));
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
                pushed::Found::Blocked(rule) => return Err(rule),
            },
        };
        applying.push((*index, Charge { rule, key, cost: rule.cost(&request) }));
    }
    Ok(applying)
}

/// Mixed with the client's network: what stands in for a key that nobody gave out.
fn stranger(key: KeyHash) -> KeyHash {
    KeyHash(key.0 ^ 0x5bd1_e995_9d1b_54a5)
}
