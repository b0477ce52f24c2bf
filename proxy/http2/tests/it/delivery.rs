//! Random clients that keep to the rules: every stream ends, and what arrives is what was sent.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidegate_http2::{Connection, Event, PREFACE, Settings, StreamId};
use tidegate_testkit::fuzz::Random;

use crate::wire::*;

const SEEDS: u64 = 60;
const STEPS_MAX: usize = 50_000;
const STREAMS: u32 = 25;

/// One exchange as the client sees it: the server echoes the body.
struct Exchange {
    body: Vec<u8>,
    sent: usize,
    window: i64,
    received: Vec<u8>,
    unacknowledged: u32,
    trailers: bool,
    ended: bool,
}

struct Client {
    random: Random,
    exchanges: BTreeMap<u32, Exchange>,
    next: u32,
    /// What may be sent on all streams, and what was received and not acknowledged.
    window: i64,
    unacknowledged: u32,
    initial_window: i64,
    output: Vec<u8>,
    input: Vec<u8>,
}

impl Client {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let window = 1 + random.below(70_000) as u32;
        let mut output = PREFACE.to_vec();
        output.extend(settings(&[(4, window), (5, 16_384 + random.below(20_000) as u32)]));
        Self {
            random,
            exchanges: BTreeMap::new(),
            next: 1,
            window: 65_535,
            unacknowledged: 0,
            initial_window: 65_535,
            output,
            input: Vec::new(),
        }
    }

    fn is_done(&self) -> bool {
        self.next > 2 * STREAMS && self.exchanges.values().all(|exchange| exchange.ended)
    }

    /// Opens a stream or sends a piece of a body, as far as the windows go.
    fn act(&mut self) {
        if self.next <= 2 * STREAMS && self.random.chance(20) {
            self.open();
        }
        let under_way: Vec<u32> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.sent < exchange.body.len())
            .map(|(stream, _)| *stream)
            .collect();
        if !under_way.is_empty() {
            let stream = under_way[self.random.below(under_way.len())];
            self.send_piece(stream);
        }
        self.acknowledge();
    }

    fn open(&mut self) {
        let length = [0, 10, 5000, 120_000][self.random.below(4)];
        let body: Vec<u8> = (0..length).map(|i| (i as u32 * self.next) as u8).collect();
        let urgency = ["u=0", "i", "u=7, i", "u=2"][self.random.below(4)];
        let more: &[_] = if self.random.chance(30) { &[("priority", urgency)] } else { &[] };
        let flags = if length == 0 { WHOLE } else { END_HEADERS };
        self.output.extend(frame(HEADERS, flags, self.next, post(more)));
        let exchange = Exchange {
            body,
            sent: 0,
            window: self.initial_window,
            received: Vec::new(),
            unacknowledged: 0,
            trailers: false,
            ended: false,
        };
        self.exchanges.insert(self.next, exchange);
        self.next += 2;
    }

    fn send_piece(&mut self, stream: u32) {
        let padding = if self.random.chance(20) { self.random.below(200) } else { 0 };
        let wanted = 1 + self.random.below(16_000 - padding);
        let exchange = self.exchanges.get_mut(&stream).unwrap();
        let window =
            self.window.min(exchange.window) - if padding > 0 { 1 + padding as i64 } else { 0 };
        let left = exchange.body.len() - exchange.sent;
        let length = wanted.min(left).min(window.max(0) as usize);
        if length == 0 {
            return;
        }
        let piece = &exchange.body[exchange.sent..exchange.sent + length];
        let end = if length == left { END_STREAM } else { 0 };
        let (flags, payload) = match padding {
            0 => (end, piece.to_vec()),
            _ => (end | PADDED, [&[padding as u8], piece, &vec![0; padding]].concat()),
        };
        exchange.sent += length;
        exchange.window -= payload.len() as i64;
        self.window -= payload.len() as i64;
        self.output.extend(frame(DATA, flags, stream, payload));
    }

    fn acknowledge(&mut self) {
        if self.unacknowledged > 0 && self.random.chance(30) {
            self.output.extend(window_update(0, std::mem::take(&mut self.unacknowledged)));
        }
        for (stream, exchange) in &mut self.exchanges {
            if exchange.unacknowledged > 0 && !exchange.ended && self.random.chance(30) {
                let bytes = std::mem::take(&mut exchange.unacknowledged);
                self.output.extend(window_update(*stream, bytes));
            }
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        let (frames, used) = read_frames(&self.input);
        self.input.drain(..used);
        frames.into_iter().for_each(|frame| self.handle(frame));
    }

    fn handle(&mut self, frame: Frame) {
        let number = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => {
                for entry in frame.payload.chunks(6).filter(|entry| entry[1] == 4) {
                    let value = i64::from(u32::from_be_bytes(entry[2..].try_into().unwrap()));
                    let change = value - self.initial_window;
                    self.exchanges.values_mut().for_each(|exchange| exchange.window += change);
                    self.initial_window = value;
                }
                self.output.extend(crate::wire::frame(SETTINGS, ACK, 0, []));
            }
            WINDOW_UPDATE if frame.stream == 0 => self.window += i64::from(number(0)),
            WINDOW_UPDATE => {
                let exchange = self.exchanges.get_mut(&frame.stream).unwrap();
                exchange.window += i64::from(number(0));
            }
            DATA | HEADERS => self.handle_stream(&frame),
            SETTINGS => {}
            _ => panic!("{frame:?}"),
        }
    }

    fn handle_stream(&mut self, frame: &Frame) {
        let exchange = self.exchanges.get_mut(&frame.stream).unwrap();
        assert!(!exchange.ended);
        exchange.ended = frame.flags & END_STREAM != 0;
        if frame.kind == DATA {
            exchange.received.extend_from_slice(&frame.payload);
            exchange.unacknowledged += frame.payload.len() as u32;
            self.unacknowledged += frame.payload.len() as u32;
        } else {
            exchange.trailers |= exchange.ended;
        }
    }
}

/// An owner that echoes, releasing what it took now or later.
struct Owner {
    conn: Connection,
    random: Random,
    unreleased: Vec<(StreamId, usize)>,
    out: Vec<u8>,
}

impl Owner {
    fn turn(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let fed = self.conn.feed(&input[at..], 0);
            at += fed.consumed;
            match fed.event {
                None => break,
                Some(Event::Request(request)) => {
                    let (stream, ended) = (request.stream, request.parts.ended);
                    self.conn.respond(stream, &[&[0x88]], false);
                    if ended {
                        self.finish(stream);
                    }
                }
                Some(Event::Data { stream, data, end }) => {
                    self.unreleased.push((stream, data.len()));
                    let data = Bytes::copy_from_slice(data);
                    self.conn.send_data(stream, data, false);
                    if end {
                        self.finish(stream);
                    }
                }
                Some(event) => panic!("{event:?}"),
            }
        }
        if self.random.chance(50) {
            for (stream, bytes) in self.unreleased.drain(..) {
                self.conn.release(stream, bytes);
            }
        }
        self.conn.write(&mut self.out, self.random.below(30_000));
        while self.conn.progress().is_some() {}
        at
    }

    fn finish(&mut self, stream: StreamId) {
        if stream.number() % 4 == 1 {
            self.conn.send_trailers(stream, &[&block(&[("x-end", "yes")])]);
        } else {
            self.conn.send_data(stream, Bytes::new(), true);
        }
    }
}

fn converse(seed: u64) {
    let settings = Settings {
        initial_stream_window_bytes: 20_000,
        connection_window_bytes: 65_535,
        ..Settings::default()
    };
    let mut client = Client::new(seed);
    let conn = Connection::new(&settings);
    let (unreleased, out) = (Vec::new(), Vec::new());
    let mut owner = Owner { conn, random: Random(seed + 1), unreleased, out };
    let mut in_flight = Vec::new();
    for _ in 0..STEPS_MAX {
        client.act();
        let length = client.random.below(40_000).min(client.output.len());
        in_flight.extend(client.output.drain(..length));
        let used = owner.turn(&in_flight);
        in_flight.drain(..used);
        client.read(&std::mem::take(&mut owner.out));
        if client.is_done() {
            break;
        }
    }
    for (stream, exchange) in &client.exchanges {
        assert!(exchange.ended, "stream {stream} of seed {seed} does not end: {:?}", owner.conn);
        assert!(exchange.received == exchange.body, "stream {stream} of seed {seed}");
        assert_eq!(exchange.trailers, stream % 4 == 1, "stream {stream} of seed {seed}");
    }
    assert!(client.is_done() && owner.conn.streams_open() == 0);
}

#[test]
fn every_byte_arrives_and_every_stream_ends() {
    (1..=SEEDS).for_each(converse);
}
