use proptest::prelude::*;

use super::*;
use crate::rule::Rate;
use crate::{Charge, Rule, RuleOptions, Secret, Table};

const SECOND_US: u64 = 1_000_000;

fn rule(algorithm: Algorithm) -> Rule {
    Rule::new(RuleOptions::new("r", vec![], algorithm)).expect("a good rule")
}

fn table() -> Table {
    Table::new(64, Secret::new([3; 16]))
}

fn passes(table: &Table, rule: &Rule, now_us: u64) -> bool {
    table.check(&[Charge { rule, key: KeyHash(9), cost: 1 }], now_us).is_ok()
}

#[test]
fn a_calendar_quota_comes_back_at_midnight() {
    let algorithm = Algorithm::Calendar { limit: 3, period: Period::Day, utc_offset_s: 0 };
    let (rule, table) = (rule(algorithm), table());
    let evening = 1_795_305_600 * SECOND_US - 10 * SECOND_US;
    assert_eq!((0..5).filter(|_| passes(&table, &rule, evening)).count(), 3);
    let charge = [Charge { rule: &rule, key: KeyHash(9), cost: 1 }];
    let denied = table.check(&charge, evening).expect_err("used up");
    assert_eq!(denied.retry_after_us, 10 * SECOND_US);
    assert!(!passes(&table, &rule, evening + 10 * SECOND_US - 1));
    assert_eq!((0..5).filter(|_| passes(&table, &rule, evening + 10 * SECOND_US)).count(), 3);
}

#[test]
fn a_place_is_free_again_when_released_or_held_too_long() {
    let algorithm = Algorithm::Concurrency { limit: 2, hold_us: 60 * SECOND_US };
    let (rule, table) = (rule(algorithm), table());
    let charge = [Charge { rule: &rule, key: KeyHash(9), cost: 1 }];
    let now = 1_000 * SECOND_US;
    let first = table.check(&charge, now).expect("two places");
    let second = table.check(&charge, now).expect("one place");
    assert!(first.holds() && second.holds());
    assert!(table.check(&charge, now).is_err());
    table.release(first);
    let third = table.check(&charge, now).expect("released");
    assert!(table.check(&charge, now).is_err());
    drop(third);
    assert!(table.check(&charge, now + 70 * SECOND_US).is_ok());
}

proptest! {
    /// Never more than the limit in one window of the clock, and the wait that is stated is enough
    /// while nobody else comes.
    #[test]
    fn sliding_windows_hold(
        limit in 1_u64..40,
        pauses in prop::collection::vec(0_u64..400_000, 1..300),
    ) {
        let rate = Rate::per_second(limit);
        let (rule, table) = (rule(Algorithm::SlidingWindow { rate }), table());
        let charge = [Charge { rule: &rule, key: KeyHash(9), cost: 1 }];
        let mut now_us = 1_700_000_000 * SECOND_US;
        let mut admitted = std::collections::BTreeMap::<u64, u64>::new();
        for pause in pauses {
            now_us += pause;
            match table.check(&charge, now_us) {
                Ok(_) => *admitted.entry(now_us / SECOND_US).or_default() += 1,
                Err(denied) => {
                    let after = now_us + denied.retry_after_us;
                    let asked = table.verdict_for_test(&charge[0], after);
                    prop_assert!(matches!(asked, Verdict::Go { .. }), "{denied:?}");
                }
            }
        }
        prop_assert!(admitted.values().all(|&count| count <= limit));
    }
}

#[test]
fn a_sliding_window_carries_the_last_one_over() {
    let rate = Rate { count: 50, period_us: 60 * SECOND_US };
    let (rule, table) = (rule(Algorithm::SlidingWindow { rate }), table());
    let start = 60 * SECOND_US * 28_000_000;
    assert_eq!((0..60).filter(|_| passes(&table, &rule, start)).count(), 50);
    // A quarter into the next window three quarters of the fifty still count: 50 - 38 are free.
    assert_eq!((0..60).filter(|_| passes(&table, &rule, start + 75 * SECOND_US)).count(), 12);
}

#[test]
fn a_state_is_over_when_its_window_is() {
    let end_ns = 1_795_305_600_000_000_000;
    let word = counter(end_ns, u32::MAX);
    assert!(word > end_ns && word < end_ns + (2 << 32));
    assert_eq!(count(word), u32::MAX);
    assert_eq!(word >> 63, 0);
}
