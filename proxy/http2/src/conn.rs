//! One connection.
//!
//! LIFECYCLE of a stream. It exists from a request head that was accepted (`section.rs`) until both
//! sides have ended or one has reset it. The client's side ends with END_STREAM; ours when the
//! frame with END_STREAM has been written (`send.rs`, `schedule.rs`), and the stream is then
//! `answered`: what the client still sends is checked and discarded, until it ends, half a window
//! was wasted, or a second has passed; then the client is told to stop (RST_STREAM, NO_ERROR;
//! RFC 9113 8.1). A closed stream leaves its number in `ended` or `reset`, so that frames that were
//! under way are judged as RFC 9113 5.1 wants.

mod abuse;
mod control;
mod fingerprint;
mod frame;
mod receive;
mod schedule;
mod section;
mod send;
mod streams;

use std::{collections::VecDeque, fmt, ops::Range};

use tidegate_http::H2Parts;

use self::{
    abuse::{Abuse, Nuisance},
    fingerprint::Fingerprint,
    frame::{FrameHead, kind, setting, write_words},
    receive::Body,
    section::Assembly,
    streams::{Recent, Streams},
};
use crate::{
    ErrorCode, Event, Fed, FieldsIter, Priority, Progress, Request, Settings, StreamId,
    hpack::{Decoder, SectionLimits, TABLE_BYTES_DEFAULT},
    request::Checked,
};

/// The largest window (RFC 9113 6.9.1) and the highest stream number.
const WINDOW_BYTES_MAX: i64 = 0x7fff_ffff;
/// Every window before any setting (RFC 9113 6.9.2).
const WINDOW_BYTES_DEFAULT: u32 = 65_535;
/// The largest frame before any setting, and the least that may be set (RFC 9113 6.5.2).
const FRAME_BYTES_DEFAULT: u32 = 16_384;
const FRAME_BYTES_CAP: u32 = (1 << 24) - 1;
/// Pseudo-header fields that a request may have.
const PSEUDO_FIELDS_MAX: usize = 5;
/// How long an upload that nobody wants is borne after the response.
const UNWANTED_US_MAX: u64 = 1_000_000;
/// Control buffers up to this size are kept when they are empty.
const READY_BYTES_KEPT: usize = 4096;
/// Priorities kept for streams that are not open yet.
const EARLY_PRIORITIES_MAX: usize = 16;

/// The server side of one connection.
///
/// An idle one takes about 1 KiB and the dynamic table of the client, at most `header_table_bytes`;
/// see [`Connection::state_bytes`].
pub struct Connection {
    settings: Settings,
    phase: Phase,
    now_us: u64,

    decoder: Decoder,
    assembly: Option<Box<Assembly>>,
    body: Option<Body>,

    streams: Streams,
    /// The highest stream number seen.
    last_id: u32,
    ended: Recent<32>,
    reset: Recent<64>,
    early_priorities: VecDeque<(u32, Priority)>,
    /// Whether the client ever said anything of priorities.
    prioritised: bool,

    /// What may be sent on all streams together.
    send_window: i64,
    /// What the client may still send on all streams together.
    recv_window: i64,
    /// Taken by the owner, not yet told to the client.
    unannounced: u32,
    /// Whether the client has acknowledged our settings.
    settled: bool,
    peer: Peer,

    /// Control frames and response heads, in order: they go before any body.
    ready: Vec<u8>,
    /// Places of the streams that have body bytes queued.
    sendable: Vec<u16>,
    /// Counts DATA frames, to serve in turn.
    turn: u64,
    progress: VecDeque<Progress>,

    goaway: GoAway,
    client_goes_away: bool,
    abuse: Abuse,
    fingerprint: Fingerprint,
}

/// What the client has set.
#[derive(Debug)]
struct Peer {
    initial_window: i64,
    frame_bytes_max: usize,
    /// A table smaller than the default is to be acknowledged in the next field block (RFC 7541
    /// 4.2), although we never use it.
    table_update_due: bool,
    table_shrunk: bool,
    no_rfc7540_priorities: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// So many bytes of the client's preface have come.
    Preface(usize),
    /// The first frame must be SETTINGS.
    FirstSettings,
    Open,
    /// An error ended it.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GoAway {
    Not,
    /// The client knows that the end comes; every stream is still taken.
    Announced,
    /// Streams above this number are not taken.
    Final(u32),
}

/// A broken rule and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Connection(ErrorCode, &'static str),
    Stream(u32, ErrorCode, &'static str),
}

/// One step through the input.
enum Step {
    /// More input is needed.
    More,
    /// So many bytes are done with.
    Done(usize),
    /// So many bytes are done with, and something happened.
    Event(usize, Pending),
}

/// An event without the borrows.
enum Pending {
    Request {
        id: u32,
        ended: bool,
        checked: Checked,
    },
    TooLarge {
        id: u32,
    },
    Malformed {
        id: u32,
        code: ErrorCode,
        detail: &'static str,
    },
    /// A range of what this step has consumed.
    Data {
        id: u32,
        data: Range<usize>,
        end: bool,
    },
    Trailers {
        id: u32,
    },
    Reset {
        id: u32,
        code: ErrorCode,
        by_client: bool,
    },
    GoAway {
        code: ErrorCode,
    },
    Closed {
        code: ErrorCode,
        detail: &'static str,
    },
}

impl Connection {
    /// A new connection; its preface (SETTINGS) is queued. Settings out of their range are taken
    /// as the nearest that is in it.
    pub fn new(settings: &Settings) -> Self {
        let settings = within_range(settings.clone());
        let limits = SectionLimits {
            bytes_max: settings.head_bytes_max as usize,
            lines_max: settings.fields_max as usize + PSEUDO_FIELDS_MAX,
        };
        let mut conn = Self {
            phase: Phase::Preface(0),
            now_us: 0,
            decoder: Decoder::new(settings.header_table_bytes as usize, limits),
            assembly: None,
            body: None,
            streams: Streams::default(),
            last_id: 0,
            ended: Recent::NONE,
            reset: Recent::NONE,
            early_priorities: VecDeque::new(),
            prioritised: false,
            send_window: i64::from(WINDOW_BYTES_DEFAULT),
            recv_window: i64::from(settings.connection_window_bytes),
            unannounced: 0,
            settled: false,
            peer: Peer::default(),
            ready: Vec::new(),
            sendable: Vec::new(),
            turn: 0,
            progress: VecDeque::new(),
            goaway: GoAway::Not,
            client_goes_away: false,
            abuse: Abuse::default(),
            fingerprint: Fingerprint::default(),
            settings,
        };
        conn.write_preface();
        conn
    }

    /// Takes in bytes up to the next event.
    ///
    /// `now_us` is any clock that does not go backwards, in microseconds; it only measures abuse
    /// and unwanted uploads.
    pub fn feed<'a>(&'a mut self, input: &'a [u8], now_us: u64) -> Fed<'a> {
        self.now_us = now_us;
        let mut at = 0;
        loop {
            match self.step(&input[at..]) {
                Step::More => return Fed { consumed: at, event: None },
                Step::Done(length) => at += length,
                Step::Event(length, pending) => {
                    let consumed = at + length;
                    let event = self.event(pending, &input[at..consumed]);
                    return Fed { consumed, event: Some(event) };
                }
            }
        }
    }

    /// Lets time pass on a connection that receives nothing: ends uploads nobody wants any more
    /// after their response, and gives back memory of a connection without streams. To be called
    /// now and then, once a second or so.
    pub fn tick(&mut self, now_us: u64) {
        self.now_us = now_us;
        let slots: Vec<u16> = self.streams.slots().collect();
        for slot in slots {
            let stream = self.streams.at(slot);
            if stream.answered && now_us.saturating_sub(stream.answered_us) >= UNWANTED_US_MAX {
                self.stop_upload(slot);
            }
        }
        if self.streams.is_empty() {
            self.relax();
        }
    }

    /// Begins to end the connection. Gracefully: says that it will end (GOAWAY with the highest
    /// stream number) and still takes what comes; a second call, a round trip later, says which
    /// requests were taken and that no more are. Not gracefully: says that at once. Streams that
    /// are open go on.
    pub fn go_away(&mut self, graceful: bool) {
        if self.phase == Phase::Failed || matches!(self.goaway, GoAway::Final(_)) {
            return;
        }
        let last = if graceful && self.goaway == GoAway::Not {
            self.goaway = GoAway::Announced;
            WINDOW_BYTES_MAX as u32
        } else {
            self.goaway = GoAway::Final(self.last_id);
            self.last_id
        };
        write_words(&mut self.ready, kind::GOAWAY, 0, [last, ErrorCode::NO_ERROR.0]);
    }

    /// Whether no stream is open and nothing is queued.
    pub fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.ready.is_empty()
    }

    /// Streams that are open.
    pub fn streams_open(&self) -> usize {
        self.streams.len()
    }

    /// Whether the connection is over: nothing is left but to write what is queued and close. True
    /// after an error, and after the final GOAWAY of either side once the last stream is done.
    pub fn closed(&self) -> bool {
        let ending = self.client_goes_away || matches!(self.goaway, GoAway::Final(_));
        self.phase == Phase::Failed || (ending && self.streams.is_empty())
    }

    /// What tells this client from others, once its first request has come: settings, window, priorities
    /// and the order of its pseudo-header fields, as `1:65536;4:6291456|15663105|0|m,a,s,p`.
    pub fn fingerprint(&self) -> Option<&str> {
        self.fingerprint.text()
    }

    /// The priority of a stream as the client sees it now.
    pub fn priority(&self, stream: StreamId) -> Option<Priority> {
        self.streams.find(stream.0).map(|slot| self.streams.at(slot).priority)
    }

    /// Bytes that the connection occupies, those on the heap included; body bytes that the owner
    /// queued are not counted.
    pub fn state_bytes(&self) -> usize {
        let queues = self.progress.capacity() * size_of::<Progress>()
            + self.early_priorities.capacity() * size_of::<(u32, Priority)>()
            + self.sendable.capacity() * size_of::<u16>();
        let assembly = self.assembly.as_ref().map_or(0, |assembly| assembly.heap_bytes());
        size_of::<Self>()
            + self.decoder.heap_bytes()
            + self.streams.heap_bytes()
            + self.ready.capacity()
            + assembly
            + queues
    }
}

// === between the parts ===

impl Connection {
    fn write_preface(&mut self) {
        let ours = &self.settings;
        let list_bytes = ours.head_bytes_max
            + (ours.fields_max + PSEUDO_FIELDS_MAX as u32)
                * crate::hpack::ENTRY_OVERHEAD_BYTES as u32;
        let mut announced = vec![
            (setting::MAX_CONCURRENT_STREAMS, ours.streams_max),
            (setting::INITIAL_WINDOW_SIZE, ours.initial_stream_window_bytes),
            (setting::MAX_HEADER_LIST_SIZE, list_bytes),
            // RFC 9218 2.1: only its priorities are listened to.
            (setting::NO_RFC7540_PRIORITIES, 1),
        ];
        if ours.header_table_bytes as usize != TABLE_BYTES_DEFAULT {
            announced.push((setting::HEADER_TABLE_SIZE, ours.header_table_bytes));
        }
        if ours.frame_bytes_max != FRAME_BYTES_DEFAULT {
            announced.push((setting::MAX_FRAME_SIZE, ours.frame_bytes_max));
        }
        if ours.extended_connect {
            announced.push((setting::ENABLE_CONNECT_PROTOCOL, 1));
        }
        let length = 6 * announced.len();
        FrameHead { length, kind: kind::SETTINGS, flags: 0, stream: 0 }.write(&mut self.ready);
        for (name, value) in announced {
            self.ready.extend_from_slice(&name.to_be_bytes());
            self.ready.extend_from_slice(&value.to_be_bytes());
        }
        let more = self.settings.connection_window_bytes - WINDOW_BYTES_DEFAULT;
        if more > 0 {
            write_words(&mut self.ready, kind::WINDOW_UPDATE, 0, [more]);
        }
    }

    fn event<'a>(&'a self, pending: Pending, input: &'a [u8]) -> Event<'a> {
        let stream = |id| StreamId(id);
        match pending {
            Pending::Request { id, ended, checked } => {
                Event::Request(self.request(id, ended, &checked))
            }
            Pending::TooLarge { id } => Event::TooLarge { stream: stream(id) },
            Pending::Malformed { id, code, detail } => {
                Event::Malformed { stream: stream(id), code, detail }
            }
            Pending::Data { id, data, end } => {
                Event::Data { stream: stream(id), data: &input[data], end }
            }
            Pending::Trailers { id } => {
                Event::Trailers { stream: stream(id), fields: self.fields(0) }
            }
            Pending::Reset { id, code, by_client } => {
                Event::Reset { stream: stream(id), code, by_client }
            }
            Pending::GoAway { code } => Event::GoAway { code },
            Pending::Closed { code, detail } => Event::Closed { code, detail },
        }
    }

    #[inline]
    fn request<'a>(&'a self, id: u32, ended: bool, checked: &Checked) -> Request<'a> {
        let (lines, arena) = (self.decoder.lines(), self.decoder.arena());
        let text = |index: u8| {
            let value = lines.get(usize::from(index)).map_or(&[][..], |line| line.value(arena));
            std::str::from_utf8(value).unwrap_or_default()
        };
        let parts = H2Parts {
            method: text(checked.method),
            authority: checked.authority.map(text),
            path: checked.path.map(text).unwrap_or_default(),
            ended,
            protocol: checked.protocol.map(text),
        };
        Request {
            stream: StreamId(id),
            parts,
            scheme: checked.scheme.map(text).unwrap_or_default(),
            fields: self.fields(usize::from(checked.pseudo)),
            priority: self.priority(StreamId(id)).unwrap_or_default(),
        }
    }

    fn fields(&self, from: usize) -> FieldsIter<'_> {
        FieldsIter { lines: self.decoder.lines()[from..].iter(), arena: self.decoder.arena() }
    }

    fn count(&mut self, nuisance: Nuisance) -> Result<(), Fault> {
        self.abuse.count(nuisance, &self.settings.abuse, self.now_us)
    }

    /// Ends the connection with an error (RFC 9113 5.4.1).
    fn fail(&mut self, code: ErrorCode, detail: &'static str) -> Pending {
        let length = 8 + detail.len();
        FrameHead { length, kind: kind::GOAWAY, flags: 0, stream: 0 }.write(&mut self.ready);
        self.ready.extend_from_slice(&self.last_id.to_be_bytes());
        self.ready.extend_from_slice(&code.0.to_be_bytes());
        self.ready.extend_from_slice(detail.as_bytes());
        self.phase = Phase::Failed;
        self.streams = Streams::default();
        self.sendable = Vec::new();
        (self.assembly, self.body) = (None, None);
        Pending::Closed { code, detail }
    }

    /// Ends a stream with an error (RFC 9113 5.4.2); what the owner has to know of it.
    fn fail_stream(
        &mut self,
        id: u32,
        code: ErrorCode,
        detail: &'static str,
    ) -> Result<Option<Pending>, Fault> {
        if id > self.last_id {
            // A reset of a stream that never was would itself break a rule (RFC 9113 6.4).
            return Err(Fault::Connection(code, detail));
        }
        self.count(Nuisance::Reset)?;
        let Some(slot) = self.streams.find(id) else {
            self.write_reset(id, code)?;
            return Ok(None);
        };
        let answered = self.streams.at(slot).answered;
        if !answered {
            self.count(Nuisance::EarlyReset)?;
        }
        self.write_reset(id, code)?;
        self.close(slot);
        Ok((!answered).then_some(Pending::Reset { id, code, by_client: false }))
    }

    /// Queues RST_STREAM in reply to something.
    fn write_reset(&mut self, id: u32, code: ErrorCode) -> Result<(), Fault> {
        self.count(Nuisance::Reply)?;
        write_words(&mut self.ready, kind::RST_STREAM, id, [code.0]);
        self.reset.push(id);
        Ok(())
    }

    /// Tells the client to send no more on a stream whose response is complete (RFC 9113 8.1).
    fn stop_upload(&mut self, slot: u16) {
        let id = self.streams.at(slot).id;
        write_words(&mut self.ready, kind::RST_STREAM, id, [ErrorCode::NO_ERROR.0]);
        self.reset.push(id);
        self.close(slot);
    }

    /// Removes a stream and gives what it held of the connection's window back.
    fn close(&mut self, slot: u16) {
        let stream = self.streams.at_mut(slot);
        let unreleased = std::mem::take(&mut stream.unreleased);
        if stream.queued_bytes > 0 {
            self.sendable.retain(|other| *other != slot);
        }
        self.streams.remove(slot);
        self.release_connection(unreleased);
    }

    /// Gives `bytes` of the connection's window back to the client, many at a time.
    fn release_connection(&mut self, bytes: u32) {
        self.unannounced += bytes;
        if self.unannounced >= self.settings.connection_window_bytes / 2 {
            let bytes = std::mem::take(&mut self.unannounced);
            self.recv_window += i64::from(bytes);
            write_words(&mut self.ready, kind::WINDOW_UPDATE, 0, [bytes]);
        }
    }

    fn relax(&mut self) {
        self.streams.relax();
        self.decoder.relax();
        self.ready.shrink_to_fit();
        self.sendable = Vec::new();
        self.progress.shrink_to_fit();
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            initial_window: i64::from(WINDOW_BYTES_DEFAULT),
            frame_bytes_max: FRAME_BYTES_DEFAULT as usize,
            table_update_due: false,
            table_shrunk: false,
            no_rfc7540_priorities: None,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("phase", &self.phase)
            .field("streams_open", &self.streams.len())
            .field("last_id", &self.last_id)
            .field("send_window", &self.send_window)
            .field("recv_window", &self.recv_window)
            .field("ready_bytes", &self.ready.len())
            .field("goaway", &self.goaway)
            .finish_non_exhaustive()
    }
}

fn within_range(mut settings: Settings) -> Settings {
    let window_max = WINDOW_BYTES_MAX as u32;
    settings.streams_max = settings.streams_max.min(u32::from(u16::MAX));
    settings.initial_stream_window_bytes = settings.initial_stream_window_bytes.min(window_max);
    settings.connection_window_bytes =
        settings.connection_window_bytes.clamp(WINDOW_BYTES_DEFAULT, window_max);
    settings.frame_bytes_max = settings.frame_bytes_max.clamp(FRAME_BYTES_DEFAULT, FRAME_BYTES_CAP);
    settings.head_bytes_max = settings.head_bytes_max.min(FRAME_BYTES_CAP);
    settings.fields_max = settings.fields_max.min(SETTINGS_FIELDS_CAP);
    settings.header_table_bytes = settings.header_table_bytes.min(SETTINGS_TABLE_BYTES_CAP);
    settings
}

/// Positions of pseudo-header fields are kept in 8 bits; lines have no use for more.
const SETTINGS_FIELDS_CAP: u32 = 1000;
const SETTINGS_TABLE_BYTES_CAP: u32 = 1024 * 1024;
