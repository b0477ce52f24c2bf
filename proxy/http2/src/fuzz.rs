//! Bodies of the fuzz targets: each takes arbitrary bytes and panics when a promise is broken.
//!
//! They live beside the parsers so that a smoke run of each is part of the tests; the targets in
//! `fuzz/` are two lines each.

mod client;

use bytes::Bytes;

use self::client::{Client, Script};
use crate::{
    Connection, Encoder, ErrorCode, Event, PREFACE, Settings, StreamId,
    hpack::{Decoder, Kind, Outcome, SectionLimits},
};

/// A fuzz target by name.
pub type Body = fn(&[u8]);

/// Every target, for the smoke run and for `fuzz/`.
pub const ALL: &[(&str, Body)] =
    &[("hpack", hpack), ("h2_connection", h2_connection), ("h2_script", h2_script)];

const LIMITS: SectionLimits = SectionLimits { bytes_max: 2048, lines_max: 24 };

/// Settings that are soon exhausted.
fn tight() -> Settings {
    Settings {
        streams_max: 4,
        initial_stream_window_bytes: 5000,
        connection_window_bytes: 65_535,
        head_bytes_max: 2048,
        fields_max: 16,
        header_table_bytes: 256,
        extended_connect: true,
        ..Settings::default()
    }
}

/// Blocks, each behind its length: the table keeps its size, and what was read reads the same when
/// it is written again.
pub fn hpack(data: &[u8]) {
    let mut decoder = Decoder::new(256, LIMITS);
    let mut rest = data;
    while let Some((&length, after)) = rest.split_first() {
        let (block, after) = after.split_at(after.len().min(usize::from(length)));
        rest = after;
        match decoder.decode(block) {
            Ok(Outcome::Complete) => same_again(&decoder),
            Ok(Outcome::TooLarge) => {}
            Err(_) => return,
        }
        assert!(decoder.lines().len() <= LIMITS.lines_max);
        assert!(decoder.heap_bytes() < 256 * 1024);
        if length.is_multiple_of(7) {
            decoder.relax();
        }
    }
}

fn same_again(decoder: &Decoder) {
    let arena = decoder.arena();
    let mut block = Vec::new();
    let written: Vec<_> = decoder
        .lines()
        .iter()
        .filter(|line| matches!(line.kind, Kind::Regular | Kind::ContentLength | Kind::Priority))
        .map(|line| (line.name(arena), line.value(arena)))
        .collect();
    for (name, value) in &written {
        assert!(Encoder::field(&mut block, name, value));
    }
    let mut other = Decoder::new(4096, LIMITS);
    assert_eq!(other.decode(&block), Ok(Outcome::Complete));
    let arena = other.arena();
    let read: Vec<_> = other.lines().iter().map(|l| (l.name(arena), l.value(arena))).collect();
    assert_eq!(written, read);
}

/// A client's bytes behind its preface: the same events and the same frames, whether they come at
/// once or in pieces. Bodies are not released here: when a window is announced anew depends on the
/// pieces.
pub fn h2_connection(data: &[u8]) {
    let Some((&first, data)) = data.split_first() else { return };
    let piece = 1 + usize::from(first) % 64;
    let whole = Run::of(data, usize::MAX);
    let pieces = Run::of(data, piece);
    assert_eq!(whole.seen, pieces.seen);
    assert_eq!(whole.out, pieces.out);
}

/// A client that knows frames, with a model of what it may be sent.
pub fn h2_script(data: &[u8]) {
    let mut client = Client::new(&tight());
    for step in Script::new(data) {
        client.perform(&step);
        if client.is_over() {
            return;
        }
    }
}

/// A connection whose owner does something different on each stream.
struct Run {
    conn: Connection,
    seen: Vec<String>,
    out: Vec<u8>,
}

impl Run {
    fn of(data: &[u8], piece: usize) -> Self {
        let mut run = Self { conn: Connection::new(&tight()), seen: Vec::new(), out: Vec::new() };
        let input = [PREFACE, data].concat();
        let (mut from, mut to) = (0, 0);
        while to < input.len() {
            to = input.len().min(to.saturating_add(piece));
            from += run.feed(&input[from..to]);
            assert!(to - from <= 9 + 16_384, "what is left is less than a frame");
        }
        // All at the end: what goes when is another target's matter.
        run.conn.write(&mut run.out, usize::MAX);
        run
    }

    fn feed(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let fed = self.conn.feed(&input[at..], 0);
            at += fed.consumed;
            let Some(event) = fed.event else { return at };
            let action = note(&event, &mut self.seen);
            act(&mut self.conn, action, &mut self.out);
        }
    }
}

/// What the owner does about an event.
#[derive(Debug, Clone, Copy)]
enum Action {
    Nothing,
    Answer(StreamId),
}

fn note(event: &Event<'_>, seen: &mut Vec<String>) -> Action {
    match event {
        Event::Request(request) => {
            let fields: Vec<_> = request.fields.clone().collect();
            seen.push(format!("{:?} {:?} {fields:?}", request.stream, request.parts));
            Action::Answer(request.stream)
        }
        Event::Data { stream, data, end } => {
            // One line a byte: pieces make no difference.
            seen.extend(data.iter().map(|byte| format!("{stream:?} {byte}")));
            if *end {
                seen.push(format!("{stream:?} ends"));
            }
            Action::Nothing
        }
        Event::TooLarge { stream } => {
            seen.push(format!("{event:?}"));
            Action::Answer(*stream)
        }
        _ => {
            seen.push(format!("{event:?}"));
            Action::Nothing
        }
    }
}

fn act(conn: &mut Connection, action: Action, out: &mut Vec<u8>) {
    match action {
        Action::Nothing => {}
        Action::Answer(stream) => match stream.number() % 16 {
            1 => conn.respond(stream, &[&[0x88]], true),
            3 => conn.reset(stream, ErrorCode::CANCEL),
            5 => {
                conn.respond(stream, &[&[0x88]], false);
                conn.send_data(stream, Bytes::from_static(&[7; 3000]), false);
                conn.send_trailers(stream, &[&[0x00, 1, b'a', 1, b'b']]);
            }
            7 => {}
            9 | 11 => {
                conn.answer(stream, &[&[0x88]], &Bytes::from_static(&[7; 9000]), out);
            }
            _ => {
                conn.respond(stream, &[&[0x88]], false);
                conn.send_data(stream, Bytes::from_static(&[7; 40_000]), true);
            }
        },
    }
}

#[cfg(test)]
mod tests;
