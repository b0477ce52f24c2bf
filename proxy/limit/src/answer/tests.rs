use super::*;
use crate::{Algorithm, Charge, Rate, RuleOptions, Secret, Table};

fn rule(name: &str, count: u64, burst: u32) -> Rule {
    let algorithm = Algorithm::TokenBucket { rate: Rate::per_second(count), burst };
    Rule::new(RuleOptions::new(name, vec![], algorithm)).expect("a good rule")
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn fields_of_an_admitted_request() {
    let (a, b) = (rule("per-client", 50, 100), rule("all", 1000, 1000));
    let table = Table::new(8, Secret::new([0; 16]));
    let charges = [
        Charge { rule: &a, key: KeyHash(1), cost: 1 },
        Charge { rule: &b, key: KeyHash(2), cost: 10 },
    ];
    let permit = table.check(&charges, 1_000_000).expect("fresh");
    let written = text(|out| policy([&a, &b], out));
    assert_eq!(written, r#""per-client";q=100;w=2, "all";q=1000;w=1"#);
    let written = text(|out| state([&a, &b].into_iter().zip(permit.outcomes()), out));
    assert_eq!(written, r#""per-client";r=99;t=1, "all";r=990;t=1"#);
}

#[test]
fn fields_of_a_denied_request() {
    let rule = rule("slow", 1, 1);
    let table = Table::new(8, Secret::new([0; 16]));
    let charge = [Charge { rule: &rule, key: KeyHash(1), cost: 1 }];
    let _permit = table.check(&charge, 1_000_000).expect("fresh");
    let denied = table.check(&charge, 1_100_000).expect_err("empty");
    assert_eq!(denied.retry_after_us, 900_000);
    assert_eq!(retry_after_s(&denied, KeyHash(1)), 1);
    assert_eq!(text(|out| denied_state(&rule, &denied, out)), r#""slow";r=0;t=1"#);
    let body = text(|out| problem(&rule, out));
    assert!(body.contains(r#""violated-policies":["slow"]"#));
}

#[test]
fn clients_denied_together_come_back_apart() {
    let denied = Denied { index: 0, retry_after_us: 100_000_000, limit: 1, remaining: 0 };
    let waits: std::collections::BTreeSet<u64> =
        (0..50).map(|n| retry_after_s(&denied, KeyHash(n << 40))).collect();
    assert_eq!(waits.first(), Some(&100));
    assert_eq!(waits.last(), Some(&110));
    let never = Denied { retry_after_us: u64::MAX, ..denied };
    assert_eq!(retry_after_s(&never, KeyHash(u64::MAX)), RETRY_AFTER_SECONDS_MAX);
}

#[test]
fn a_concurrency_limit_has_no_window() {
    let algorithm = Algorithm::Concurrency { limit: 4, hold_us: 1_000_000 };
    let rule = Rule::new(RuleOptions::new("open", vec![], algorithm)).expect("a good rule");
    assert_eq!(text(|out| policy([&rule], out)), r#""open";q=4;qu="concurrent-requests""#);
}
