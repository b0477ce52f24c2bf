use super::parse_authority;
use crate::{Refusal, Scheme};

fn check(input: &str, want: Option<(&str, Option<u16>)>) {
    let got = parse_authority(input.as_bytes(), Scheme::Http);
    let got = got.as_ref().map(|a| (a.host.as_ref(), a.port));
    match want {
        Some(want) => assert_eq!(got, Ok(want), "{input}"),
        None => assert_eq!(got, Err(&Refusal::HOST_INVALID), "{input}"),
    }
}

#[test]
fn names_are_lowered_and_lose_the_last_dot() {
    check("example.com", Some(("example.com", None)));
    check("EXAMPLE.com.", Some(("example.com", None)));
    check("a_b-c.d:8080", Some(("a_b-c.d", Some(8080))));
    check("10.0.0.1:1", Some(("10.0.0.1", Some(1))));
}

#[test]
fn default_and_empty_ports_go() {
    check("example.com:80", Some(("example.com", None)));
    check("example.com:", Some(("example.com", None)));
    check("example.com:443", Some(("example.com", Some(443))));
    let https = parse_authority(b"example.com:443", Scheme::Https).unwrap();
    assert_eq!((https.host.as_ref(), https.port), ("example.com", None));
    assert_eq!(parse_authority(b"h:8080", Scheme::Https).unwrap().text(), "h:8080");
}

#[test]
fn ipv6_takes_its_short_form() {
    check("[2001:DB8:0:0::1]:8080", Some(("[2001:db8::1]", Some(8080))));
    check("[::1]", Some(("[::1]", None)));
    for bad in ["[::1", "[]", "[::g]", "[::1]x", "[::1%25eth0]", "[v1.a]", "::1"] {
        check(bad, None);
    }
}

#[test]
fn what_recipients_read_differently_is_refused() {
    for bad in [
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "a..",
        "a b",
        "a,b",
        "user@host",
        "a/b",
        "a%2eb",
        "a\\b",
        "ä.de",
        "a:b",
        "a:-1",
        "a:65536",
        "a:0",
        "a:80:80",
        "a:000080",
        "a\0b",
        "a#b",
        "a?b",
    ] {
        check(bad, None);
    }
    check(&"a".repeat(64), None);
    check(&"a.".repeat(128), None);
    check(&"a".repeat(63), Some((&"a".repeat(63), None)));
}

proptest::proptest! {
    #[test]
    fn the_normal_form_is_its_own_normal_form(text in "[-a-zA-Z0-9._\\[\\]:]{0,24}") {
        if let Ok(first) = parse_authority(text.as_bytes(), Scheme::Http) {
            let text = first.text().into_owned();
            proptest::prop_assert_eq!(parse_authority(text.as_bytes(), Scheme::Http).unwrap(), first);
        }
    }
}
