//! Seeded random numbers, and bounded runs of fuzz bodies with them: seeds that mean something,
//! changed at random. Coverage-guided runs are for `fuzz/`; this is what every test run can afford.

use std::{
    panic::{RefUnwindSafe, catch_unwind},
    time::{Instant, SystemTime},
};

/// Seconds for each target instead of [`Smoke::rounds`], with a seed of the time: for long runs by
/// hand.
const SECS_VARIABLE: &str = "TIDEGATE_FUZZ_SECS";
/// Changes made to one seed.
const CHANGES_MAX: usize = 12;
/// Bytes of one seed put into another.
const PIECE_BYTES_MAX: usize = 24;

/// Small and fast (xorshift64*): a test needs no better one. The seed is not 0.
#[derive(Debug)]
pub struct Random(pub u64);

/// A bounded run of fuzz bodies.
#[derive(Clone, Copy, Debug)]
pub struct Smoke<'s> {
    /// Inputs that mean something; each is also run as it is.
    pub seeds: &'s [&'s [u8]],
    /// Bytes that mean something, which come up more often than others.
    pub telling: &'s [u8],
    /// Random bytes put behind every fourth input, at most.
    pub tail_bytes_max: usize,
    /// Changed inputs a target is given.
    pub rounds: u64,
}

// === impl Random ===

impl Random {
    /// A number below `n`; 0 for an `n` of 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }

    /// True `percent` times out of a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

// === impl Smoke ===

impl Smoke<'_> {
    /// Gives a target its inputs.
    ///
    /// # Panics
    /// The target panics; the message shows the input.
    pub fn run(&self, name: &str, body: impl Fn(&[u8]) + RefUnwindSafe) {
        let started = Instant::now();
        let secs = std::env::var(SECS_VARIABLE).ok().and_then(|secs| secs.parse::<u64>().ok());
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ secs.map_or(0, |_| now_ns()));
        for seed in self.seeds {
            body(seed);
        }
        for round in 0.. {
            if secs.map_or(round >= self.rounds, |secs| started.elapsed().as_secs() >= secs) {
                break;
            }
            let data = self.input(&mut random);
            if catch_unwind(|| body(&data)).is_err() {
                panic!("{name} fails on {:?}", data.escape_ascii().to_string());
            }
        }
    }

    fn input(&self, random: &mut Random) -> Vec<u8> {
        let mut data = self.seeds[random.below(self.seeds.len())].to_vec();
        for _ in 0..=random.below(CHANGES_MAX) {
            self.change(&mut data, random);
        }
        if self.tail_bytes_max > 0 && random.below(4) == 0 {
            let length = random.below(self.tail_bytes_max);
            data.extend((0..length).map(|_| self.byte(random)));
        }
        data
    }

    fn change(&self, data: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(data.len() + 1);
        match random.below(6) {
            0 => data.insert(at, self.byte(random)),
            1 if at < data.len() => {
                data.remove(at);
            }
            2 if random.below(4) == 0 => data.truncate(at),
            3 | 4 => {
                let other = self.seeds[random.below(self.seeds.len())];
                let (from, length) = (random.below(other.len()), random.below(PIECE_BYTES_MAX));
                let piece = &other[from..other.len().min(from + length)];
                data.splice(at..at, piece.iter().copied());
            }
            _ if at < data.len() => data[at] = self.byte(random),
            _ => {}
        }
    }

    fn byte(&self, random: &mut Random) -> u8 {
        match random.below(3) {
            0 => random.below(256) as u8,
            _ => self.telling[random.below(self.telling.len())],
        }
    }
}

fn now_ns() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| u64::from(since.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::Smoke;

    /// The runner must be able to fail: a target that dislikes what a seed turns into is caught.
    #[test]
    fn the_canary_dies() {
        let smoke = Smoke { seeds: &[b"abc"], telling: b"\x7f", tail_bytes_max: 0, rounds: 100 };
        let canary = |data: &[u8]| assert!(!data.contains(&0x7f));
        assert!(std::panic::catch_unwind(|| smoke.run("canary", canary)).is_err());
    }
}
