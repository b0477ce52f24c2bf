use proptest::prelude::*;

use super::*;
use crate::testing::{date, fields, meta};

fn found(stored: &str, request: &str) -> Precondition {
    preconditions(Method::Get, &fields(request), &meta(stored))
}

/// RFC 9110 §13.1, §13.2.2.
#[test]
fn conditions_in_their_order() {
    use Precondition::{Failed, NotModified, Proceed};
    let stored = format!("etag: \"x\"\nlast-modified: {}\ndate: {}", date(-100), date(0));
    let since = |name: &str, offset| format!("{name}: {}", date(offset));
    for (request, expected) in [
        (String::new(), Proceed),
        ("if-none-match: \"x\"".into(), NotModified),
        ("if-none-match: W/\"x\"".into(), NotModified),
        ("if-none-match: \"y\"".into(), Proceed),
        ("if-none-match: \"y\", \"x\"".into(), NotModified),
        ("if-none-match: \"y\"\nif-none-match: \"x\"".into(), NotModified),
        ("if-none-match: *".into(), NotModified),
        ("if-none-match: \"a,\"x\"".into(), Proceed),
        ("if-match: \"x\"".into(), Proceed),
        ("if-match: *".into(), Proceed),
        ("if-match: \"y\"".into(), Failed),
        ("if-match: W/\"x\"".into(), Failed),
        (since("if-modified-since", -100), NotModified),
        (since("if-modified-since", 0), NotModified),
        (since("if-modified-since", -101), Proceed),
        ("if-modified-since: yesterday".into(), Proceed),
        (since("if-unmodified-since", -100), Proceed),
        (since("if-unmodified-since", -101), Failed),
        (format!("if-none-match: \"y\"\n{}", since("if-modified-since", 0)), Proceed),
        (format!("if-match: \"x\"\n{}", since("if-unmodified-since", -999)), Proceed),
        ("if-match: \"y\"\nif-none-match: \"x\"".into(), Failed),
        ("if-match: \"x\"\nif-none-match: \"x\"".into(), NotModified),
    ] {
        assert_eq!(found(&stored, &request), expected, "{request}");
    }
}

/// RFC 9111 §4.3.2.
#[test]
fn without_last_modified_the_date_counts() {
    let stored = format!("cache-control: max-age=60\ndate: {}", date(-50));
    let since = |offset| format!("if-modified-since: {}", date(offset));
    assert_eq!(found(&stored, &since(-50)), Precondition::NotModified);
    assert_eq!(found(&stored, &since(-51)), Precondition::Proceed);
}

#[test]
fn only_a_success_to_get_or_head_is_conditional() {
    let request = fields("if-none-match: *");
    let mut meta = meta("etag: \"x\"");
    assert_eq!(preconditions(Method::Head, &request, &meta), Precondition::NotModified);
    assert_eq!(preconditions(Method::Post, &request, &meta), Precondition::Proceed);
    meta.status = 404;
    assert_eq!(preconditions(Method::Get, &request, &meta), Precondition::Proceed);
}

proptest! {
    #[test]
    fn no_value_panics(value in prop::collection::vec(any::<u8>(), 0..64)) {
        let meta = meta("etag: \"x\"");
        for name in ["if-none-match", "if-match", "if-modified-since", "if-unmodified-since"] {
            let request: tidegate_http::FieldList = [(name, &value)].into_iter().collect();
            let _ = preconditions(Method::Get, &request, &meta);
        }
    }
}
