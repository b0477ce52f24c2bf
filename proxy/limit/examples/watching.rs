//! What it costs to watch a client, for counting its instructions:
//! `valgrind --tool=callgrind target/release/examples/watching known 100000` and again with `200000`; the difference by
//! 100,000 is one request counted. `new` instead of `known` counts a key that nobody has seen each time.

#![expect(clippy::unwrap_used, reason = "a measurement stops where it cannot go on")]

use tidegate_limit::anomaly::{Distinct, LINES_DEFAULT, Sketch};
use tidegate_limit::{KeyHash, Secret};

fn main() {
    let known = std::env::args().nth(1).unwrap() == "known";
    let requests: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let (sketch, clients) = (Sketch::new(LINES_DEFAULT), Distinct::default());
    let hash = |n: u64| KeyHash(Secret::new([3; 16]).fingerprint(&n.to_le_bytes()));
    // As many for each run, so that only the counting differs.
    let keys: Vec<KeyHash> = (0..400_000).map(hash).collect();
    for n in 0..requests {
        let key = keys[(if known { n % 1_000 } else { n % 400_000 }) as usize];
        sketch.add(key, 0);
        clients.add(key);
    }
    assert!(clients.estimate() > 0.0 && !sketch.drain().heavy().is_empty());
}
