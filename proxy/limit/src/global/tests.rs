//! What an owner says to nodes that come back to it.

use super::*;

/// 100 a second.
const TERMS: Terms = Terms { emission_ns: 10_000_000, burst: 20, left_ms: 0, near: 0 };
const NODES: u64 = 3;
const START_US: u64 = 100_000_000;
/// Far above what is wanted while nodes return, far below what they used alone.
const DEBT_US_MAX: u32 = 1_000_000;

fn report(used: u64, unheard: u32, late_us: u32) -> Entry {
    let span_us = SYNC_US as u32;
    Entry {
        key: 7,
        terms: TERMS,
        life: 1,
        used,
        unheard,
        span_us,
        late_us,
        offered: 17,
        ask: 20,
        ..Entry::default()
    }
}

#[test]
fn the_order_in_which_nodes_come_back_makes_no_debt() {
    // It restarted and knows nothing. They used their shares meanwhile, and the first is granted tokens at once.
    let mut owner = Owner::new(10, START_US - 12_000_000);
    for node in 1..=NODES {
        let answer = owner.exchange(node, &report(370, 370, 12_000_000), START_US + node * 10_000);
        assert!(answer.wait_us < DEBT_US_MAX, "node {node}: {answer:?}");
        assert!(node > 1 || answer.leased > 0, "{answer:?}");
    }
}

#[test]
fn more_than_what_came_back_is_debt() {
    let mut owner = Owner::new(10, START_US - 12_000_000);
    let waits = (1..=NODES).map(|node| {
        // All of the limit on each node.
        let back = report(1_200, 1_200, 12_000_000);
        owner.exchange(node, &back, START_US + node * 10_000).wait_us
    });
    assert!(waits.last().is_some_and(|wait_us| wait_us > 20_000_000));
}

#[test]
fn nodes_that_fall_silent_together_are_charged_from_then_on() {
    let mut owner = Owner::new(10, 0);
    let asks_nothing = |used, unheard, late_us| Entry { ask: 0, ..report(used, unheard, late_us) };
    for round in 0..100 {
        for node in 1..=NODES {
            owner.exchange(node, &asks_nothing(0, 0, 0), START_US + round * SYNC_US);
        }
    }
    let back = asks_nothing(333, 333, 10_000_000);
    let answer = owner.exchange(1, &back, START_US + 99 * SYNC_US + 10_000_000);
    assert!(answer.wait_us < DEBT_US_MAX, "{answer:?}");
}
