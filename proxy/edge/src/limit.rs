//! Fourth step: rate limits.

use smallvec::SmallVec;
use tidegate_limit::{CHARGES_MAX, Charge, Denied, Request, answer};
use tidegate_telemetry::{Counter, Phase, Reason};

use crate::{
    answer::{Answer, Local},
    request::{Permitted, Stop, Verified},
};

/// Charges every limit of the route, or none and answers 429.
pub(crate) fn charge(verified: Verified<'_>) -> Result<Permitted<'_>, Stop<'_>> {
    let route = verified.routed.route();
    if route.limits.is_empty() {
        return Ok(Permitted { verified, permit: None });
    }
    let cx = verified.routed.received.cx;
    let head = verified.routed.received.head;
    let request = Request {
        client: cx.client.ip(),
        host: head.host(),
        method: head.method().as_str(),
        path: head.path(),
        query: head.query(),
        route: &route.name,
        fields: head,
        claim: None,
    };
    let snapshot = &cx.running.snapshot;
    let table = &cx.node.limit_table;
    let applying = route.limits.iter().filter_map(|index| {
        let rule = snapshot[*index].tier(&request);
        let key = table.key(rule, &request)?;
        Some(Charge { rule, key, cost: rule.cost(&request) })
    });
    let charges: SmallVec<[Charge<'_>; CHARGES_MAX]> = applying.collect();
    match table.check(&charges, cx.now.mono_us) {
        Ok(permit) => {
            Counter::LimitAllowed.inc();
            Ok(Permitted { verified, permit: Some(permit) })
        }
        Err(denied) => {
            Counter::LimitDenied.inc();
            let local = refusal(&charges[denied.index], &denied);
            Err(verified.routed.stop(Answer::Local(local)))
        }
    }
}

/// 429 with everything a well-behaved client needs to come back at the right time (RFC 6585
/// section 4, draft-ietf-httpapi-ratelimit-headers).
fn refusal(charge: &Charge<'_>, denied: &Denied) -> Local {
    let mut policy = Vec::with_capacity(48);
    answer::policy([charge.rule], &mut policy);
    let mut state = Vec::with_capacity(48);
    answer::denied_state(charge.rule, denied, &mut state);
    let mut body = Vec::with_capacity(192);
    answer::problem(charge.rule, &mut body);
    Local::new(Phase::Limited, 429, answer::PROBLEM_TYPE, body)
        .because(Reason::Limit)
        .with("Retry-After", answer::retry_after_s(denied, charge.key).to_string())
        .with("RateLimit-Policy", policy)
        .with("RateLimit", state)
        .with("Cache-Control", "no-store")
}
