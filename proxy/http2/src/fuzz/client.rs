//! A client that keeps the books: every frame written to it is checked against what it allowed.

use std::collections::BTreeMap;

use super::{act, note};
use crate::{Connection, ErrorCode, PREFACE, Settings};

/// What the client does next.
#[derive(Debug, Clone)]
pub(super) enum Do {
    Frame { kind: u8, flags: u8, stream: u32, payload: Vec<u8> },
    Settings { initial_window: u32, frame_bytes_max: Option<u32> },
    WindowUpdate { stream: u32, bytes: u32 },
    Tick,
    GoAway,
}

/// Reads bytes as things to do.
pub(super) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u32> {
        // Small and huge ones both come up.
        let (byte, shift) = (self.byte()?, self.byte()? % 24);
        Some(u32::from(byte) << shift)
    }

    fn stream(&mut self) -> Option<u32> {
        self.byte().map(|byte| u32::from(byte % 40))
    }

    fn payload(&mut self) -> Option<Vec<u8>> {
        let length = usize::from(self.byte()?);
        let (payload, rest) = self.0.split_at(self.0.len().min(length));
        self.0 = rest;
        Some(payload.to_vec())
    }
}

impl Iterator for Script<'_> {
    type Item = Do;

    fn next(&mut self) -> Option<Do> {
        Some(match self.byte()? % 12 {
            0..=3 => {
                let (id, more) = (self.stream()? | 1, self.byte()?);
                let mut payload = vec![0x82, 0x84, 0x86];
                payload.extend(self.payload()?);
                let flags = if more % 4 == 0 { 4 } else { 5 };
                Do::Frame { kind: 1, flags, stream: id, payload }
            }
            4 | 5 => {
                let (flags, stream) = (self.byte()? & 0x09, self.stream()? | 1);
                let payload = vec![self.byte()?; self.number()? as usize % 20_000];
                Do::Frame { kind: 0, flags, stream, payload }
            }
            6 => {
                let bytes = self.number()?;
                let larger = self.byte()? % 4 == 0;
                Do::Settings {
                    initial_window: bytes,
                    frame_bytes_max: larger.then_some(16_384 + bytes % 50_000),
                }
            }
            7 | 8 => {
                let stream = self.stream()?;
                let stream = if stream % 3 == 0 { 0 } else { stream | 1 };
                Do::WindowUpdate { stream, bytes: self.number()? }
            }
            9 => Do::Tick,
            10 if self.byte()? % 16 == 0 => Do::GoAway,
            _ => Do::Frame {
                kind: self.byte()?,
                flags: self.byte()?,
                stream: self.stream()?,
                payload: self.payload()?,
            },
        })
    }
}

/// What a client remembers of a stream.
#[derive(Debug)]
struct Book {
    window: i64,
    headed: bool,
    ended: bool,
    reset: bool,
}

pub(super) struct Client {
    conn: Connection,
    now_us: u64,
    window: i64,
    initial_window: i64,
    frame_bytes_max: usize,
    books: BTreeMap<u32, Book>,
    failed: bool,
    unread: Vec<u8>,
    notes: Vec<String>,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut client = Self {
            conn: Connection::new(settings),
            now_us: 0,
            window: 65_535,
            initial_window: 65_535,
            frame_bytes_max: 16_384,
            books: BTreeMap::new(),
            failed: false,
            unread: Vec::new(),
            notes: Vec::new(),
        };
        client.send(PREFACE);
        client.perform(&Do::Settings { initial_window: 65_535, frame_bytes_max: None });
        client
    }

    pub(super) const fn is_over(&self) -> bool {
        self.failed
    }

    pub(super) fn perform(&mut self, step: &Do) {
        match step {
            Do::Tick => {
                self.now_us += 700_000;
                self.conn.tick(self.now_us);
                self.read();
            }
            Do::GoAway => {
                self.conn.go_away(true);
                self.read();
            }
            Do::Frame { kind, flags, stream, payload } => {
                self.allow(*kind, *flags, *stream, payload);
                self.send_frame(*kind, *flags, *stream, payload);
            }
            Do::Settings { initial_window, frame_bytes_max } => {
                let mut payload = entry(4, *initial_window);
                payload.extend(frame_bytes_max.map(|bytes| entry(5, bytes)).unwrap_or_default());
                self.allow(4, 0, 0, &payload);
                self.send_frame(4, 0, 0, &payload);
            }
            Do::WindowUpdate { stream, bytes } => {
                self.allow(8, 0, *stream, &bytes.to_be_bytes());
                self.send_frame(8, 0, *stream, &bytes.to_be_bytes());
            }
        }
        self.balance();
    }

    /// Writes into the books what a frame allows the server.
    fn allow(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        match (kind, payload) {
            (1, _) if !stream.is_multiple_of(2) => {
                let window = self.initial_window;
                let book = Book { window, headed: false, ended: false, reset: false };
                self.books.entry(stream).or_insert(book);
            }
            (4, _) if flags & 1 == 0 && stream == 0 && payload.len().is_multiple_of(6) => {
                payload.chunks(6).for_each(|entry| self.set(entry));
            }
            (8, &[a, b, c, d]) => {
                let bytes = i64::from(u32::from_be_bytes([a & 0x7f, b, c, d]));
                match (stream, self.books.get_mut(&stream)) {
                    (0, _) => self.window += bytes,
                    (_, Some(book)) => book.window += bytes,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, entry: &[u8]) {
        let value = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
        match entry[1] {
            4 if entry[0] == 0 => {
                let change = i64::from(value) - self.initial_window;
                self.initial_window += change;
                self.books.values_mut().for_each(|book| book.window += change);
            }
            5 if entry[0] == 0 => self.frame_bytes_max = value as usize,
            _ => {}
        }
    }

    fn send_frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        self.send(&bytes);
    }

    fn send(&mut self, input: &[u8]) {
        let mut at = 0;
        loop {
            let fed = self.conn.feed(&input[at..], self.now_us);
            at += fed.consumed;
            let Some(event) = fed.event else { break };
            let action = note(&event, &mut self.notes);
            act(&mut self.conn, action, &mut self.unread);
        }
        assert_eq!(at, input.len(), "whole frames leave nothing");
        self.notes.clear();
        self.read();
    }

    /// Reads what is written, in two writes, and checks every frame.
    fn read(&mut self) {
        self.conn.write(&mut self.unread, 1000);
        self.conn.write(&mut self.unread, usize::MAX);
        while self.conn.progress().is_some() {}
        let bytes = std::mem::take(&mut self.unread);
        let mut rest = &bytes[..];
        while let Some((head, after)) = rest.split_first_chunk::<9>() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let (payload, after) = after.split_at(length);
            self.check(head[3], head[4], stream, payload);
            rest = after;
        }
        assert!(rest.is_empty(), "only whole frames are written");
    }

    fn check(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        assert!(!self.failed, "nothing follows an error");
        assert!(payload.len() <= self.frame_bytes_max, "a frame beyond the setting");
        match kind {
            0 | 1 | 3 | 9 => self.check_stream(kind, flags, stream, payload),
            4 | 6 => assert_eq!(stream, 0),
            7 => {
                let code = u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]);
                self.failed = code != ErrorCode::NO_ERROR.0;
            }
            8 => assert!(payload.len() == 4 && payload != [0; 4]),
            _ => panic!("a frame of type {kind} is written"),
        }
    }

    fn check_stream(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let highest = self.books.keys().last().copied().unwrap_or_default();
        let Some(book) = self.books.get_mut(&stream) else {
            // A number that was skipped is closed (RFC 9113 5.1.1).
            if kind == 3 && stream < highest {
                return;
            }
            panic!("a frame on stream {stream}, which is idle")
        };
        if kind == 3 {
            book.reset = true;
            return;
        }
        assert!(!book.ended && !book.reset, "a frame on stream {stream}, which is closed");
        book.ended = flags & 1 != 0 && kind != 9;
        if kind == 0 {
            assert!(book.headed, "a body without a head");
            book.window -= payload.len() as i64;
            self.window -= payload.len() as i64;
            let empty = payload.is_empty();
            assert!(empty || (book.window >= 0 && self.window >= 0), "a window is exceeded");
        }
        book.headed = true;
    }

    /// Nothing may wait for a write that could go, and what is over stays over.
    fn balance(&self) {
        assert!(!self.conn.wants_write());
        assert_eq!(self.conn.closed() && !self.failed, self.conn.closed() && self.ended_well());
        assert!(self.conn.streams_open() <= 4);
        assert!(self.conn.state_bytes() < 128 * 1024, "{}", self.conn.state_bytes());
    }

    fn ended_well(&self) -> bool {
        !self.failed && self.conn.streams_open() == 0
    }
}

fn entry(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}
