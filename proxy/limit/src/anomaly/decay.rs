//! Windows that fade: rates from the last seconds, shares from the last minutes.

use std::collections::HashMap;

use super::BUCKET_US;
use super::sketch::Window;
use crate::key::KeyHash;

/// Half of a rate is forgotten after two buckets.
const FAST: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// Half of a share is forgotten after thirty buckets: what comes slowly must add up.
const SLOW: f64 = 0.977_159_968;
/// Keys that are followed of one limit; the smallest are forgotten.
const KEYS_MAX: usize = 4_096;
/// Below so many requests, faded, a key is forgotten.
const FADED: f64 = 0.05;

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Seen {
    /// Requests a second, for certain.
    pub rate: f64,
    /// Requests of the last minutes, faded.
    pub requests: f64,
    /// Of `requests`, those that were answered with a status of 400 or more.
    pub failed: f64,
    /// Of `requests`, those that the limit denied.
    pub denied: f64,
}

/// The keys of one limit with what is known of them.
#[derive(Debug, Default)]
pub struct Decay {
    keys: HashMap<KeyHash, Seen>,
}

impl Decay {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next bucket: what the sketches of requests, failures and denials kept of the limit `tag`. Counted is
    /// what is certain; of the requests of a key whose failures alone were noticed, what is possible.
    pub fn turn(&mut self, tag: u16, requests: &Window, failed: &Window, denied: &Window) {
        self.fade();
        let of = |window: &Window| -> Vec<_> {
            window
                .heavy()
                .iter()
                .filter(|heavy| heavy.tag == tag && heavy.sure() > 0)
                .copied()
                .collect()
        };
        for heavy in of(requests) {
            self.add(heavy.key, heavy.sure() as f64);
        }
        // The bound is looked for only where a key has failed.
        let requested: HashMap<_, _> = of(requests).iter().map(|heavy| (heavy.key, ())).collect();
        let (failures, denials) = (of(failed), of(denied));
        for heavy in failures.iter().chain(&denials) {
            if !requested.contains_key(&heavy.key) {
                let unseen = requests.floor(heavy.key).max(heavy.sure());
                self.keys.entry(heavy.key).or_default().requests += unseen as f64;
            }
        }
        for heavy in &failures {
            self.keys.entry(heavy.key).or_default().failed += heavy.sure() as f64;
        }
        for heavy in &denials {
            self.keys.entry(heavy.key).or_default().denied += heavy.sure() as f64;
        }
        self.forget();
    }

    /// What other nodes know is added; both are taken at the same time.
    pub fn join(&mut self, keys: impl IntoIterator<Item = (KeyHash, Seen)>) {
        for (key, seen) in keys {
            let own = self.keys.entry(key).or_default();
            own.rate += seen.rate;
            own.requests += seen.requests;
            own.failed += seen.failed;
            own.denied += seen.denied;
        }
    }

    /// What is known of a key.
    pub fn get(&self, key: KeyHash) -> Option<Seen> {
        self.keys.get(&key).copied()
    }

    /// The keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = (KeyHash, Seen)> + '_ {
        self.keys.iter().map(|(key, seen)| (*key, *seen))
    }

    /// The `count` keys that do most, fail most or are denied most.
    pub fn top(&self, count: usize) -> Vec<(KeyHash, Seen)> {
        let mut all: Vec<_> = self.keys().collect();
        all.sort_unstable_by(|a, b| weight(&b.1).total_cmp(&weight(&a.1)));
        all.truncate(count);
        all
    }

    /// Forgets how a key has failed and been denied: it starts anew.
    pub fn pardon(&mut self, key: KeyHash) {
        if let Some(seen) = self.keys.get_mut(&key) {
            (seen.requests, seen.failed, seen.denied) = (0.0, 0.0, 0.0);
        }
    }

    fn add(&mut self, key: KeyHash, count: f64) {
        let seen = self.keys.entry(key).or_default();
        seen.rate += (1.0 - FAST) * count / (BUCKET_US as f64 / 1e6);
        seen.requests += count;
    }

    fn fade(&mut self) {
        for seen in self.keys.values_mut() {
            seen.rate *= FAST;
            seen.requests *= SLOW;
            seen.failed *= SLOW;
            seen.denied *= SLOW;
        }
    }

    fn forget(&mut self) {
        self.keys.retain(|_, seen| seen.requests >= FADED || seen.rate >= FADED);
        if self.keys.len() > KEYS_MAX {
            let kept: HashMap<_, _> = self.top(KEYS_MAX * 3 / 4).into_iter().collect();
            self.keys = kept;
        }
    }
}

/// A failure weighs more than a request: those who fail are few.
fn weight(seen: &Seen) -> f64 {
    const FAILURE: f64 = 8.0;
    seen.rate + seen.requests / 60.0 + FAILURE * (seen.failed + seen.denied) / 60.0
}
