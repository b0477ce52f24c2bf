//! An HTTP/1 connection while one request is in the slow lane.

use std::{io, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use pingora_core::protocols::Stream;
use tidegate_http::{
    FieldList, Fields, Head, Method, Refusal, ResponseHead, Version, chunked, write_status_line,
};
use tidegate_spec::NodeLimits;
use tidegate_upstream::{Downstream, DownstreamGone, ResponseFraming};
use tokio::io::AsyncReadExt;

use super::{
    Account, BODY_TIMEOUT, BODY_TOO_LARGE, Lane,
    request_body::{Piece, RequestBody},
};
use crate::{date, out::Backlog, pace::Pace};

/// Bytes held back so that small writes leave together.
const HELD_BACK_BYTES_MAX: usize = 64 * 1024;
/// Bytes read ahead of a response: the next pipelined requests.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;
/// Room made for one read.
const READ_BYTES: usize = 16 * 1024;

/// An HTTP/1 connection while one request is in the slow lane.
pub(crate) struct H1 {
    stream: Stream,
    input: BytesMut,
    body: RequestBody,
    trailers: Option<FieldList>,
    body_bytes_left: u64,
    received_bytes: u64,
    receiving: Pace,
    sending: Pace,
    continue_due: bool,
    refusal: Option<Refusal>,
    reply: Reply,
    backlog: Backlog,
    held_back: usize,
}

/// The state of the response.
struct Reply {
    http10: bool,
    head_only: bool,
    keep_alive: bool,
    wire: Wire,
    head_sent: bool,
    finished: bool,
    sent_bytes: u64,
}

/// How the response body is delimited on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    None,
    Length(u64),
    Chunked,
    UntilClose,
    Raw,
}

// === impl H1 ===

impl H1 {
    /// Takes a connection whose request head has been read; `input` is what followed the head.
    pub(crate) fn new(
        stream: Stream,
        input: BytesMut,
        head: &Head<'_>,
        limits: &NodeLimits,
        body_bytes_max: u64,
        keep_alive: bool,
    ) -> Self {
        Self {
            stream,
            input,
            body: RequestBody::new(head.body()),
            trailers: None,
            body_bytes_left: body_bytes_max,
            received_bytes: 0,
            receiving: Pace::receiving(limits),
            sending: Pace::sending(limits),
            continue_due: head.expects_continue() && head.version() == Version::Http11,
            refusal: None,
            reply: Reply {
                http10: head.version() == Version::Http10,
                head_only: head.method() == Method::Head,
                keep_alive: keep_alive && head.keep_alive(),
                wire: Wire::None,
                head_sent: false,
                finished: false,
                sent_bytes: 0,
            },
            backlog: Backlog::default(),
            held_back: 0,
        }
    }

    /// The connection, whether the next request may follow on it, and the bytes that belong to
    /// that. A response that is not complete leaves the connection unusable: the client must see
    /// it break.
    pub(crate) fn into_parts(self) -> (Stream, bool, BytesMut) {
        let reusable = self.reply.finished && self.reply.keep_alive && self.body.is_done();
        (self.stream, reusable, self.input)
    }

    async fn read_piece(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        loop {
            match self.body.take(&mut self.input) {
                Ok(Piece::Data(data)) => return self.count(data).map(Some),
                Ok(Piece::Done) => return Ok(None),
                Ok(Piece::Trailers(trailers)) => {
                    self.trailers = Some(trailers);
                    return Ok(None);
                }
                Ok(Piece::Starved) => {}
                Err(refusal) => return Err(self.refuse(refusal)),
            }
            self.send_continue().await?;
            self.read_more().await?;
            if self.input.is_empty() {
                // The client's side is closed: an end for raw bytes, a broken body otherwise.
                let raw = matches!(self.body, RequestBody::Raw);
                return if raw { Ok(None) } else { Err(DownstreamGone) };
            }
        }
    }

    fn count(&mut self, data: Bytes) -> Result<Bytes, DownstreamGone> {
        let length = data.len() as u64;
        self.received_bytes += length;
        if length > self.body_bytes_left && !matches!(self.body, RequestBody::Raw) {
            return Err(self.refuse(BODY_TOO_LARGE));
        }
        self.body_bytes_left = self.body_bytes_left.saturating_sub(length);
        Ok(data)
    }

    fn refuse(&mut self, refusal: Refusal) -> DownstreamGone {
        self.refusal = Some(refusal);
        self.reply.keep_alive = false;
        DownstreamGone
    }

    /// Sends 100 (Continue) once, when the body is first asked for (RFC 9110 section 10.1.1).
    async fn send_continue(&mut self) -> Result<(), DownstreamGone> {
        if std::mem::take(&mut self.continue_due) && !self.reply.head_sent {
            self.push(Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
        self.send().await
    }

    /// Reads once; leaves `input` as it is when the client has closed its side.
    async fn read_more(&mut self) -> Result<(), DownstreamGone> {
        // Not into whatever the buffer has room for: what is left over must fit the worker's own.
        self.input.reserve(READ_BYTES);
        let mut room = (&mut self.input).limit(READ_BYTES);
        let read = self.stream.read_buf(&mut room);
        if matches!(self.body, RequestBody::Raw) {
            // Who speaks next, and when, is up to the protocol that was switched to.
            return read.await.map(drop).map_err(|_| DownstreamGone);
        }
        match self.receiving.wait(read).await {
            Ok(0) if !self.input.is_empty() => Err(DownstreamGone),
            Ok(read) => {
                self.receiving.moved(read);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(self.refuse(BODY_TIMEOUT)),
            Err(_) => Err(DownstreamGone),
        }
    }

    fn push(&mut self, bytes: Bytes) {
        self.held_back += bytes.len();
        self.backlog.push(bytes);
    }

    /// Sends everything held back.
    async fn send(&mut self) -> Result<(), DownstreamGone> {
        self.held_back = 0;
        self.backlog.send(&mut self.stream, &mut self.sending).await.map_err(|_| DownstreamGone)
    }

    async fn send_when_full(&mut self) -> Result<(), DownstreamGone> {
        if self.held_back >= HELD_BACK_BYTES_MAX { self.send().await } else { Ok(()) }
    }

    fn choose_wire(&mut self, status: u16, framing: ResponseFraming) {
        let bodiless = self.reply.head_only || matches!(status, 204 | 304);
        self.reply.wire = match framing {
            ResponseFraming::Empty { .. } => Wire::None,
            _ if bodiless => Wire::None,
            ResponseFraming::Length(length) => Wire::Length(length),
            ResponseFraming::Unknown if self.reply.http10 => Wire::UntilClose,
            ResponseFraming::Unknown => Wire::Chunked,
        };
        // A request body that was not read in full would be taken for the next request.
        if self.reply.wire == Wire::UntilClose || !self.body.is_done() {
            self.reply.keep_alive = false;
        }
    }

    fn write_framing(&self, status: u16, framing: ResponseFraming, out: &mut Vec<u8>) {
        // RFC 9110 section 8.6: no Content-Length with 204.
        let length = match framing {
            ResponseFraming::Length(length) if status != 204 => Some(length),
            ResponseFraming::Empty { declared } if status != 204 => declared,
            _ => None,
        };
        if let Some(length) = length {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if self.reply.wire == Wire::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        write_connection(self.reply.keep_alive, self.reply.http10, out);
    }
}

/// Adds the `Connection` field where the version's default is not what happens.
pub(crate) fn write_connection(keep_alive: bool, http10: bool, out: &mut Vec<u8>) {
    match (keep_alive, http10) {
        (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
        (true, true) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (true, false) => {}
    }
}

impl Downstream for H1 {
    async fn read_body(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        self.read_piece().await
    }

    fn body_done(&self) -> bool {
        self.body.is_done()
    }

    async fn idle(&mut self) -> DownstreamGone {
        while self.input.len() < READ_AHEAD_BYTES_MAX {
            self.input.reserve(READ_BYTES);
            let left = READ_AHEAD_BYTES_MAX - self.input.len();
            let mut room = (&mut self.input).limit(left);
            match self.stream.read_buf(&mut room).await {
                // Only its sending side is closed, as far as anyone can tell: it may well wait for
                // the answer (RFC 9112 section 9.6). Sending to a client that is gone will fail.
                Ok(0) => break,
                Err(_) => return DownstreamGone,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }

    async fn write_informational(&mut self, head: &ResponseHead) -> Result<(), DownstreamGone> {
        // RFC 9110 section 15.2: not to an HTTP/1.0 client.
        if self.reply.http10 {
            return Ok(());
        }
        let mut out = Vec::with_capacity(256);
        head.write_h1(&mut out);
        self.push(out.into());
        self.send().await
    }

    async fn write_head(
        &mut self,
        head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.choose_wire(head.status, framing);
        let mut out = Vec::with_capacity(head.fields.wire().len() + 160);
        write_status_line(head.status, &mut out);
        head.fields.write_h1(&mut out);
        if !head.fields.has("date") {
            date::write(&mut out);
        }
        self.write_framing(head.status, framing, &mut out);
        out.extend_from_slice(b"\r\n");
        self.reply.head_sent = true;
        self.push(out.into());
        Ok(())
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        if data.is_empty() {
            // An empty chunk would end the body.
            return Ok(());
        }
        let length = data.len() as u64;
        match &mut self.reply.wire {
            Wire::None => return Ok(()),
            Wire::Length(left) => *left = left.checked_sub(length).ok_or(DownstreamGone)?,
            Wire::Chunked => {
                let mut line = Vec::with_capacity(20);
                chunked::write_chunk_head(data.len(), &mut line);
                self.push(line.into());
            }
            Wire::UntilClose | Wire::Raw => {}
        }
        self.reply.sent_bytes += length;
        self.push(data);
        if self.reply.wire == Wire::Chunked {
            self.push(Bytes::from_static(chunked::CHUNK_TAIL));
        }
        self.send_when_full().await
    }

    async fn flush(&mut self) -> Result<(), DownstreamGone> {
        self.send().await
    }

    async fn finish(&mut self, trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        match self.reply.wire {
            // Fewer bytes than announced: the client must see a broken transfer.
            Wire::Length(left) if left > 0 => return Err(DownstreamGone),
            Wire::Chunked => self.push(last_chunk(trailers)),
            Wire::Raw => self.reply.keep_alive = false,
            Wire::None | Wire::Length(_) | Wire::UntilClose => {}
        }
        self.send().await?;
        self.reply.finished = true;
        Ok(())
    }

    async fn write_upgrade(&mut self, head: ResponseHead) -> Result<(), DownstreamGone> {
        let mut out = Vec::with_capacity(head.fields.wire().len() + 64);
        write_status_line(head.status, &mut out);
        head.fields.write_h1(&mut out);
        out.extend_from_slice(b"Connection: upgrade\r\n\r\n");
        self.body = RequestBody::Raw;
        self.sending.without_rate();
        self.reply.wire = Wire::Raw;
        self.reply.head_sent = true;
        self.reply.keep_alive = false;
        self.push(out.into());
        self.send().await
    }
}

impl Lane for H1 {
    fn account(&self) -> Account {
        Account {
            head_sent: self.reply.head_sent,
            body_refusal: self.refusal,
            sent_bytes: self.reply.sent_bytes,
            received_bytes: self.received_bytes,
        }
    }

    fn take_trailers(&mut self) -> Option<FieldList> {
        self.trailers.take()
    }
}

fn last_chunk(trailers: Option<FieldList>) -> Bytes {
    let Some(trailers) = trailers else { return Bytes::from_static(chunked::END) };
    let mut out = Vec::with_capacity(trailers.wire().len() + 8);
    out.extend_from_slice(b"0\r\n");
    trailers.write_h1(&mut out);
    out.extend_from_slice(b"\r\n");
    out.into()
}

/// Closes a connection in the way that lets the last answer arrive: what the client still sends is
/// read and dropped for a while, so that the kernel does not answer it with a reset.
pub(crate) async fn close_gently(mut stream: Stream) {
    const LINGER_MS: u64 = 2_000;
    const LINGER_BYTES_MAX: usize = 1 << 20;
    let drain = async {
        tokio::io::AsyncWriteExt::shutdown(&mut stream).await?;
        let mut sink = vec![0; READ_BYTES];
        let mut total = 0;
        while total < LINGER_BYTES_MAX {
            match stream.read(&mut sink).await? {
                0 => break,
                n => total += n,
            }
        }
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS), drain).await;
}
