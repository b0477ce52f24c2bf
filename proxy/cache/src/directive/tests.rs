use proptest::prelude::*;

use super::*;
use crate::testing::fields;

fn response(value: &str) -> ResponseDirectives {
    ResponseDirectives::of(&fields(&format!("cache-control: {value}")))
}

fn request(text: &str) -> RequestDirectives {
    RequestDirectives::of(&fields(text))
}

#[test]
fn seconds_are_read_in_both_forms_and_nonsense_is_stale() {
    for (value, max_age_s) in [
        ("max-age=60", Some(60)),
        ("MAX-AGE=60", Some(60)),
        ("max-age=\"60\"", Some(60)),
        ("max-age=060", Some(60)),
        ("max-age=0", Some(0)),
        ("max-age=99999999999999999999", Some(DELTA_MAX_S)),
        ("max-age=2147483648", Some(DELTA_MAX_S)),
        ("max-age=-1", Some(0)),
        ("max-age=1.5", Some(0)),
        ("max-age='60'", Some(0)),
        ("max-age=a60", Some(0)),
        ("max-age=60a", Some(0)),
        ("max-age= 60", Some(0)),
        ("max-age", Some(0)),
        ("max-age=", Some(0)),
        ("max-age =60", None),
        ("a=\"max-age=60\"", None),
        ("a=\"x, max-age=60\", public", None),
        ("a=\"\\\", max-age=60\"", None),
        ("max-age=60, max-age=1", Some(60)),
        (", ,max-age=60", Some(60)),
        ("s-maxage=60", None),
    ] {
        assert_eq!(response(value).max_age_s, max_age_s, "{value}");
    }
}

#[test]
fn lines_are_one_list() {
    let fields = fields("cache-control: public\nCache-Control: max-age=5, s-maxage=9");
    let read = ResponseDirectives::of(&fields);
    assert!(read.public);
    assert_eq!((read.max_age_s, read.s_maxage_s), (Some(5), Some(9)));
}

#[test]
fn field_names_restrict_only_these_fields() {
    let read = response("no-cache=\"Set-Cookie, x-a\", private=\"X-B\"");
    assert!(!read.no_cache && !read.private);
    assert_eq!(read.no_cache_fields, ["set-cookie".into(), "x-a".into()]);
    assert_eq!(read.private_fields, ["x-b".into()]);
    assert!(response("no-cache=\"\"").no_cache);
    assert!(response("private, private=\"x\"").private);
}

#[test]
fn every_flag_is_known() {
    let read = response(
        "no-store,no-cache,private,public,must-revalidate,proxy-revalidate,must-understand,\
         immutable,stale-while-revalidate=3,stale-if-error=4",
    );
    assert!(read.no_store && read.no_cache && read.private && read.public);
    assert!(read.must_revalidate && read.proxy_revalidate && read.must_understand);
    assert!(read.immutable);
    assert_eq!((read.stale_while_revalidate_s, read.stale_if_error_s), (Some(3), Some(4)));
    assert_eq!(response("nostore, no-storex, x-no-store"), ResponseDirectives::default());
}

#[test]
fn request_directives() {
    let read = request(
        "cache-control: no-cache, no-store, only-if-cached, max-age=1, min-fresh=2, max-stale=3",
    );
    assert!(read.no_cache && read.no_store && read.only_if_cached);
    assert_eq!((read.max_age_s, read.min_fresh_s, read.max_stale_s), (Some(1), Some(2), Some(3)));
    assert_eq!(request("cache-control: max-stale").max_stale_s, Some(DELTA_MAX_S));
}

/// RFC 9111 §5.4.
#[test]
fn pragma_counts_only_without_cache_control() {
    assert!(request("pragma: no-cache").no_cache);
    assert!(!request("pragma: no-cache\ncache-control: max-age=1").no_cache);
    assert!(!request("pragma: x").no_cache);
}

proptest! {
    #[test]
    fn no_value_panics(value in prop::collection::vec(any::<u8>(), 0..64)) {
        let fields: tidegate_http::FieldList = [("cache-control", value)].into_iter().collect();
        let _ = ResponseDirectives::of(&fields);
        let _ = RequestDirectives::of(&fields);
    }
}
