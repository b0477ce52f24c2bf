//! How long the state machine takes for a request and its answer, without any socket: a turn of 32
//! requests in one read, each decoded, made a head where asked, and answered with a prepared block
//! and 1 KiB.
//!
//! ```text
//! cargo run --release -p tidegate-http2 --example turn
//! ```

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use tidegate_http::{H2Layout, HeadLimits, Scheme};
use tidegate_http2::{Connection, Encoder, Event, PREFACE, Settings};

const REQUESTS_A_TURN: u32 = 32;
const TURNS: u32 = 20_000;

/// Lines that enter the table with a client's first request.
const TOOL: [(&str, &str); 2] =
    [(":authority", "192.168.0.1"), ("user-agent", "h2load nghttp2/1.52.0")];
const BROWSER: [(&str, &str); 10] = [
    (":authority", "www.example.com"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130",
    ),
    ("accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    ("sec-ch-ua", "\"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-fetch-dest", "image"),
    ("referer", "https://www.example.com/products/some-page.html"),
    ("priority", "u=5, i"),
];
const PATH: &[u8] = b"/objects/0123/image-42.webp";

fn main() {
    for (name, lines, path) in [
        ("all lines in the table", &TOOL[..], &b"/"[..]),
        ("a path of 27 characters", &TOOL, PATH),
        ("a browser's 13 lines, a path of 27 characters", &BROWSER, PATH),
    ] {
        for heads in [false, true] {
            let nanoseconds = measure(lines, path, heads);
            let what = if heads { "and its head" } else { "alone" };
            println!("{name}, {what}: {nanoseconds:.0} ns a request");
        }
    }
}

/// The first request's block, which fills the table, and that of all others.
fn blocks(lines: &[(&str, &str)], path: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut first = match path {
        b"/" => b"\x82\x87\x84".to_vec(),
        _ => path_block(path),
    };
    let mut other = first.clone();
    for (index, (name, value)) in lines.iter().enumerate() {
        first.extend([0x40, name.len() as u8]);
        first.extend(name.bytes());
        first.push(value.len() as u8);
        first.extend(value.bytes());
        other.push(0x80 | (61 + lines.len() - index) as u8);
    }
    (first, other)
}

/// GET, https, and a path as nghttp sends it: a huffman literal that enters no table.
fn path_block(path: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    Encoder::field(&mut field, b"x", path);
    [b"\x82\x87\x04", &field[3..]].concat()
}

/// Nanoseconds a request: the lower quartile of all turns, because other programs run too.
fn measure(lines: &[(&str, &str)], path: &[u8], heads: bool) -> f64 {
    let (first, other) = blocks(lines, path);
    let mut bench = Bench::new(heads);
    let mut opening = PREFACE.to_vec();
    frame(&mut opening, 4, 0, 0, &[]);
    frame(&mut opening, 1, 5, 1, &first);
    bench.turn(&opening);
    let mut turns = Vec::new();
    for turn in 0..TURNS {
        let mut input = Vec::new();
        frame(&mut input, 8, 0, 0, &(1100 * REQUESTS_A_TURN).to_be_bytes());
        for request in 0..REQUESTS_A_TURN {
            frame(&mut input, 1, 5, 3 + 2 * (turn * REQUESTS_A_TURN + request), &other);
        }
        let began = Instant::now();
        let answered = bench.turn(&input);
        turns.push(began.elapsed().as_nanos());
        assert_eq!(answered, REQUESTS_A_TURN);
    }
    turns.sort_unstable();
    turns[turns.len() / 4] as f64 / f64::from(REQUESTS_A_TURN)
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
}

struct Bench {
    conn: Connection,
    heads: bool,
    block: Vec<u8>,
    date: Vec<u8>,
    body: Bytes,
    scratch: Vec<u8>,
    out: Vec<u8>,
}

impl Bench {
    fn new(heads: bool) -> Self {
        let (mut block, mut date) = (Vec::new(), Vec::new());
        Encoder::status(&mut block, 200);
        for (name, value) in [
            ("content-type", "text/plain"),
            ("content-length", "1024"),
            ("cache-control", "public, max-age=3600"),
            ("etag", "\"5f3-1a2b3c\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            Encoder::field(&mut block, name.as_bytes(), value.as_bytes());
        }
        Encoder::field(&mut date, b"date", b"Sun, 06 Nov 1994 08:49:37 GMT");
        Encoder::field(&mut date, b"age", b"17");
        Self {
            conn: Connection::new(&Settings::default()),
            heads,
            block,
            date,
            body: vec![b'x'; 1024].into(),
            scratch: Vec::new(),
            out: Vec::with_capacity(256 * 1024),
        }
    }

    /// One read, its answers, one write; how many requests it had.
    fn turn(&mut self, input: &[u8]) -> u32 {
        self.out.clear();
        let (mut at, mut answered) = (0, 0);
        loop {
            let fed = self.conn.feed(&input[at..], 0);
            at += fed.consumed;
            let request = match fed.event {
                Some(Event::Request(request)) => request,
                Some(event) => panic!("{event:?}"),
                None => break,
            };
            let stream = request.stream;
            if self.heads {
                let limits = HeadLimits::default();
                let (parts, fields) = (request.parts, request.fields);
                let layout = H2Layout::copy_checked(parts, fields, &limits, &mut self.scratch);
                let layout = layout.expect("the request is valid");
                black_box(layout.head(&self.scratch, Scheme::Https).is_ok());
            } else {
                black_box(&request);
            }
            let block: [&[u8]; 2] = [&self.block, &self.date];
            assert!(self.conn.answer(stream, &block, &self.body, &mut self.out));
            answered += 1;
        }
        self.conn.write(&mut self.out, usize::MAX);
        black_box(&self.out);
        answered
    }
}
