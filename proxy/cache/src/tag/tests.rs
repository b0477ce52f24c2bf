use super::*;
use crate::testing::fields;

#[test]
fn every_form_of_tag_is_read() {
    let text = "surrogate-key: a B\ncache-tag: c, d\nSurrogate-Key: a\ncache-groups: \"g\", \"h\"";
    let mut expected = [b"a", b"b", b"c", b"d"].map(|tag| TagId::new(tag)).to_vec();
    expected.extend(["g", "h"].map(|group| TagId::group("https://x", group)));
    expected.sort_unstable();
    assert_eq!(*tags_of(&fields(text), "https://x"), *expected);
}

/// RFC 9875 §2: compared by case, only within the origin, ignored when malformed.
#[test]
fn groups_are_strict() {
    assert_ne!(TagId::group("https://x", "a"), TagId::group("https://x", "A"));
    assert_ne!(TagId::group("https://x", "a"), TagId::group("https://y", "a"));
    for malformed in ["a", "\"a\", b", "(\"a\")", "\"a"] {
        let text = format!("cache-groups: {malformed}");
        assert!(tags_of(&fields(&text), "https://x").is_empty(), "{malformed}");
    }
}
