use tidegate_http::{FieldList, Method};

use super::{found, router, rules};
use crate::router::shadowed;
use crate::{HostPattern, HostTwice, Router, SiteId, SiteRules};

/// A request, the rule that takes it, and the parameters.
type Case<'a> = (&'a str, Option<(u32, &'a [&'a str])>);

/// Checks which rule takes each request.
fn check(rules: &[&str], requests: &[Case<'_>]) {
    let router = router(rules);
    for (request, expected) in requests {
        let expected = expected.map(|(route, params)| {
            (route, params.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(found(&router, request), expected, "{request} in {rules:?}");
    }
}

#[test]
fn the_most_specific_path_wins_whatever_the_order() {
    let rules = ["/*", "/{a}", "/x", "/x/*", "/x/{b}", "/x/y", "/x/{b}/z", "/{a}/y/z"];
    check(
        &rules,
        &[
            ("/x", Some((2, &[]))),
            ("/w", Some((1, &["w"]))),
            ("/", Some((0, &[""]))),
            ("/x/", Some((3, &[""]))),
            ("/x/y", Some((5, &[]))),
            ("/x/q", Some((4, &["q"]))),
            ("/x/q/z", Some((6, &["q"]))),
            ("/x/q/r", Some((3, &["q/r"]))),
            ("/x/y/z", Some((6, &["y"]))),
            ("/w/y/z", Some((7, &["w"]))),
            ("/w/y/q", Some((0, &["w/y/q"]))),
        ],
    );
}

#[test]
fn a_prefix_is_of_whole_segments() {
    let rules = ["/media/*", "/media"];
    check(
        &rules,
        &[
            ("/media", Some((1, &[]))),
            ("/media/", Some((0, &[""]))),
            ("/media/a/b", Some((0, &["a/b"]))),
            ("/mediathek", None),
        ],
    );
}

#[test]
fn a_parameter_is_never_empty() {
    let rules = ["/u/{id}", "/u/{id}/x"];
    check(
        &rules,
        &[("/u/", None), ("/u//x", None), ("/u/7/", None), ("/u/7/x", Some((1, &["7"])))],
    );
}

#[test]
fn a_route_whose_tests_fail_is_as_if_it_were_not_there() {
    let rules = ["/x x-beta=1", "POST /x", "GET /{a}", "/*"];
    check(
        &rules,
        &[
            ("/x x-beta=1", Some((0, &[]))),
            ("POST /x x-beta=2", Some((1, &[]))),
            ("GET /x", Some((2, &["x"]))),
            ("HEAD /x", Some((2, &["x"]))),
            ("PUT /x", Some((3, &["x"]))),
            ("PURGE /x", Some((3, &["x"]))),
        ],
    );
}

#[test]
fn of_the_same_path_the_first_that_passes_wins() {
    let rules = ["/x a=1", "/x b=1", "/x"];
    let requests: [Case<'_>; 3] =
        [("/x a=1 b=1", Some((0, &[]))), ("/x b=1", Some((1, &[]))), ("/x", Some((2, &[])))];
    check(&rules, &requests);
}

#[test]
fn any_word_can_be_a_method() {
    let rules = ["PURGE /x", "PROPFIND /x"];
    let requests: [Case<'_>; 3] =
        [("PURGE /x", Some((0, &[]))), ("PROPFIND /x", Some((1, &[]))), ("purge /x", None)];
    check(&rules, &requests);
}

#[test]
fn the_exact_host_wins_then_the_longest_domain() {
    let names = ["a.example.com", "*.example.com", "*.b.example.com", "*", "localhost"];
    let site =
        |name| SiteRules { hosts: vec![HostPattern::parse(name).unwrap()], rules: rules(&["/*"]) };
    let router = Router::build(names.into_iter().map(site).collect()).unwrap();
    for (host, expected) in [
        ("a.example.com", 0),
        ("c.example.com", 1),
        ("x.a.example.com", 1),
        ("b.example.com", 1),
        ("x.b.example.com", 2),
        ("x.y.b.example.com", 2),
        ("example.com", 3),
        ("localhost", 4),
        ("", 3),
        (".", 3),
        ("...", 3),
    ] {
        assert_eq!(router.site(host), Some(SiteId(expected)), "{host}");
        let found = router.find(host, Method::Get, "/", &FieldList::default()).unwrap();
        assert_eq!(found.site, SiteId(expected), "{host}");
    }
}

#[test]
fn without_a_default_other_hosts_have_no_site() {
    let hosts = vec![HostPattern::parse("a.com").unwrap()];
    let router = Router::build(vec![SiteRules { hosts, rules: rules(&["/*"]) }]).unwrap();
    assert!(router.find("b.com", Method::Get, "/", &FieldList::default()).is_none());
}

#[test]
fn every_host_that_stands_twice_is_reported() {
    let hosts = |names: &[&str]| names.iter().map(|n| HostPattern::parse(n).unwrap()).collect();
    let one = SiteRules { hosts: hosts(&["a.com", "*"]), rules: Vec::new() };
    let two = SiteRules { hosts: hosts(&["b.com", "A.com", "*"]), rules: Vec::new() };
    let twice = |host_index| HostTwice { first: SiteId(0), again: SiteId(1), host_index };
    assert_eq!(Router::build(vec![one, two]).unwrap_err(), [twice(1), twice(2)]);
}

#[test]
fn rules_that_can_never_match_are_found() {
    for (list, expected) in [
        (vec!["/x", "/x"], vec![(1, 0)]),
        (vec!["/{a}", "/{b}"], vec![(1, 0)]),
        (vec!["/x", "GET /x"], vec![(1, 0)]),
        (vec!["GET /x", "/x"], vec![]),
        (vec!["GET /x", "HEAD /x"], vec![(1, 0)]),
        (vec!["/x a=1", "/x"], vec![]),
        (vec!["/x", "/x a=1"], vec![(1, 0)]),
        (vec!["/x a=1", "/x a=1 b=2"], vec![(1, 0)]),
        (vec!["/x a=1", "/x a=2"], vec![]),
        (vec!["/x/*", "/x/{a}"], vec![]),
        (vec!["PURGE /x", "PURGE /x", "GET /x"], vec![(1, 0)]),
    ] {
        assert_eq!(shadowed(&rules(&list)), expected, "{list:?}");
    }
}
