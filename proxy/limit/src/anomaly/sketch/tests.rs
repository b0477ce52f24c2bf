use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::Secret;

fn hash(n: u64) -> KeyHash {
    KeyHash(Secret::new([3; 16]).fingerprint(&n.to_le_bytes()))
}

/// A generator whose every run is the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 ^ (self.0 >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11
    }

    fn share(&mut self) -> f64 {
        self.roll() as f64 / (1_u64 << 53) as f64
    }
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    /// Key n with a probability of 1/n.
    Zipf,
    Uniform,
    /// Each request of a new key, but for some that come again and again.
    NewKeys,
}

fn stream(kind: Stream, seed: u64, len: usize) -> Vec<u64> {
    let mut dice = Dice(seed);
    let next = |at: usize| match kind {
        Stream::Zipf => (20_000.0_f64.powf(dice.share())) as u64,
        Stream::Uniform => dice.roll() % 5_000,
        Stream::NewKeys if at.is_multiple_of(20) => dice.roll() % 4,
        Stream::NewKeys => 1_000_000 + at as u64,
    };
    (0..len).map(next).collect()
}

fn exact(keys: &[u64]) -> HashMap<u64, u64> {
    let mut counts = HashMap::new();
    keys.iter().for_each(|key| *counts.entry(*key).or_default() += 1);
    counts
}

fn sketched(keys: &[u64], lines: usize) -> Window {
    let sketch = Sketch::new(lines);
    keys.iter().for_each(|key| sketch.add(hash(*key), 5));
    sketch.drain()
}

fn bounds_hold(window: &Window, exact: &HashMap<u64, u64>) -> Result<(), TestCaseError> {
    let by_hash: HashMap<u64, u64> = exact.iter().map(|(key, n)| (word(hash(*key)), *n)).collect();
    for heavy in window.heavy() {
        let truth = by_hash.get(&heavy.key.0).copied().unwrap_or(0);
        prop_assert!((heavy.sure()..=heavy.count).contains(&truth), "{heavy:?}, truly {truth}");
    }
    for (key, truth) in exact {
        prop_assert!(window.bound(hash(*key)) >= *truth, "key {key}, truly {truth}");
    }
    Ok(())
}

fn kinds() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Zipf), Just(Stream::Uniform), Just(Stream::NewKeys)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_count_is_off_by_its_error_at_most(kind in kinds(), seed: u64, lines in 1_usize..64, len in 0_usize..6_000) {
        let keys = stream(kind, seed, len);
        let window = sketched(&keys, lines);
        bounds_hold(&window, &exact(&keys))?;
        prop_assert!(window.heavy().len() <= lines * WAYS);
        let counted: u64 = window.heavy().iter().map(|heavy| heavy.count).sum();
        prop_assert_eq!(counted, len as u64, "every request is in one place");
    }

    #[test]
    fn merged_bounds_hold_too(kind in kinds(), seed: u64, parts in 2_usize..6, cut in 10_usize..300) {
        let keys = stream(kind, seed, 6_000);
        let mut merged = Window::empty(16);
        for part in 0..parts {
            let own: Vec<u64> = keys.iter().copied().skip(part).step_by(parts).collect();
            merged.merge(&sketched(&own, 16));
        }
        bounds_hold(&merged, &exact(&keys))?;
        merged.cut(cut);
        prop_assert!(merged.heavy().len() <= cut);
        bounds_hold(&merged, &exact(&keys))?;
    }
}

/// With hashes that nobody chooses a line gets its part of the stream: the error is about the stream's length by the
/// number of places, and whoever did more than some of that is there.
#[test]
fn who_does_one_in_five_hundred_is_found() {
    for kind in [Stream::Zipf, Stream::Uniform, Stream::NewKeys] {
        let keys = stream(kind, 11, 400_000);
        let window = sketched(&keys, LINES_DEFAULT);
        let exact = exact(&keys);
        let part = keys.len() as u64 / (LINES_DEFAULT * WAYS) as u64;
        let worst = window.heavy().iter().map(|heavy| heavy.error).max().unwrap();
        assert!(worst <= 2 * part, "{kind:?}: off by {worst}, a part is {part}");
        for (key, truth) in exact.iter().filter(|(_, n)| **n >= keys.len() as u64 / 500) {
            let found = window.heavy().iter().find(|heavy| heavy.key == hash(*key)).unwrap();
            assert!(found.sure() * 4 >= truth * 3, "{kind:?}: {found:?}, truly {truth}");
        }
    }
}

#[test]
fn it_is_empty_after_it_was_drained() {
    let sketch = Sketch::new(4);
    (0..100).for_each(|n| sketch.add(hash(n), 1));
    assert!(!sketch.drain().heavy().is_empty());
    assert_eq!(sketch.drain(), Window::empty(4));
}
