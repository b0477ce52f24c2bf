use std::borrow::Cow;

use super::{normalise, normalise_path, percent_decode};
use crate::Refusal;

fn check(path: &str, want: Result<&str, Refusal>) {
    assert_eq!(normalise_path(path).as_deref(), want.as_ref().copied(), "{path}");
}

#[test]
fn dot_segments_go_also_encoded_ones() {
    for (path, want) in [
        ("/a/b/c/./../../g", "/a/g"),
        ("/./a", "/a"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/..", "/"),
        ("/../../a", "/a"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/%2e/b", "/a/b"),
        ("/a/.%2e/b", "/b"),
        ("/a//../b", "/a/b"),
        ("/.../a..b/.c/..d", "/.../a..b/.c/..d"),
        ("/.well-known/x", "/.well-known/x"),
    ] {
        check(path, Ok(want));
    }
}

#[test]
fn unreserved_is_decoded_and_the_rest_is_upper_case() {
    check("/%61%2d%7e%5F", Ok("/a-~_"));
    check("/a%2fb%3f", Ok("/a%2Fb%3F"));
    check("/%c3%a4", Ok("/%C3%A4"));
    check("/%2525", Ok("/%2525"));
}

#[test]
fn an_encoded_slash_is_not_a_slash() {
    check("/a/..%2Fb", Ok("/a/..%2Fb"));
}

#[test]
fn malformed_percent_encoding_is_refused() {
    for path in ["/%", "/%4", "/%4g", "/%g4", "/a%%41"] {
        check(path, Err(Refusal::TARGET_PERCENT));
    }
    check("/a%00b", Err(Refusal::TARGET_NUL));
}

#[test]
fn illegal_bytes_are_refused() {
    for path in [
        "/a b", "/a\tb", "/\"", "/<", "/>", "/#", "/\\", "/^", "/`", "/{x}", "/ä", "/\u{7f}",
        "/a?b",
    ] {
        check(path, Err(Refusal::TARGET_BYTES));
    }
    check("a", Err(Refusal::TARGET_FORM));
    check("", Err(Refusal::TARGET_FORM));
}

#[test]
fn what_browsers_leave_raw_in_a_path_is_encoded() {
    check("/a[1]|b", Ok("/a%5B1%5D%7Cb"));
}

#[test]
fn the_query_is_checked_and_kept() {
    let target = normalise("/a/../b?x[]=1&y={|}^`\\%zz/../?").unwrap();
    assert_eq!(target.path(), "/b");
    assert_eq!(target.query(), Some("x[]=1&y={|}^`\\%zz/../?"));
    for bad in ["/?a b", "/?\"", "/?<", "/?a#b", "/?ä", "/?\0"] {
        assert_eq!(normalise(bad).err(), Some(Refusal::TARGET_BYTES), "{bad}");
    }
    assert_eq!(normalise("/a?").unwrap().query(), Some(""));
    assert_eq!(normalise("/a").unwrap().query(), None);
}

#[test]
fn the_ordinary_target_is_borrowed() {
    for path in ["/", "/media/seg-1.ts", "/a/b.c/d", "//x", "/a;b=c,d@e:f!$&'()*+~_"] {
        assert!(matches!(normalise_path(path), Ok(Cow::Borrowed(_))), "{path}");
    }
}

#[test]
fn percent_decode_gives_text_or_nothing() {
    assert_eq!(percent_decode("a%20b%C3%A4").as_deref(), Some("a bä"));
    assert_eq!(percent_decode("%C3"), None);
    assert_eq!(percent_decode("%4"), None);
    assert!(matches!(percent_decode("plain"), Some(Cow::Borrowed("plain"))));
}

proptest::proptest! {
    #[test]
    fn the_normal_form_is_its_own_normal_form(path in "/([a.%/2eEfF5cC{}|-]|%2e|/\\.\\./){0,24}") {
        if let Ok(once) = normalise_path(&path) {
            proptest::prop_assert!(once.starts_with('/'));
            proptest::prop_assert!(!once.split('/').any(|s| s == "." || s == ".."), "{}", once);
            proptest::prop_assert_eq!(normalise_path(&once).unwrap(), once.clone());
        }
    }
}
