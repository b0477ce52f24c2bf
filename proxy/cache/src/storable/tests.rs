use super::*;
use crate::testing::{date, decide, fields, meta, plan, reason};

fn with(change: impl FnOnce(&mut Policy), request: &str, response: &str) -> Reason {
    let mut policy = Policy::default();
    change(&mut policy);
    match decide(&policy, request, 200, response) {
        Decision::Store(plan) => plan.reason,
        Decision::Pass(reason) => reason,
    }
}

/// RFC 9111 §3: each condition by itself.
#[test]
fn what_may_be_stored() {
    let fresh = "cache-control: max-age=60";
    for (request, status, response, expected) in [
        ("", 200, fresh, Reason::Explicit),
        ("", 200, "", Reason::NoFreshness),
        ("", 200, "etag: \"x\"", Reason::ValidateAlways),
        ("", 302, "etag: \"x\"", Reason::NoFreshness),
        ("", 302, "etag: \"x\"\ncache-control: public", Reason::ValidateAlways),
        ("", 200, "cache-control: max-age=0", Reason::NoFreshness),
        ("", 200, "cache-control: max-age=0, stale-while-revalidate=9", Reason::Explicit),
        ("", 200, "cache-control: no-cache\netag: \"x\"", Reason::ValidateAlways),
        ("", 200, "cache-control: max-age=60, no-store", Reason::NoStore),
        ("", 200, "cache-control: max-age=60, NO-STORE", Reason::NoStore),
        ("", 200, "cache-control: max-age=60, private", Reason::Private),
        ("", 200, "cache-control: max-age=60, private=\"x\"", Reason::Explicit),
        ("cache-control: no-store", 200, fresh, Reason::RequestNoStore),
        ("", 206, fresh, Reason::Partial),
        ("", 304, fresh, Reason::Status),
        ("", 101, fresh, Reason::Status),
        ("", 600, fresh, Reason::Status),
        ("", 299, fresh, Reason::Explicit),
        ("", 200, "cache-control: max-age=60\nvary: *", Reason::Vary),
    ] {
        assert_eq!(reason(request, status, response), expected, "{request} {status} {response}");
    }
}

#[test]
fn only_answers_to_get_are_stored() {
    let none = FieldList::new();
    let response = ResponseHead { status: 200, fields: fields("cache-control: max-age=60") };
    for method in [Method::Head, Method::Post, Method::Put, Method::Options, Method::Other("get")] {
        let asked = Asked { method, fields: &none, origin: "", request_ms: 0 };
        let decision = decide_store(&Policy::default(), &asked, &response, 0);
        assert_eq!(decision, Decision::Pass(Reason::Method), "{method:?}");
    }
}

/// RFC 9111 §5.2.2.3.
#[test]
fn must_understand() {
    let both = "cache-control: max-age=60, no-store, must-understand";
    assert_eq!(reason("", 200, both), Reason::Explicit);
    assert_eq!(reason("", 299, both), Reason::Status);
    assert_eq!(reason("", 299, "cache-control: max-age=60, must-understand"), Reason::Status);
}

/// RFC 9111 §3.5.
#[test]
fn answers_to_authorised_requests() {
    let request = "authorization: Basic eDp5";
    for (response, stored) in [
        ("cache-control: max-age=60", false),
        ("cache-control: max-age=60, public", true),
        ("cache-control: s-maxage=60", true),
        ("cache-control: max-age=60, must-revalidate", true),
        ("cache-control: max-age=60, proxy-revalidate", false),
        ("cdn-cache-control: max-age=60", false),
        ("cdn-cache-control: max-age=60, public", true),
    ] {
        let expected = if stored { Reason::Explicit } else { Reason::Authorization };
        assert_eq!(reason(request, 200, response), expected, "{response}");
    }
}

#[test]
fn answers_that_set_cookies() {
    let cookie = |more: &str| format!("set-cookie: id=1\ncache-control: max-age=60{more}");
    for (policy, more, expected) in [
        (SetCookiePolicy::Explicit, "", Reason::Explicit),
        (SetCookiePolicy::SharedOnly, "", Reason::SetCookie),
        (SetCookiePolicy::SharedOnly, ", public", Reason::Explicit),
        (SetCookiePolicy::SharedOnly, ", s-maxage=5", Reason::Explicit),
        (SetCookiePolicy::SharedOnly, ", private=\"set-cookie\"", Reason::Explicit),
        (SetCookiePolicy::SharedOnly, ", no-cache=\"Set-Cookie\"", Reason::Explicit),
        (SetCookiePolicy::Standard, "", Reason::Explicit),
        (SetCookiePolicy::Strip, "", Reason::Explicit),
        (SetCookiePolicy::Refuse, ", public", Reason::SetCookie),
    ] {
        assert_eq!(
            with(|p| p.set_cookie = policy, "", &cookie(more)),
            expected,
            "{policy:?}{more}"
        );
    }
}

/// A session shared by a guess cannot be taken back.
#[test]
fn a_cookie_is_not_stored_on_a_guess() {
    let guess = format!("set-cookie: id=1\nlast-modified: {}", date(-1000));
    assert_eq!(with(|_| (), "", &guess), Reason::SetCookie);
    assert_eq!(with(|_| (), "", &format!("{guess}\ncache-control: public")), Reason::Heuristic);
}

/// RFC 9111 §5.2.2.4, §5.2.2.7.
#[test]
fn named_fields_are_withheld() {
    let text =
        "x-a: 1\nx-b: 2\ncache-control: max-age=60, no-cache=\"X-A, x-none\", private=\"x-b\"";
    assert_eq!(*meta(text).withheld, ["x-a".into(), "x-b".into()]);
    let policy = Policy { set_cookie: SetCookiePolicy::Strip, ..Policy::default() };
    let Decision::Store(plan) = decide(&policy, "", 200, "set-cookie: a\ncache-control: max-age=9")
    else {
        panic!("not stored");
    };
    assert_eq!(*plan.meta.withheld, ["set-cookie".into()]);
}

#[test]
fn tags_are_between_origin_and_cache() {
    let text = "cache-control: max-age=60\nsurrogate-key: a\ncache-tag: b\ncache-groups: \"c\"";
    let found = meta(text);
    assert_eq!(*found.withheld, ["surrogate-key".into(), "cache-tag".into()]);
    assert!(found.hides("cache-tag") && !found.hides("cache-groups"));
    assert_eq!(found.tags.len(), 3);
    let policy = Policy { expose_tags: true, ..Policy::default() };
    let Decision::Store(plan) = decide(&policy, "", 200, text) else { panic!("not stored") };
    assert!(plan.meta.withheld.is_empty());
}

#[test]
fn an_untrusted_client_does_not_prevent_storing() {
    let ignore = |p: &mut Policy| p.request_trust = RequestTrust::Ignore;
    let found = with(ignore, "cache-control: no-store", "cache-control: max-age=60");
    assert_eq!(found, Reason::Explicit);
}

/// RFC 9111 §4.2.4, RFC 5861: whether stale answers are allowed and how long.
#[test]
fn stale_windows() {
    for (response, windows, must_revalidate) in [
        ("max-age=60", (0, 3600), false),
        ("max-age=60, stale-while-revalidate=5", (5, 3600), false),
        ("max-age=60, stale-if-error=7", (0, 7), false),
        ("max-age=60, stale-if-error=0", (0, 0), false),
        ("max-age=60, must-revalidate, stale-if-error=7", (0, 0), true),
        ("max-age=60, proxy-revalidate, stale-while-revalidate=7", (0, 0), true),
        ("s-maxage=60", (0, 0), true),
        ("s-maxage=60, stale-while-revalidate=5, stale-if-error=6", (5, 6), true),
        ("max-age=60, no-cache", (0, 0), true),
    ] {
        let meta = meta(&format!("etag: \"x\"\ncache-control: {response}"));
        let found = (meta.while_revalidate_s, meta.if_error_s);
        assert_eq!((found, meta.must_revalidate), (windows, must_revalidate), "{response}");
    }
}

#[test]
fn only_what_can_be_reused_is_shared_with_those_who_wait() {
    for (response, shareable) in [
        ("cache-control: max-age=60".into(), true),
        ("cache-control: no-cache\netag: \"x\"".into(), false),
        ("cache-control: max-age=60, no-cache\netag: \"x\"".into(), false),
        ("cache-control: max-age=0\netag: \"x\"".into(), false),
        ("cache-control: max-age=0, stale-while-revalidate=9".into(), true),
        ("etag: \"x\"".into(), false),
        (format!("cache-control: max-age=60\ndate: {}", date(-61)), false),
    ] {
        assert_eq!(plan(&response).shareable, shareable, "{response}");
    }
}
