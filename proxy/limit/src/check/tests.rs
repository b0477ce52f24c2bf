use super::*;
use crate::{Algorithm, Rate, RuleOptions, Secret};

const NOW_US: u64 = 1_795_000_000_000_000;

fn options(name: &str, burst: u32) -> RuleOptions {
    let algorithm = Algorithm::TokenBucket { rate: Rate::per_second(1), burst };
    RuleOptions::new(name, vec![], algorithm)
}

fn rule(name: &str, burst: u32) -> Rule {
    Rule::new(options(name, burst)).expect("a good rule")
}

fn table() -> Table {
    Table::new(64, Secret::new([9; 16]))
}

#[test]
fn one_denial_charges_no_other_limit() {
    let (wide, tight, table) = (rule("wide", 10), rule("tight", 1), table());
    let charges = [
        Charge { rule: &wide, key: KeyHash(1), cost: 1 },
        Charge { rule: &tight, key: KeyHash(2), cost: 1 },
    ];
    let permit = table.check(&charges, NOW_US).expect("both are full");
    assert_eq!(permit.outcomes().iter().map(|o| o.remaining).collect::<Vec<_>>(), [9, 0]);
    for _ in 0..5 {
        let denied = table.check(&charges, NOW_US).expect_err("tight is empty");
        assert_eq!((denied.index, denied.limit, denied.remaining), (1, 1, 0));
        assert_eq!(denied.retry_after_us, 1_000_000);
    }
    assert_eq!(table.peek(&wide, KeyHash(1), NOW_US).remaining, 9);
}

#[test]
fn the_longest_wait_is_the_one_told() {
    let algorithm = Algorithm::TokenBucket { rate: "1/min".parse().expect("a rate"), burst: 1 };
    let slow = Rule::new(RuleOptions::new("slow", vec![], algorithm)).expect("a good rule");
    let (fast, table) = (rule("fast", 1), table());
    let charges = [
        Charge { rule: &fast, key: KeyHash(1), cost: 1 },
        Charge { rule: &slow, key: KeyHash(2), cost: 1 },
    ];
    assert!(table.check(&charges, NOW_US).is_ok());
    let denied = table.check(&charges, NOW_US).expect_err("both are empty");
    assert_eq!((denied.index, denied.retry_after_us), (1, 60_000_000));
}

#[test]
fn a_shadow_rule_counts_and_lets_pass() {
    let mut shadow = options("shadow", 1);
    shadow.enforce_per_mille = 0;
    let (shadow, table) = (Rule::new(shadow).expect("a good rule"), table());
    let charge = [Charge { rule: &shadow, key: KeyHash(1), cost: 1 }];
    assert!(!table.check(&charge, NOW_US).expect("full").outcomes()[0].shadowed);
    assert!(table.check(&charge, NOW_US).expect("not enforced").outcomes()[0].shadowed);
}

#[test]
fn a_share_of_the_keys_is_enforced() {
    let mut half = options("half", 1);
    half.enforce_per_mille = 500;
    let half = Rule::new(half).expect("a good rule");
    let enforced = (0..10_000).filter(|&n| half.enforced(KeyHash(n))).count();
    assert_eq!(enforced, 5_000);
}

#[test]
fn a_cost_of_nothing_only_asks() {
    let (rule, table) = (rule("r", 2), table());
    let ask = [Charge { rule: &rule, key: KeyHash(1), cost: 0 }];
    for _ in 0..5 {
        let permit = table.check(&ask, NOW_US).expect("asking is free");
        assert_eq!(permit.outcomes()[0].remaining, 2);
    }
    assert_eq!(table.stats(NOW_US).live, 0);
}

#[test]
fn more_than_the_limit_at_once_never_passes() {
    let (rule, table) = (rule("r", 5), table());
    let charge = [Charge { rule: &rule, key: KeyHash(1), cost: 6 }];
    let denied = table.check(&charge, NOW_US).expect_err("six of five");
    assert_eq!((denied.retry_after_us, denied.remaining), (u64::MAX, 5));
}

#[test]
fn what_is_known_afterwards_is_charged_afterwards() {
    let (rule, table) = (rule("bytes", 10), table());
    let charge = Charge { rule: &rule, key: KeyHash(1), cost: 25 };
    table.settle(&charge.rule.account(charge.key), charge.cost, NOW_US);
    let one = [Charge { cost: 1, ..charge }];
    let denied = table.check(&one, NOW_US).expect_err("in debt");
    assert_eq!(denied.retry_after_us, 16_000_000);
    assert!(table.check(&one, NOW_US + 16_000_000).is_ok());
}

#[test]
fn more_charges_than_are_listed_still_count() {
    let (rule, table) = (rule("r", 1), table());
    let charges: Vec<Charge<'_>> =
        (1..=12).map(|n| Charge { rule: &rule, key: KeyHash(n), cost: 1 }).collect();
    assert_eq!(table.check(&charges, NOW_US).expect("all full").outcomes().len(), CHARGES_MAX);
    assert_eq!(table.check(&charges[11..], NOW_US).expect_err("charged").index, 0);
}

#[test]
fn places_come_back_however_the_request_ends() {
    let algorithm = Algorithm::Concurrency { limit: 1, hold_us: 60_000_000 };
    let rule = Rule::new(RuleOptions::new("open", vec![], algorithm)).expect("a good rule");
    let table = Arc::new(table());
    let charge = [Charge { rule: &rule, key: KeyHash(1), cost: 1 }];
    let permit = table.check(&charge, NOW_US).expect("one place");
    let in_flight = InFlight::new(Arc::clone(&table), permit);
    assert!(table.check(&charge, NOW_US).is_err());
    drop(in_flight);
    assert!(table.check(&charge, NOW_US).is_ok());
}

#[test]
fn a_denial_gives_its_places_back() {
    let algorithm = Algorithm::Concurrency { limit: 5, hold_us: 60_000_000 };
    let open = Rule::new(RuleOptions::new("open", vec![], algorithm)).expect("a good rule");
    let (tight, table) = (rule("tight", 1), table());
    let charges = [
        Charge { rule: &open, key: KeyHash(1), cost: 1 },
        Charge { rule: &tight, key: KeyHash(2), cost: 1 },
    ];
    assert!(table.check(&charges, NOW_US).is_ok());
    (0..9).for_each(|_| assert!(table.check(&charges, NOW_US).is_err()));
    assert_eq!(table.peek(&open, KeyHash(1), NOW_US).remaining, 4);
}

#[test]
fn a_token_is_used_up() {
    let table = table();
    let until = NOW_US + 60_000_000;
    let used = |id: &[u8], now_us| table.spend(id, 2, until, now_us);
    assert!(used(b"t1", NOW_US) && used(b"t1", NOW_US) && !used(b"t1", NOW_US));
    assert!(used(b"t2", NOW_US));
    assert!(!used(b"t1", until - 1));
    assert!(!table.spend(b"t3", 0, until, NOW_US));
}

#[test]
fn a_leaky_bucket_lets_one_after_the_other() {
    let algorithm = Algorithm::LeakyBucket { rate: Rate::per_second(10), queue: 3 };
    let rule = Rule::new(RuleOptions::new("even", vec![], algorithm)).expect("a good rule");
    let table = table();
    let charge = [Charge { rule: &rule, key: KeyHash(1), cost: 1 }];
    let delay = |now_us| table.check(&charge, now_us).map(|permit| permit.delay_us());
    assert_eq!(
        (0..4).map(|_| delay(NOW_US).expect("room")).collect::<Vec<_>>(),
        [0, 100_000, 200_000, 300_000]
    );
    assert_eq!(delay(NOW_US).expect_err("the queue is full").retry_after_us, 100_000);
    assert_eq!(delay(NOW_US + 150_000).expect("one has gone on"), 250_000);
    assert_eq!(delay(NOW_US + 10_000_000).expect("nobody waits"), 0);
}
