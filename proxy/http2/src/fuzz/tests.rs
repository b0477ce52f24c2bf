//! A bounded, seeded run of every target: seeds that mean something, changed at random.

use std::time::{Instant, SystemTime};

use super::{ALL, Body};

const ROUNDS: u64 = 20_000;

/// Seconds for each target instead of [`ROUNDS`], with a seed of the time: for long runs by hand.
const SECS_VARIABLE: &str = "TIDEGATE_FUZZ_SECS";

const SEEDS: &[&[u8]] = &[
    // Blocks of RFC 7541 C.3 and C.4, each behind its length.
    b"\x14\x82\x86\x84\x41\x0fwww.example.com\x0c\x82\x86\x84\xbe\x58\x08no-cache",
    b"\x11\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\x04\x82\x86\x84\xbe",
    b"\x05\x40\x01a\x01b\x03\x3f\x45\xbe\x01\xbe\x04\x20\x82\x86\x84",
    // Frames: settings, a request, data, a window update, a ping, a reset.
    b"\x10\0\0\0\x04\0\0\0\0\0\0\0\x03\x01\x05\0\0\0\x01\x82\x84\x86\0\0\x08\x06\0\0\0\0\0abcdefgh",
    b"\x03\0\0\0\x04\0\0\0\0\0\0\0\x05\x01\x04\0\0\0\x07\x83\x84\x86\x5c\x00\0\0\x04\0\x01\0\0\0\x07abcd",
    b"\x07\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\x10\0\0\x03\x01\x05\0\0\0\x05\x82\x84\x86\0\0\x04\x08\0\0\0\0\x05\0\0\x01\0",
    b"\x02\0\0\0\x04\0\0\0\0\0\0\0\x02\x01\x01\0\0\0\x09\x82\x84\0\0\x01\x09\x04\0\0\0\x09\x86\0\0\x04\x03\0\0\0\0\x09\0\0\0\x08",
    // Scripts: requests, bodies, windows.
    b"\0\x01\x01\0\0\x05\x01\0\x06\x40\x04\x01\0\x09\x01\0\x07\x03\xff\x08\x07\x05\xff\x09\x08\x01\xff\x0c\x09\x00",
    b"\0\x07\0\0\x04\0\x07\x61\x80\x04\x04\x01\x07\x61\x10\x02\x0a\x00\x09\x09\x08\x09\xff\x0f",
    b"\x06\x00\x00\x01\x00\x09\x01\x00\x00\x0b\x01\x00\x00\x0d\x01\x00\x06\xff\x09\x00\x07\x00\xff\x10\x09\x00\x0d\x01\x00",
];

/// Small and fast (xorshift64*): a test needs no better one.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }

    /// Bytes that mean something come up more often.
    fn byte(&mut self) -> u8 {
        const TELLING: &[u8] =
            b"\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x10\x20\x24\x40\x7f\x80\x82\x84\x86\xbe\xff";
        if self.below(3) > 0 { TELLING[self.below(TELLING.len())] } else { self.below(256) as u8 }
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let at = self.below(data.len() + 1);
        match self.below(6) {
            0 => data.insert(at, self.byte()),
            1 if at < data.len() => {
                data.remove(at);
            }
            2 if self.below(4) == 0 => data.truncate(at),
            3 | 4 => {
                let other = SEEDS[self.below(SEEDS.len())];
                let (from, len) = (self.below(other.len()), self.below(24));
                let piece = &other[from..other.len().min(from + len)];
                data.splice(at..at, piece.iter().copied());
            }
            _ if at < data.len() => data[at] = self.byte(),
            _ => {}
        }
    }
}

fn smoke(name: &str, body: Body) {
    let started = Instant::now();
    let secs = std::env::var(SECS_VARIABLE).ok().and_then(|secs| secs.parse().ok());
    let seed = secs.map_or(0, |_: u64| SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ u64::from(seed));
    for seed in SEEDS {
        body(seed);
    }
    for round in 0.. {
        if secs.map_or(round >= ROUNDS, |secs| started.elapsed().as_secs() >= secs) {
            break;
        }
        let mut data = SEEDS[random.below(SEEDS.len())].to_vec();
        for _ in 0..=random.below(12) {
            random.change(&mut data);
        }
        if random.below(4) == 0 {
            let length = random.below(200);
            data.extend((0..length).map(|_| random.byte()));
        }
        let shown = data.clone();
        if std::panic::catch_unwind(|| body(&data)).is_err() {
            panic!("{name} fails on {:?}", shown.escape_ascii().to_string());
        }
    }
}

#[test]
fn every_target_survives_a_seeded_run() {
    for (name, body) in ALL {
        smoke(name, *body);
    }
}

/// The runner must be able to fail: a target that dislikes what the seeds turn into is caught.
#[test]
fn the_canary_dies() {
    let canary: Body = |data| assert!(!data.contains(&0x7f));
    assert!(std::panic::catch_unwind(|| smoke("canary", canary)).is_err());
}
