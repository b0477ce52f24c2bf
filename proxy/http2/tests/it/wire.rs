//! Frames by hand, and a client and an owner around a connection.

use tidegate_http2::{Connection, Encoder, ErrorCode, Event, PREFACE, Settings, StreamId};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const PRIORITY_UPDATE: u8 = 16;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;
/// A request without a body in one frame.
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Reads whole frames from the beginning of `bytes`; how many bytes they are.
pub(crate) fn read_frames(bytes: &[u8]) -> (Vec<Frame>, usize) {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + 9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some(payload) = bytes.get(at + 9..at + 9 + length) else { break };
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        frames.push(Frame { kind: head[3], flags: head[4], stream, payload: payload.to_vec() });
        at += 9 + length;
    }
    (frames, at)
}

pub(crate) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = entries
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

pub(crate) fn rst(stream: u32, code: ErrorCode) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, code.0.to_be_bytes())
}

/// Field lines as literals that enter no table.
pub(crate) fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in lines {
        out.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "the tests need no longer text");
            out.push(text.len() as u8);
            out.extend(text.bytes());
        }
    }
    out
}

pub(crate) const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "example.com")];

/// The block of a GET with more lines.
pub(crate) fn get(more: &[(&str, &str)]) -> Vec<u8> {
    block(&[&GET[..], more].concat())
}

/// The block of a POST.
pub(crate) fn post(more: &[(&str, &str)]) -> Vec<u8> {
    let mut lines = GET;
    lines[0].1 = "POST";
    block(&[&lines[..], more].concat())
}

/// A whole request.
pub(crate) fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, get(&[]))
}

/// A whole request that the owner of [`Wire`] answers at once.
pub(crate) fn quick(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, get(&[("x-answer", "now")]))
}

/// A connection, its owner and what the client has seen.
pub(crate) struct Wire {
    pub(crate) conn: Connection,
    pub(crate) frames: Vec<Frame>,
    pub(crate) events: Vec<String>,
    pub(crate) requests: Vec<StreamId>,
    pub(crate) now_us: u64,
    pending: Vec<u8>,
    unread: Vec<u8>,
    /// Whether request bodies are released as they come.
    pub(crate) releases: bool,
}

impl Wire {
    /// A connection before the client's preface.
    pub(crate) fn raw(settings: &Settings) -> Self {
        Self {
            conn: Connection::new(settings),
            frames: Vec::new(),
            events: Vec::new(),
            requests: Vec::new(),
            now_us: 1,
            pending: Vec::new(),
            unread: Vec::new(),
            releases: true,
        }
    }

    /// A connection after the prefaces of both sides.
    pub(crate) fn open(settings: &Settings) -> Self {
        let mut wire = Self::raw(settings);
        wire.send(PREFACE);
        wire.send(&frame(SETTINGS, 0, 0, []));
        wire.send(&frame(SETTINGS, ACK, 0, []));
        assert!(wire.frames.iter().any(|frame| frame.kind == SETTINGS && frame.flags == ACK));
        wire
    }

    /// Sends bytes, lets the owner act, reads what is written.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.pending);
        let mut at = 0;
        loop {
            let fed = self.conn.feed(&input[at..], self.now_us);
            at += fed.consumed;
            let Some(event) = fed.event else { break };
            self.events.push(describe(&event));
            let (mut quick, mut data) = (None, None);
            match event {
                Event::Request(mut request) => {
                    self.requests.push(request.stream);
                    let answer = (&b"x-answer"[..], &b"now"[..]);
                    quick = request.fields.any(|line| line == answer).then_some(request.stream);
                }
                Event::Data { stream, data: bytes, .. } => data = Some((stream, bytes.len())),
                _ => {}
            }
            if let Some((stream, length)) = data.filter(|_| self.releases) {
                self.conn.release(stream, length);
            }
            if let Some(stream) = quick {
                self.answer(stream);
            }
        }
        self.pending = input[at..].to_vec();
        self.flush();
    }

    fn answer(&mut self, stream: StreamId) {
        let mut block = Vec::new();
        Encoder::status(&mut block, 200);
        self.conn.answer(stream, &[&block], &b"hello"[..].into(), &mut self.unread);
    }

    pub(crate) fn flush(&mut self) {
        self.conn.write(&mut self.unread, usize::MAX);
        let (frames, used) = read_frames(&self.unread);
        assert_eq!(used, self.unread.len(), "only whole frames are written");
        self.frames.extend(frames);
        self.unread.clear();
    }

    /// Frames of a type that the client has received.
    pub(crate) fn received(&self, kind: u8) -> Vec<&Frame> {
        self.frames.iter().filter(|frame| frame.kind == kind).collect()
    }

    /// The code of the GOAWAY, if there was one.
    pub(crate) fn goaway(&self) -> Option<ErrorCode> {
        let frame = self.received(GOAWAY).pop()?;
        Some(ErrorCode(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap())))
    }

    /// Streams that were reset, and the code.
    pub(crate) fn resets(&self) -> Vec<(u32, ErrorCode)> {
        let code = |frame: &&Frame| u32::from_be_bytes(frame.payload[..].try_into().unwrap());
        self.received(RST_STREAM).iter().map(|f| (f.stream, ErrorCode(code(f)))).collect()
    }

    /// Whether the connection still answers.
    pub(crate) fn is_alive(&mut self) -> bool {
        let before = self.received(PING).len();
        self.send(&frame(PING, 0, 0, *b"12345678"));
        self.received(PING).len() == before + 1 && !self.conn.closed()
    }
}

fn describe(event: &Event<'_>) -> String {
    match event {
        Event::Request(request) => {
            let parts = &request.parts;
            let (stream, ended) = (request.stream.number(), parts.ended);
            format!("request {stream} {} {} ended={ended}", parts.method, parts.path)
        }
        Event::TooLarge { stream } => format!("too large {}", stream.number()),
        Event::Malformed { stream, detail, .. } => {
            format!("malformed {}: {detail}", stream.number())
        }
        Event::Data { stream, data, end } => {
            format!("data {} {} end={end}", stream.number(), data.escape_ascii())
        }
        Event::Trailers { stream, fields } => {
            format!("trailers {} {:?}", stream.number(), fields)
        }
        Event::Reset { stream, code, by_client } => {
            format!("reset {} {} by_client={by_client}", stream.number(), code.name())
        }
        Event::GoAway { code } => format!("goaway {}", code.name()),
        Event::Closed { code, detail } => format!("closed {}: {detail}", code.name()),
    }
}
