use tidegate_http::Method;

use super::*;
use crate::testing::{NOW_MS, date, fields, meta, plan};

fn freshened(stored: &str, answer: &str) -> (FieldList, Result<Box<Plan>, Reason>) {
    let none = FieldList::new();
    let asked = Asked { method: Method::Get, fields: &none, origin: "", request_ms: NOW_MS };
    let stored = (&meta(stored), &fields(stored));
    freshen(&Policy::default(), &asked, stored, &fields(answer), NOW_MS)
}

/// RFC 9111 §3.2, §4.3.4.
#[test]
fn all_fields_but_the_excepted_are_replaced() {
    let stored = "etag: \"x\"\na: 1\na: 2\nb: 3\ncontent-type: text/plain\ncontent-encoding: gzip\n\
                  content-length: 10\ncontent-range: bytes 0-9/10\ncontent-md5: m\nage: 50\nexpires: 0";
    let answer = "etag: \"x\"\nA: 9\nc: 4\ncontent-type: text/html\ncontent-encoding: br\ncontent-length: 0\n\
                  content-range: x\ncontent-md5: n\nconnection: d\nd: 5\nkeep-alive: 1\ncache-control: max-age=60";
    let (fields, plan) = freshened(stored, answer);
    for (name, value) in [
        ("a", Some("9")),
        ("b", Some("3")),
        ("c", Some("4")),
        ("content-type", Some("text/html")),
        ("content-md5", Some("m")),
        ("content-encoding", Some("gzip")),
        ("content-length", Some("10")),
        ("content-range", Some("bytes 0-9/10")),
        ("connection", None),
        ("d", None),
        ("keep-alive", None),
        ("age", None),
    ] {
        assert_eq!(fields.text(name), value, "{name}");
    }
    assert_eq!(plan.unwrap().meta.lifetime.seconds, 60);
}

/// The age starts anew from the 304, not from the stored `Date` and `Age`.
#[test]
fn age_counts_from_the_validation() {
    let stored = format!("etag: \"x\"\ncache-control: max-age=60\nage: 50\ndate: {}", date(-90));
    let (_, plan) = freshened(&stored, "");
    assert_eq!(plan.unwrap().meta.age_s(NOW_MS), 0);
    let (_, plan) = freshened(&stored, &format!("age: 7\ndate: {}", date(-3)));
    assert_eq!(plan.unwrap().meta.age_s(NOW_MS), 7);
}

#[test]
fn new_directives_may_forbid_to_keep_it() {
    let (_, plan) = freshened("etag: \"x\"\ncache-control: max-age=60", "cache-control: no-store");
    assert_eq!(plan.unwrap_err(), Reason::NoStore);
}

#[test]
fn tags_outlive_a_304_that_does_not_repeat_them() {
    let stored = "etag: \"x\"\ncache-control: max-age=60\nsurrogate-key: red";
    let (fields, plan) = freshened(stored, "");
    assert_eq!(plan.unwrap().meta.tags, meta(stored).tags);
    assert!(!fields.has("surrogate-key"));
    let (_, plan) = freshened(stored, "cache-tag: blue");
    assert!(plan.unwrap().meta.tags.contains(&crate::TagId::new(b"blue")));
}

/// RFC 9111 §4.3.5.
#[test]
fn head_freshens_or_invalidates() {
    use HeadFreshening::{Invalidate, Nothing, Update};
    let stored = "etag: \"x\"\ncontent-length: 10\ncache-control: max-age=60";
    for (status, answer, expected) in [
        (200, "etag: \"x\"\ncontent-length: 10", Update),
        (200, "", Update),
        (200, "etag: \"y\"", Invalidate),
        (200, "content-length: 11", Invalidate),
        (200, "last-modified: Sat, 21 Nov 2026 00:00:00 GMT", Invalidate),
        (404, "etag: \"y\"", Nothing),
    ] {
        let response = ResponseHead { status, fields: fields(answer) };
        let found = head_freshening(&plan(stored).meta, &fields(stored), &response);
        assert_eq!(found, expected, "{status} {answer}");
    }
}
