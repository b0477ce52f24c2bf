use std::borrow::Cow;

use crate::redirect::{Rule, Table, with_query};
use crate::{PathPattern, Template};

fn rule(from: &str, to: &str) -> Rule {
    let from = PathPattern::parse(from).unwrap();
    let to = Template::parse(to, &from).unwrap();
    Rule { from, to, status: 301, keep_query: true }
}

fn location(table: &Table, path: &str, query: Option<&str>) -> Option<String> {
    table.find(path, query).map(|target| target.location.into_owned())
}

#[test]
fn exact_paths_then_the_most_specific_pattern() {
    let table = Table::build([
        rule("/a/*", "https://x.example/{rest}"),
        rule("/a/b", "/exact"),
        rule("/a/b", "/again"),
        rule("/a/{id}", "/id/{id}"),
        rule("/same/{x}", "/const"),
    ]);
    assert_eq!(table.len(), 4);
    assert_eq!(location(&table, "/a/b", None).as_deref(), Some("/exact"));
    assert_eq!(location(&table, "/a/c", None).as_deref(), Some("/id/c"));
    assert_eq!(location(&table, "/a/c/d", None).as_deref(), Some("https://x.example/c/d"));
    assert_eq!(location(&table, "/a/", None).as_deref(), Some("https://x.example/"));
    assert_eq!(location(&table, "/same/z", None).as_deref(), Some("/const"));
    assert_eq!(location(&table, "/a", None), None);
}

#[test]
fn what_needs_nothing_filled_in_is_borrowed() {
    let table = Table::build([rule("/a", "/b")]);
    assert!(matches!(table.find("/a", None).unwrap().location, Cow::Borrowed("/b")));
    let quiet = Table::build([Rule { keep_query: false, ..rule("/a", "/b") }]);
    assert!(matches!(quiet.find("/a", Some("q=1")).unwrap().location, Cow::Borrowed("/b")));
}

#[test]
fn the_query_goes_before_the_fragment_and_after_the_targets_own() {
    for (to, query, expected) in [
        ("/b", "q=1", "/b?q=1"),
        ("/b?x=2", "q=1", "/b?x=2&q=1"),
        ("/b?", "q=1", "/b?q=1"),
        ("/b#f", "q=1", "/b?q=1#f"),
        ("/b?x=2#f?g", "q=1", "/b?x=2&q=1#f?g"),
        ("/b", "", "/b"),
    ] {
        assert_eq!(with_query(Cow::Borrowed(to), Some(query)), expected);
    }
}

#[test]
fn a_rest_cannot_choose_the_host() {
    let table = Table::build([rule("/old/*", "/{rest}"), rule("/o2/*", "//cdn.example/{rest}")]);
    for path in
        ["/old//evil.example", "/old///evil.example", "/old/\\evil.example", "/old/\\/evil.example"]
    {
        assert_eq!(location(&table, path, None).as_deref(), Some("/evil.example"), "{path}");
    }
    assert_eq!(location(&table, "/o2/x", None).as_deref(), Some("//cdn.example/x"), "as written");
}

#[test]
fn a_large_table_finds_every_one_of_its_paths() {
    let rules =
        (0..50_000).map(|n| rule(&format!("/page/{n}"), &format!("https://new.example/{n}")));
    let table = Table::build(rules);
    assert_eq!(table.len(), 50_000);
    for n in (0..50_000).step_by(7) {
        let expected = format!("https://new.example/{n}");
        assert_eq!(location(&table, &format!("/page/{n}"), None), Some(expected));
    }
    assert_eq!(location(&table, "/page/50000", None), None);
}
