//! A bounded, seeded run of every target: seeds that parse, changed at random.

mod hyper;

use std::time::{Instant, SystemTime};

use super::{ALL, Body};

const ROUNDS: u64 = 20_000;
/// A connection of hyper's costs more than a parser of ours.
const HYPER_ROUNDS: u64 = 3_000;

/// Seconds for each target instead of [`ROUNDS`], with a seed of the time: for long runs by hand.
const SECS_VARIABLE: &str = "TIDEGATE_FUZZ_SECS";

const SEEDS: &[&[u8]] = &[
    b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nPUT /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxyGET /4 HTTP/1.0\r\n\r\n",
    b"GET /a/%2e./b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nAccept: */*\r\nCookie: a=b\r\n\r\n",
    b"\r\nPOST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close, x\r\n\r\nabc",
    b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET\0/a?b\0example.com\0accept\0x\0cookie\0a\0cookie\0b\0te\0trailers",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nVary: a\r\n\r\n",
    b"HTTP/1.0 204\r\nTransfer-Encoding: chunked\r\nX:\r\n\r\n",
    b"5;a=b\r\nhello\r\n10 ;c\r\n0123456789abcdef\r\n0\r\nX: y\r\nHost: z\r\n\r\n",
    b"a=1;b=\"c\\\"\", d=(1.5 tok);e, f=?0, g=:aGVsbG8=:, h=@1, i=%\"%c3%bc\"",
    b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"Sunday, 06-Nov-94 08:49:37 GMT",
    b"Sun Nov  6 08:49:37 1994",
    b"a\xffb\xffc\xffvary\xffx\xffaccept\xffvary\xffcookie",
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

    /// Bytes that mean something to one of the parsers come up more often.
    fn byte(&mut self) -> u8 {
        const TELLING: &[u8] = b"\r\n\0\t :;,.=%/?#[](){}\"\\@*-+0159afAFxGZ\x7f\x80\xff";
        if self.below(3) > 0 { TELLING[self.below(TELLING.len())] } else { self.below(256) as u8 }
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let at = self.below(data.len() + 1);
        match self.below(5) {
            0 => data.insert(at, self.byte()),
            1 if at < data.len() => {
                data.remove(at);
            }
            2 => data.truncate(at),
            3 => {
                let other = SEEDS[self.below(SEEDS.len())];
                let (from, len) = (self.below(other.len()), self.below(16));
                let piece = &other[from..other.len().min(from + len)];
                data.splice(at..at, piece.iter().copied());
            }
            _ if at < data.len() => data[at] = self.byte(),
            _ => {}
        }
    }
}

fn smoke(name: &str, body: Body, rounds: u64) {
    let started = Instant::now();
    let secs = std::env::var(SECS_VARIABLE).ok().and_then(|secs| secs.parse().ok());
    let seed = secs.map_or(0, |_: u64| SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos());
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ u64::from(seed));
    for seed in SEEDS {
        body(seed);
    }
    for round in 0.. {
        if secs.map_or(round >= rounds, |secs| started.elapsed().as_secs() >= secs) {
            break;
        }
        let mut data = SEEDS[random.below(SEEDS.len())].to_vec();
        for _ in 0..=random.below(6) {
            random.change(&mut data);
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
        smoke(name, *body, ROUNDS);
    }
}

#[test]
fn hyper_sees_the_same_requests() {
    smoke("hyper", hyper::differential, HYPER_ROUNDS);
}

/// The runner must be able to fail: a target that dislikes what the seeds turn into is caught.
#[test]
fn the_canary_dies() {
    let canary: Body = |data| assert!(!data.contains(&0x7f));
    assert!(std::panic::catch_unwind(|| smoke("canary", canary, ROUNDS)).is_err());
}
