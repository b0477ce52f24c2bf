//! What a connection tells its owner.

use tidegate_http::H2Parts;

use crate::{ErrorCode, FieldsIter, Priority};

/// The number of a stream; always one that a client opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u32);

impl StreamId {
    /// The number on the wire, for logs.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// What one call of [`crate::Connection::feed`] came to.
#[derive(Debug)]
pub struct Fed<'a> {
    /// Bytes of the input that are done with. Without an event, the rest is the beginning of a frame:
    /// keep it (at most 9 bytes and `frame_bytes_max`) and feed it again with what follows.
    pub consumed: usize,
    /// What happened, if anything the owner must know of; feed again for the next.
    pub event: Option<Event<'a>>,
}

/// Something a client did.
#[derive(Debug)]
pub enum Event<'a> {
    /// A complete request head.
    Request(Request<'a>),
    /// A request whose head exceeds `head_bytes_max` or `fields_max`: to be answered with 431
    /// (RFC 9113 10.5.1), or reset.
    TooLarge {
        /// Its stream, open for an answer.
        stream: StreamId,
    },
    /// A request that is malformed (RFC 9113 8.1.1), or whose stream was refused; the stream is
    /// reset already, there is nothing to answer.
    Malformed {
        /// Its stream, which is closed.
        stream: StreamId,
        /// The code it was reset with.
        code: ErrorCode,
        /// Which rule was broken.
        detail: &'static str,
    },
    /// A piece of a request body. Every byte must be released once by
    /// [`crate::Connection::release`], unless the stream is reset or has been answered completely.
    Data {
        /// Its stream.
        stream: StreamId,
        /// The bytes; may be empty when `end` is set.
        data: &'a [u8],
        /// Whether the request is complete.
        end: bool,
    },
    /// The trailer section of a request, which is complete with it.
    Trailers {
        /// Its stream.
        stream: StreamId,
        /// The field lines.
        fields: FieldsIter<'a>,
    },
    /// A stream ended early: the client reset it, or broke a rule on it and it was reset. What was
    /// queued for it is dropped; there is nothing to answer.
    Reset {
        /// The stream, which is closed.
        stream: StreamId,
        /// The code received or sent.
        code: ErrorCode,
        /// Whether the client sent the reset.
        by_client: bool,
    },
    /// The client will open no more streams (GOAWAY); those that are open go on.
    GoAway {
        /// Its reason.
        code: ErrorCode,
    },
    /// The connection is over: write what is queued, which includes the GOAWAY, and close. No
    /// stream is open any more and further input is ignored. Reported once.
    Closed {
        /// The code that was sent.
        code: ErrorCode,
        /// Which rule was broken.
        detail: &'static str,
    },
}

/// A request as it came: checked against the rules of RFC 9113 8, not yet normalised; see
/// [`tidegate_http::H2Layout`].
#[derive(Debug)]
pub struct Request<'a> {
    /// The stream to answer on.
    pub stream: StreamId,
    /// The pseudo-header fields. `path` is empty for a CONNECT without `:protocol`.
    pub parts: H2Parts<'a>,
    /// `:scheme`; empty for a CONNECT without `:protocol`.
    pub scheme: &'a str,
    /// The other field lines, in order.
    pub fields: FieldsIter<'a>,
    /// What the client said of its order among others.
    pub priority: Priority,
}

/// What [`crate::Connection::write`] brought about on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Few enough bytes are queued to queue more.
    Writable(StreamId),
    /// Everything that was queued, the end of the response included, has been handed to the sink.
    Sent(StreamId),
}
