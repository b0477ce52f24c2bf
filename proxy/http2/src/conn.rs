//! One connection.

use bytes::Bytes;

use crate::{ErrorCode, Fed, Progress, Settings, Sink, StreamId};

/// The server side of one connection.
#[derive(Debug)]
pub struct Connection {}

impl Connection {
    /// A new connection; its preface (SETTINGS) is queued.
    pub fn new(settings: &Settings) -> Self {
        let _ = settings;
        Self {}
    }

    /// Takes in bytes up to the next event.
    ///
    /// `now_us` is any clock that does not go backwards, in microseconds; it only measures abuse.
    pub fn feed<'a>(&'a mut self, input: &'a [u8], now_us: u64) -> Fed<'a> {
        let _ = now_us;
        Fed { consumed: input.len(), event: None }
    }

    /// Answers a request completely with one field block, given in pieces, and a body. When the
    /// windows allow and nothing more urgent waits, the frames go straight to `out` (behind
    /// whatever control frames are queued); otherwise they are queued. Returns whether all of it
    /// went to `out`; only otherwise the stream will be told of by [`Self::progress`].
    ///
    /// On a stream that is not open nothing happens, as with every method below.
    pub fn answer(
        &mut self,
        stream: StreamId,
        block: &[&[u8]],
        body: &Bytes,
        out: &mut impl Sink,
    ) -> bool {
        let _ = (stream, block, body, out);
        false
    }

    /// Queues a final response head; `end` when no body and no trailers follow.
    pub fn respond(&mut self, stream: StreamId, block: &[&[u8]], end: bool) {
        let _ = (stream, block, end);
    }

    /// Queues an informational response head (1xx).
    pub fn inform(&mut self, stream: StreamId, block: &[&[u8]]) {
        let _ = (stream, block);
    }

    /// Queues a piece of a response body; `end` when it is the last and no trailers follow.
    pub fn send_data(&mut self, stream: StreamId, data: Bytes, end: bool) {
        let _ = (stream, data, end);
    }

    /// Queues the trailers, which end the response.
    pub fn send_trailers(&mut self, stream: StreamId, block: &[&[u8]]) {
        let _ = (stream, block);
    }

    /// Body bytes queued and not yet handed to a sink. Stop queueing at a bound of your own and go
    /// on at [`Progress::Writable`].
    pub fn queued_bytes(&self, stream: StreamId) -> usize {
        let _ = stream;
        0
    }

    /// Whether the response on the stream can still be sent: false after a reset, by whichever side.
    pub fn is_open(&self, stream: StreamId) -> bool {
        let _ = stream;
        false
    }

    /// Ends a stream early (RST_STREAM); what is queued for it is dropped.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        let _ = (stream, code);
    }

    /// Tells that `bytes` of the stream's request body have been taken, so that the client may send
    /// as many again.
    pub fn release(&mut self, stream: StreamId, bytes: usize) {
        let _ = (stream, bytes);
    }

    /// Hands queued frames to `out` until about `budget_bytes` were handed over, nothing is queued,
    /// or no window is open: control frames and heads first, then bodies by priority. Returns
    /// whether more could be written at once.
    pub fn write(&mut self, out: &mut impl Sink, budget_bytes: usize) -> bool {
        let _ = (out, budget_bytes);
        false
    }

    /// What the last writes brought about, one at a time; for streams whose response was queued.
    pub fn progress(&mut self) -> Option<Progress> {
        None
    }

    /// Lets time pass on a connection that receives nothing: ends uploads nobody wants any more
    /// after their response. To be called now and then, once a second or so; also gives back memory
    /// of a connection without streams.
    pub fn tick(&mut self, now_us: u64) {
        let _ = now_us;
    }

    /// Begins to end the connection. Gracefully: says that it will end (GOAWAY with the highest
    /// stream number), still takes what comes; a second call, a round trip later, says which
    /// requests were taken and no more are. Otherwise that at once. Streams that are open go on.
    pub fn go_away(&mut self, graceful: bool) {
        let _ = graceful;
    }

    /// Whether no stream is open and nothing is queued.
    pub fn is_idle(&self) -> bool {
        true
    }

    /// Streams that are open.
    pub fn streams_open(&self) -> usize {
        0
    }

    /// Whether [`Self::write`] would hand anything over.
    pub fn wants_write(&self) -> bool {
        false
    }

    /// Whether the connection is over: nothing is left but to write what is queued and close. True
    /// after an error, and after a GOAWAY of either side once the last stream is done.
    pub fn closed(&self) -> bool {
        false
    }
}
