use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::{Algorithm, Charge, Rate, RuleOptions};

const NOW_US: u64 = 1_795_000_000_000_000;

fn table(keys: usize) -> Table {
    Table::new(keys, Secret::new([5; 16]))
}

fn rule(burst: u32) -> Rule {
    let rate = Rate { count: 1, period_us: 3_600_000_000 };
    let algorithm = Algorithm::TokenBucket { rate, burst };
    Rule::new(RuleOptions::new("r", vec![], algorithm)).expect("a good rule")
}

/// Well mixed, as the keyed hash makes them.
fn spread(n: u64) -> KeyHash {
    let x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    KeyHash((x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9))
}

fn passes(table: &Table, rule: &Rule, key: KeyHash, now_us: u64) -> bool {
    table.check(&[Charge { rule, key, cost: 1 }], now_us).is_ok()
}

#[test]
fn a_million_keys_fit_into_48_megabytes() {
    let table = table(1_000_000);
    let rule = rule(1);
    assert!(table.stats(NOW_US).bytes <= 48_000_128);
    for n in 0..1_000_000 {
        assert!(passes(&table, &rule, spread(n), NOW_US));
    }
    let stats = table.stats(NOW_US);
    // Of a table this large some lines are looked at.
    assert!((990_000..=1_010_000).contains(&(stats.live as u64 + stats.evicted_live)), "{stats:?}");
    assert!(stats.evicted_live < 2_000, "{stats:?}");
    let forgotten = (0..1_000_000).filter(|&n| passes(&table, &rule, spread(n), NOW_US)).count();
    assert!(forgotten < 4_000, "{forgotten}");
}

#[test]
fn a_flood_of_keys_evicts_those_nearest_to_their_end() {
    let (table, short, long) = (table(1), rule(1), rule(2));
    let line = |n: u64| KeyHash(n);
    // All cells of a table of one line share it.
    assert_eq!(table.lines.len(), 1);
    for n in 1..=8 {
        let cost = if n == 3 { 1 } else { 2 };
        let charge = Charge { rule: &long, key: line(n), cost };
        assert!(table.check(&[charge], NOW_US).is_ok());
    }
    assert!(passes(&table, &short, line(9), NOW_US));
    assert_eq!(table.stats(NOW_US).evicted_live, 1);
    assert!(!passes(&table, &long, line(1), NOW_US));
    assert!(table.peek(&long, line(3), NOW_US).remaining == 2, "the third was nearest to its end");
}

#[test]
fn what_is_over_is_as_if_it_had_never_been() {
    let (table, rule) = (table(1), rule(1));
    (1..=8).for_each(|n| assert!(passes(&table, &rule, KeyHash(n), NOW_US)));
    assert_eq!(table.stats(NOW_US).live, 8);
    let later_us = NOW_US + 3_600_000_000;
    assert_eq!(table.stats(later_us).live, 0);
    (11..=18).for_each(|n| assert!(passes(&table, &rule, KeyHash(n), later_us)));
    assert_eq!(table.stats(later_us).evicted_live, 0);
}

#[test]
fn a_denial_writes_nothing() {
    let (table, rule) = (table(1), rule(1));
    let costly = Charge { rule: &rule, key: KeyHash(1), cost: 2 };
    assert!(table.check(&[costly], NOW_US).is_err());
    assert_eq!(table.stats(NOW_US).live, 0);
    assert!(table.lines[0].0.iter().all(|slot| slot.who.load(Relaxed) == 0));
}

#[test]
fn a_claim_left_by_another_thread_is_finished() {
    let (table, rule) = (table(1), rule(1));
    let slot = &table.lines[0].0[0];
    slot.who.store(77, Relaxed);
    slot.word.store(CLAIM | 5, Relaxed);
    assert!(passes(&table, &rule, KeyHash(5), NOW_US));
    assert_eq!(slot.who.load(Relaxed), 5);
    assert!(!passes(&table, &rule, KeyHash(5), NOW_US));
    // The key that had the slot before is not mixed up with the one that has it now.
    assert!(passes(&table, &rule, KeyHash(77), NOW_US));
}

/// Every thread brings the same new keys at the same moment; each must pass exactly as often as alone.
#[test]
fn threads_never_admit_more_than_one_would() {
    const THREADS: usize = 8;
    const ROUNDS: u64 = 400;
    let rule = rule(3);
    for keys_per_line in [1, 3, 6] {
        let table = table(1);
        let admitted: Vec<AtomicUsize> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
        let barrier = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for round in 0..ROUNDS {
                        barrier.wait();
                        // Far enough apart that all keys of the round before are over.
                        let now_us = NOW_US + round * 40_000_000_000;
                        for key in 0..keys_per_line {
                            let key = KeyHash(round * 16 + key + 1);
                            for _ in 0..4 {
                                let passed = passes(&table, &rule, key, now_us);
                                admitted[round as usize].fetch_add(passed.into(), Relaxed);
                            }
                        }
                    }
                });
            }
        });
        let expected = keys_per_line as usize * 3;
        assert!(admitted.iter().all(|count| count.load(Relaxed) == expected), "{admitted:?}");
        assert_eq!(table.stats(NOW_US).evicted_live, 0);
    }
}

/// Two limits, one of them tight, from many threads: what the tight one denies the wide one gets back.
#[test]
fn a_lost_race_is_refunded() {
    const THREADS: usize = 4;
    let (tight, wide) = (rule(50), rule(50_000));
    let table = table(64);
    let admitted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..500 {
                    let charges = [
                        Charge { rule: &wide, key: spread(1), cost: 1 },
                        Charge { rule: &tight, key: spread(2), cost: 1 },
                    ];
                    admitted.fetch_add(table.check(&charges, NOW_US).is_ok().into(), Relaxed);
                }
            });
        }
    });
    assert_eq!(admitted.load(Relaxed), 50);
    assert_eq!(table.peek(&wide, spread(1), NOW_US).remaining, 50_000 - 50);
}
