use proptest::prelude::*;

use super::*;

#[test]
fn globs_are_anchored_and_stay_in_their_segment() {
    for (pattern, path, matches) in [
        ("/a/*", "/a/b", true),
        ("/a/*", "/a/", true),
        ("/a/*", "/a/b/c", false),
        ("/a/**", "/a/b/c", true),
        ("/a/**/z", "/a/b/c/z", true),
        ("/a/**/z", "/a/z", false),
        ("/a/*.ts", "/a/b.ts", true),
        ("/a/*.ts", "/a/b.ts.ts", true),
        ("/a/*.ts", "/a/b.tsx", false),
        ("/*/b*/c", "/a/bb/c", true),
        ("/*/b*/c", "/a/b/b/c", false),
        ("/a?c", "/abc", true),
        ("/a?c", "/a/c", false),
        ("/a?", "/a?", true),
        ("/a", "/a/", false),
        ("/a**b*c", "/axbxbxc", true),
        ("/a**b*c", "/axb/xbxc", true),
        ("/a**b*c", "/axb/xbx/c", false),
        ("", "", true),
        ("", "/", false),
    ] {
        assert_eq!(glob(pattern.as_bytes(), path.as_bytes()), matches, "{pattern} {path}");
    }
}

#[test]
fn wildcards_of_other_vendors_cross_segments() {
    for (pattern, text, matches) in [
        ("/*", "/a/b", true),
        ("*", "", true),
        ("/a/*.ts", "/a/b/c.ts", true),
        ("/a/*.ts", "/a/b.tsx", false),
        ("/a?c", "/a/c", true),
        ("/a", "/ab", false),
        ("*a*b", "xaxxab", true),
        ("*a*b", "xaxxa", false),
    ] {
        assert_eq!(wildcard(pattern.as_bytes(), text.as_bytes()), matches, "{pattern} {text}");
    }
}

#[test]
fn client_ranges_read_and_contain() {
    let range: ClientPrefix = "2001:db8::42/64".parse().expect("a range");
    assert_eq!(range.to_string(), "2001:db8::/64");
    assert!(range.contains("2001:db8::1".parse().expect("an address")));
    assert!(!range.contains("2001:db8:0:1::1".parse().expect("an address")));
    assert!(!range.contains("192.0.2.1".parse().expect("an address")));
    let one: ClientPrefix = "192.0.2.1".parse().expect("an address");
    assert_eq!(one.to_string(), "192.0.2.1/32");
    for wrong in ["", "x", "192.0.2.1/33", "192.0.2.1/", "::/129", "192.0.2.0/-1"] {
        assert!(wrong.parse::<ClientPrefix>().is_err(), "{wrong}");
    }
    let all: ClientPrefix = "0.0.0.0/0".parse().expect("a range");
    assert!(all.contains("255.1.2.3".parse().expect("an address")));
}

/// The plain definition, exponential and obviously right.
fn slow_glob(pattern: &[u8], path: &[u8]) -> bool {
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=path.len()).any(|n| slow_glob(rest, &path[n..])),
        [b'*', rest @ ..] => {
            let run = path.iter().position(|&c| c == b'/').unwrap_or(path.len());
            (0..=run).any(|n| slow_glob(rest, &path[n..]))
        }
        [b'?', rest @ ..] => matches!(path, [c, tail @ ..] if *c != b'/' && slow_glob(rest, tail)),
        [c, rest @ ..] => matches!(path, [d, tail @ ..] if c == d && slow_glob(rest, tail)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn globs_are_what_they_are_defined_to_be(pattern in "[ab/*?]{0,9}", path in "[ab/]{0,9}") {
        prop_assert_eq!(
            glob(pattern.as_bytes(), path.as_bytes()),
            slow_glob(pattern.as_bytes(), path.as_bytes())
        );
    }
}
