use super::*;
use crate::testing::{NOW_MS, fields, meta};

fn at(response: &str, request: &str, age_s: u64) -> (Verdict, Reason) {
    let request = RequestDirectives::of(&fields(&format!("cache-control: {request}")));
    let found = evaluate(&meta(response), &request, None, NOW_MS + age_s * 1000);
    (found.verdict, found.reason)
}

/// RFC 9111 §4.2: fresh while lifetime > age.
#[test]
fn fresh_until_the_lifetime_is_over() {
    let response = "etag: \"x\"\ncache-control: max-age=10";
    assert_eq!(at(response, "", 0), (Verdict::Serve, Reason::Fresh));
    assert_eq!(at(response, "", 9), (Verdict::Serve, Reason::Fresh));
    assert_eq!(at(response, "", 10), (Verdict::Validate, Reason::Expired));
}

/// RFC 9111 §5.2.1.
#[test]
fn request_directives() {
    let response = "cache-control: max-age=10";
    for (request, age_s, verdict, reason) in [
        ("no-cache", 1, Verdict::Validate, Reason::RequestNoCache),
        ("max-age=0", 1, Verdict::Validate, Reason::RequestMaxAge),
        ("max-age=5", 5, Verdict::Serve, Reason::Fresh),
        ("max-age=5", 6, Verdict::Validate, Reason::RequestMaxAge),
        ("min-fresh=5", 5, Verdict::Serve, Reason::Fresh),
        ("min-fresh=5", 6, Verdict::Validate, Reason::RequestMinFresh),
        ("max-stale=5", 15, Verdict::Serve, Reason::MaxStale),
        ("max-stale=5", 16, Verdict::Validate, Reason::Expired),
        ("max-stale", 9999, Verdict::Serve, Reason::MaxStale),
        ("max-stale=5, max-age=12", 13, Verdict::Validate, Reason::RequestMaxAge),
        ("only-if-cached", 5, Verdict::Serve, Reason::Fresh),
        ("only-if-cached", 15, Verdict::Unsatisfied, Reason::OnlyIfCached),
        ("only-if-cached, max-stale", 15, Verdict::Serve, Reason::MaxStale),
        ("no-cache, only-if-cached", 5, Verdict::Unsatisfied, Reason::OnlyIfCached),
    ] {
        assert_eq!(at(response, request, age_s), (verdict, reason), "{request} at {age_s}");
    }
}

/// RFC 9111 §4.2.4, §5.2.2.2, §5.2.2.8, §5.2.2.10.
#[test]
fn no_stale_answer_where_it_is_forbidden() {
    for directive in ["must-revalidate", "proxy-revalidate", "s-maxage=10"] {
        let response = format!("cache-control: max-age=10, {directive}");
        let found = at(&response, "max-stale=60", 15);
        assert_eq!(found, (Verdict::Validate, Reason::Expired), "{directive}");
    }
}

/// RFC 9111 §5.2.2.4.
#[test]
fn no_cache_is_validated_even_when_fresh() {
    let response = "etag: \"x\"\ncache-control: max-age=10, no-cache";
    assert_eq!(at(response, "", 0), (Verdict::Validate, Reason::NoCache));
    assert_eq!(at(response, "max-stale", 0), (Verdict::Validate, Reason::NoCache));
}

/// RFC 5861 §3.
#[test]
fn stale_while_revalidate() {
    let response = "cache-control: max-age=10, stale-while-revalidate=5";
    assert_eq!(at(response, "", 15), (Verdict::ServeAndValidate, Reason::WhileRevalidate));
    assert_eq!(at(response, "", 16), (Verdict::Validate, Reason::Expired));
    assert_eq!(at(response, "max-age=12", 13), (Verdict::Validate, Reason::RequestMaxAge));
}

/// RFC 8246 §2: a reload is spared, a forced reload and a stale response are not.
#[test]
fn immutable() {
    let response = "cache-control: max-age=10, immutable";
    assert_eq!(at(response, "max-age=0", 5), (Verdict::Serve, Reason::Fresh));
    assert_eq!(at(response, "no-cache", 5), (Verdict::Validate, Reason::RequestNoCache));
    assert_eq!(at(response, "max-age=0", 11), (Verdict::Validate, Reason::RequestMaxAge));
}

/// RFC 5861 §4, RFC 9111 §4.3.3.
#[test]
fn stale_if_error() {
    let serves = |response: &str, request: &str, age_s: u64| {
        let request = RequestDirectives::of(&fields(&format!("cache-control: {request}")));
        may_serve_on_error(&meta(response), &request, None, NOW_MS + age_s * 1000)
    };
    for (response, request, age_s, allowed) in [
        ("max-age=10", "", 10 + 3600, true),
        ("max-age=10", "", 11 + 3600, false),
        ("max-age=10, stale-if-error=5", "", 15, true),
        ("max-age=10, stale-if-error=5", "", 16, false),
        ("max-age=10, stale-if-error=0", "stale-if-error=9", 16, true),
        ("max-age=10, must-revalidate", "stale-if-error=9", 16, false),
        ("max-age=10, must-revalidate", "", 9, true),
        ("s-maxage=10", "", 11, false),
        ("s-maxage=10, stale-if-error=5", "", 11, true),
        ("max-age=10, no-cache", "", 1, false),
    ] {
        let text = format!("etag: \"x\"\ncache-control: {response}");
        assert_eq!(serves(&text, request, age_s), allowed, "{response} {request} {age_s}");
    }
}

#[test]
fn a_soft_purge_makes_stale() {
    let meta = meta("cache-control: max-age=100, stale-while-revalidate=5");
    let none = RequestDirectives::default();
    let at = |now_s: u64| evaluate(&meta, &none, Some(NOW_MS + 10_000), NOW_MS + now_s * 1000);
    assert_eq!(at(15).verdict, Verdict::ServeAndValidate);
    assert_eq!((at(16).verdict, at(16).reason), (Verdict::Validate, Reason::SoftPurged));
    assert!(may_serve_on_error(&meta, &none, Some(NOW_MS), NOW_MS + 1000));
}

#[test]
fn an_untrusted_client_is_not_heard() {
    let policy = Policy { request_trust: RequestTrust::Ignore, ..Policy::default() };
    let request = fields("cache-control: no-cache\npragma: no-cache");
    assert_eq!(RequestDirectives::heeded(&policy, &request), RequestDirectives::default());
    assert!(RequestDirectives::heeded(&Policy::default(), &request).no_cache);
}

#[test]
fn explain_gives_every_sum() {
    let meta = meta("cache-control: max-age=100\nage: 7\nvary: a");
    let found = crate::explain(&meta, &RequestDirectives::default(), None, NOW_MS + 5_000);
    assert_eq!(found.corrected_age_value_ms, 7_000);
    assert_eq!(found.corrected_initial_age_ms, 7_000);
    assert_eq!((found.resident_ms, found.evaluation.age_ms), (5_000, 12_000));
    assert_eq!(found.evaluation.fresh_for_ms, 88_000);
    assert_eq!(found.variant, ["a=(absent)"]);
}
