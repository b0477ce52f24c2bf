use std::collections::HashSet;

use super::{Counter, Gauge, Phase, Reason, StatusClass};

#[test]
fn no_word_stands_twice() {
    let mut seen = HashSet::new();
    let names =
        Counter::ALL.iter().map(|c| c.as_str()).chain(Gauge::ALL.iter().map(|g| g.as_str()));
    for name in names {
        assert!(seen.insert(name), "{name} stands twice");
        assert!(name.starts_with("tidegate_"), "{name}");
    }
    for words in [
        Phase::ALL.iter().map(|p| p.as_str()).collect::<Vec<_>>(),
        Reason::ALL.iter().map(|r| r.as_str()).collect(),
    ] {
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
    }
}

#[test]
fn counters_end_in_total_and_gauges_do_not() {
    assert!(Counter::ALL.iter().all(|c| c.as_str().ends_with("_total")));
    assert!(!Gauge::ALL.iter().any(|g| g.as_str().ends_with("_total")));
}

#[test]
fn every_help_is_a_sentence() {
    let all = [
        Counter::ALL.iter().map(|x| x.help()).collect::<Vec<_>>(),
        Gauge::ALL.iter().map(|x| x.help()).collect(),
        Phase::ALL.iter().map(|x| x.help()).collect(),
        Reason::ALL.iter().map(|x| x.help()).collect(),
        StatusClass::ALL.iter().map(|x| x.help()).collect(),
    ];
    for help in all.concat() {
        assert!(help.ends_with('.'), "{help}");
    }
}

#[test]
fn every_refusal_of_the_head_parser_is_a_reason() {
    for refusal in tidegate_http::Refusal::ALL {
        let reason = Reason::from_word(refusal.reason);
        assert_eq!(reason.as_str(), refusal.reason, "add {} to the table", refusal.reason);
    }
    assert_eq!(Reason::from_word("no such word"), Reason::Other);
}

#[test]
fn classes_follow_the_first_digit() {
    let words: Vec<_> = [101, 200, 304, 404, 599, 700].map(|s| StatusClass::of(s).as_str()).into();
    assert_eq!(words, ["1xx", "2xx", "3xx", "4xx", "5xx", "5xx"]);
}
