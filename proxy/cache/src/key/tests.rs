use proptest::prelude::*;
use tidegate_http::{FieldList, Scheme};

use super::*;
use crate::policy::QueryPolicy;
use crate::testing::fields;

const SEED: KeySeed = KeySeed::new([7; 16]);

fn policy(query: QueryPolicy, sort: bool) -> Policy {
    Policy { query, query_sort: sort, ..Policy::default() }
}

fn readable(
    policy: &Policy,
    url: (&str, Option<u16>, &str, Option<&str>),
    request: &str,
) -> String {
    let fields = fields(request);
    let (host, port, path, query) = url;
    Key::readable(
        policy,
        &Target { scheme: Scheme::Https, host, port, path, query, fields: &fields },
    )
}

#[test]
fn the_query_is_keyed_as_the_policy_says() {
    let drop = || QueryPolicy::Drop(vec!["utm_*".into(), "x".into()]);
    let only = || QueryPolicy::Only(vec!["a".into()]);
    for (query_policy, sort, query, keyed) in [
        (QueryPolicy::Keep, false, Some("b=2&a=1"), "?b=2&a=1"),
        (QueryPolicy::Keep, false, Some(""), "?"),
        (QueryPolicy::Keep, false, None, ""),
        (QueryPolicy::Keep, true, Some("b=2&a=1&&a"), "?a&a=1&b=2"),
        (QueryPolicy::Ignore, false, Some("a=1"), ""),
        (drop(), false, Some("utm_source=q&b=2&x=1&a"), "?b=2&a"),
        (drop(), false, Some("utm_source=q"), ""),
        (only(), false, Some("b=2&a=1&ab=3"), "?a=1"),
        (only(), true, Some("a=2&a=1"), "?a=1&a=2"),
    ] {
        let policy = policy(query_policy, sort);
        assert_eq!(readable(&policy, ("h", None, "/p", query), ""), format!("https://h/p{keyed}"));
    }
}

#[test]
fn more_parameters_than_fit_the_stack_sort_alike() {
    let names: Vec<String> =
        (0..query::SORT_ON_STACK_MAX * 3).map(|n| format!("p{n:03}")).collect();
    let backwards: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    let keyed = readable(
        &policy(QueryPolicy::Keep, true),
        ("h", None, "/", Some(&backwards.join("&"))),
        "",
    );
    assert_eq!(keyed, format!("https://h/?{}", names.join("&")));
}

#[test]
fn a_default_port_is_left_out() {
    let policy = Policy::default();
    for (port, text) in [(None, ""), (Some(443), ""), (Some(80), ":80"), (Some(65535), ":65535")] {
        assert_eq!(readable(&policy, ("h", port, "/", None), ""), format!("https://h{text}/"));
    }
}

#[test]
fn key_parts_tell_requests_apart() {
    let parts = vec![
        KeyPart::Header("x-country".into()),
        KeyPart::Cookie("plan".into()),
        KeyPart::Const("site-1".into()),
    ];
    let policy = Policy { key_parts: parts, ..Policy::default() };
    let with = |request| readable(&policy, ("h", None, "/", None), request);
    assert_eq!(with(""), "https://h/ x-country plan site-1");
    assert_eq!(
        with("X-Country: NL\ncookie: a=1; plan=gold; b=2"),
        "https://h/ x-country=NL plan=gold site-1"
    );
    assert_ne!(with("x-country: "), with(""));
}

#[test]
fn the_hash_goes_with_the_text_and_the_seed() {
    let none = FieldList::new();
    let target = |path| Target {
        scheme: Scheme::Https,
        host: "h",
        port: None,
        path,
        query: None,
        fields: &none,
    };
    let policy = Policy::default();
    let key = |seed, path| Key::of(seed, &policy, &target(path));
    assert_eq!(key(&SEED, "/a"), key(&SEED, "/a"));
    assert_ne!(key(&SEED, "/a"), key(&SEED, "/b"));
    assert_ne!(key(&SEED, "/a"), key(&KeySeed::new([8; 16]), "/a"));
    assert_eq!(format!("{SEED:?}"), "KeySeed(..)");
}

proptest! {
    /// One text, one hash; different texts, different hashes: sorting and splitting change nothing else.
    #[test]
    fn hash_and_text_agree(
        a in "[a-c&=]{0,12}", b in "[a-c&=]{0,12}", sort: bool, drop: bool,
    ) {
        let query = if drop { QueryPolicy::Drop(vec!["b".into()]) } else { QueryPolicy::Keep };
        let policy = policy(query, sort);
        let none = FieldList::new();
        let target = |query| Target {
            scheme: Scheme::Http, host: "h", port: Some(8080), path: "/", query: Some(query), fields: &none,
        };
        let (a, b) = (target(&a), target(&b));
        prop_assert_eq!(Key::of(&SEED, &policy, &a), Key::of_url(&SEED, &a.url(&policy)));
        prop_assert_eq!(
            Key::readable(&policy, &a) == Key::readable(&policy, &b),
            Key::of(&SEED, &policy, &a) == Key::of(&SEED, &policy, &b)
        );
    }
}
