//! The body of the fuzz target of this crate: anything an origin or a client may put into fields.

use tidegate_http::{FieldList, Method, ResponseHead};

use crate::{
    Asked, Decision, Policy, RangePlan, RequestDirectives, decide_store, evaluate, freshen,
    invalidations, may_serve_on_error, preconditions, range_plan,
};

/// Takes lines `name: value`, first those of a response, after a zero byte those of a request. Panics when a promise
/// of the crate is broken.
pub fn exchange(data: &[u8]) {
    let mut sections = data.splitn(2, |byte| *byte == 0);
    let response = fields(sections.next().unwrap_or_default());
    let request = fields(sections.next().unwrap_or_default());
    let asked =
        Asked { method: Method::Get, fields: &request, origin: "https://a", request_ms: NOW_MS };
    let head = ResponseHead { status: 200, fields: response };
    let policy = Policy::default();
    let _ = invalidations(Method::Post, "https://a/b/c?d", &head);
    let Decision::Store(plan) = decide_store(&policy, &asked, &head, NOW_MS) else { return };
    let meta = &plan.meta;
    assert!(meta.vary.matches(&request), "a response does not fit its own request");
    let directives = RequestDirectives::of(&request);
    let found = evaluate(meta, &directives, None, NOW_MS);
    assert_eq!(found.fresh_for_ms, i64::from(meta.lifetime.seconds) * 1000 - found.age_ms as i64);
    let _ = may_serve_on_error(meta, &directives, None, NOW_MS);
    let _ = preconditions(Method::Get, &request, meta);
    let _ = freshen(&policy, &asked, (meta, &head.fields), &request, NOW_MS);
    check_ranges(&range_plan(Method::Get, &request, meta, LENGTH));
}

const NOW_MS: u64 = 1_795_219_200_000;
const LENGTH: u64 = 1000;

fn check_ranges(plan: &RangePlan) {
    let ranges = match plan {
        RangePlan::Single(range) => std::slice::from_ref(range),
        RangePlan::Multi(ranges) => ranges,
        RangePlan::Whole | RangePlan::Unsatisfiable => return,
    };
    assert!(ranges.iter().all(|range| range.start < range.end && range.end <= LENGTH));
}

fn fields(text: &[u8]) -> FieldList {
    let mut list = FieldList::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            let _ = list.try_push(&line[..colon], line[colon + 1..].trim_ascii());
        }
    }
    list
}

#[cfg(test)]
mod tests;
