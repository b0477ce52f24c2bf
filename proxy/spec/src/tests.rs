//! Reading, writing and hashing specs.

mod csv;
mod diff;
mod forms;
mod node_file;
mod random;
mod schema;
mod tls;
mod units;

use super::*;

/// The lines of a document that is wrong.
fn problems(text: &str) -> String {
    let problems = read(text).expect_err("a document with problems");
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn every_problem_comes_back_at_once_with_its_place() {
    let text = "\
sites:
  - name: a
    hosts: '*'
    routs: []
upstreams:
  - servers: [{ url: 'http://a', wieght: 2 }]
    connect_timeout: 5
extra: 1
";
    let expected = "\
line 3: sites[0].hosts: expected a list, found \"*\"
line 4: sites[0].routs: unknown key (did you mean \"routes\"?)
line 6: upstreams[0].name: is missing
line 6: upstreams[0].servers[0].wieght: unknown key (did you mean \"weight\"?)
line 7: upstreams[0].connect_timeout: expected a duration such as 2s or 100ms, found the number 5 (say the unit: 5s or 5ms)
line 8: extra: unknown key (known keys: sites, upstreams, cache_policies, limits, counters, keysets, certificates, tls, plugins, lists, link_domains, redirects, services)
";
    assert_eq!(problems(text), expected);
}

#[test]
fn problems_of_the_compiler_join_those_of_the_reader() {
    let text = "limits:\n  - name: a\n    rate: 5\n  - nam: b\n    rate: 1/s\n";
    let document = Document::parse(text).unwrap();
    let found = vec![
        Problem::new("limits[1].rate", "too slow"),
        Problem::new("limits[0].rate", "derived from a stand-in"),
        Problem::new("limits[1].name", "derived from a slip"),
    ];
    let joined: Vec<String> = document.join(found).iter().map(Problem::to_string).collect();
    assert_eq!(joined.len(), 3, "{joined:#?}");
    assert!(joined[0].starts_with("line 3: limits[0].rate: expected a rate"), "{joined:#?}");
    assert_eq!(joined[2], "line 5: limits[1].rate: too slow");
}

#[test]
fn an_empty_document_is_an_empty_spec() {
    for text in ["", "# nothing\n", "{}", "null"] {
        assert_eq!(read(text).unwrap(), Spec::default(), "{text:?}");
    }
    assert!(problems("[]").contains("expected a map"));
}

#[test]
fn the_hash_is_that_of_the_meaning() {
    let one = read("limits: [{ name: a, rate: 60/min, burst: 60 }]\nsites: []\n").unwrap();
    let same =
        read("# comment\nlimits:\n- burst: 60\n  rate: 60/m\n  name: a\n  mode: local\n").unwrap();
    let other = read("limits: [{ name: a, rate: 61/min, burst: 60 }]\n").unwrap();
    assert_eq!(one.hash(), same.hash());
    assert_ne!(one.hash(), other.hash());
    assert_eq!(one.hash().len(), 64);
    // Fixed for ever: nodes of different versions compare these.
    let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(Spec::default().hash(), empty, "SHA-256 of {{}}");
}

#[test]
fn secrets_do_not_reach_a_log() {
    let secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQ";
    let text = format!("keysets: [{{ name: k, keys: [{{ id: a, secret: {secret} }}] }}]");
    let spec = read(&text).unwrap();
    let debug = format!("{spec:?}");
    assert!(!debug.contains(secret) && !debug.contains("115, 101"), "{debug}");
    assert!(debug.contains("redacted"));
    assert!(spec.to_json().to_string().contains(secret), "it is part of the spec");
    assert!(!problems(&text.replace(secret, "hush!")).contains("hush"));
}

#[test]
fn a_document_cannot_ask_for_more_memory_than_it_has() {
    let mut bomb = "services:\n  a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let refs = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("  a{level}: &a{level} [{refs}]\n"));
    }
    assert!(problems(&bomb).contains("aliases add over"), "{}", problems(&bomb));
    assert!(problems(&"- ".repeat(70)).contains("nested deeper"));
    assert!(read(&"[".repeat(100_000)).is_err());
    assert!(read(&"- ".repeat(100_000)).is_err());
    let list = "- x\n".repeat(5_000);
    let many = problems(&format!("sites:\n{list}"));
    assert!(many.lines().count() <= 1_001, "{} problems", many.lines().count());
    assert!(many.ends_with("and 4000 more problems\n"));
}

#[test]
fn aliases_stand_for_what_they_name() {
    let text = "services: { a: &x { k: 1 }, b: *x }";
    let spec = read(text).unwrap();
    assert_eq!(spec.services["a"], spec.services["b"]);
    assert!(problems("services: &x { a: *x }").contains("inside the value it names"));
}

#[test]
fn lines_are_found_by_path() {
    let document =
        Document::parse("sites:\n  - name: a\n    hosts:\n      - x\n      - y\n").unwrap();
    assert_eq!(document.line("sites[0].hosts[1]"), Some(5));
    assert_eq!(document.line("sites[0].hosts[1].deeper"), Some(5), "the nearest value around it");
    assert_eq!(document.line("sites[0].nothing"), Some(2));
}

#[test]
fn paths_are_read_as_they_are_written() {
    let path = key_path(&key_path("sites[3]", "plain-key"), "a.b [\"c\"]");
    let steps = reader::path_steps(&path).unwrap();
    assert_eq!(reader::path_text(&steps), path);
    assert_eq!(steps.len(), 4);
}
