use super::*;
use crate::testing::fields;

/// Whether a response with these fields, got by the first request, answers the second. `None`: never reusable.
fn reuses(response: &str, first: &str, second: &str) -> Option<bool> {
    let vary = Vary::of(&fields(response), &fields(first))?;
    Some(vary.matches(&fields(second)))
}

#[test]
fn nominated_fields_must_match() {
    for (vary, first, second, reuse) in [
        ("", "a: 1", "a: 2", true),
        ("vary: a", "a: 1", "a: 1", true),
        ("vary: a", "a: 1", "a: 2", false),
        ("vary: a", "a: 1", "", false),
        ("vary: a", "", "a: 1", false),
        ("vary: a", "", "", true),
        ("vary: a", "A: 1", "a: 1", true),
        ("vary: A", "a: 1\nb: 1", "a: 1\nb: 2", true),
        ("vary: a, b", "a: 1\nb: 1", "a: 1\nb: 2", false),
        ("vary: a\nvary: b", "a: 1\nb: 1", "a: 1\nb: 2", false),
        ("vary: a", "a: 1\na: 2", "a: 1, 2", true),
        ("vary: a", "a: 1, 2", "a: 1,  2", true),
        ("vary: a", "a: 1, 2", "a: 1,2", true),
        ("vary: a", "a: 1 2", "a: 12", false),
        ("vary: a", "a: 1, 2", "a: 2, 1", false),
        ("vary: a", "a: \"x, y\"", "a: \"x,y\"", false),
        ("vary: a", "a: x", "a: X", false),
        ("vary: a", "a: ", "", false),
    ] {
        assert_eq!(reuses(vary, first, second), Some(reuse), "{vary} / {first} / {second}");
    }
}

#[test]
fn a_star_in_any_line_is_never_reused() {
    for vary in ["vary: *", "vary: a, *", "vary: *, a", "vary: a\nvary: *", "vary: a,*"] {
        assert_eq!(reuses(vary, "a: 1", "a: 1"), None, "{vary}");
    }
    let many: Vec<String> = (0..=VARY_FIELDS_MAX).map(|n| format!("f{n}")).collect();
    assert_eq!(reuses(&format!("vary: {}", many.join(",")), "", ""), None);
}

#[test]
fn accept_encoding_falls_into_few_variants() {
    for (first, second, same) in [
        ("gzip, br", "br,gzip", true),
        ("gzip;q=0.8, br;q=1.0", "br, gzip", true),
        ("GZIP", "x-gzip", true),
        ("gzip, identity", "gzip", true),
        ("gzip", "gzip, br", false),
        ("gzip;q=0", "", true),
        ("gzip, identity;q=0", "gzip", false),
        ("*;q=0, gzip", "gzip", false),
        ("gzip;q=0.001", "gzip", true),
        ("gzip, exi", "EXI;q=0.5,gzip", true),
        ("gzip, exi", "gzip", false),
        ("exi, identity;q=0, br;q=0", "exi, identity;q=0", true),
        ("exi, identity;q=0", "exi", false),
        ("*", "gzip", false),
        ("br, compress, dcb, dcz, deflate, gzip, zstd, *, identity;q=0, *;q=0", "gzip", false),
    ] {
        let line = |value: &str| format!("accept-encoding: {value}");
        let reuse = reuses("vary: accept-encoding", &line(first), &line(second));
        assert_eq!(reuse, Some(same), "{first} / {second}");
    }
    assert_eq!(
        reuses("vary: accept-language", "accept-language: nl, EN", "accept-language: NL,en"),
        Some(true)
    );
}

#[test]
fn absent_and_identity_differ_from_a_coding() {
    assert_eq!(reuses("vary: accept-encoding", "", "accept-encoding: gzip"), Some(false));
}
