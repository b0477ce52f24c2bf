//! The client's side of one exchange.

use std::future::Future;

use bytes::Bytes;
use tidegate_http::{FieldList, ResponseHead};

/// The client's side of one exchange, or a cache fill that stands in for it.
///
/// The exchange reads the request body from it and writes the response to it, strictly in the
/// order `write_informational`\* `write_head` `write_body`\* `finish`, or, for a protocol switch,
/// `write_informational`\* `write_upgrade` and then raw bytes both ways until `finish`.
/// It never writes anything after it has reported a fault.
///
/// Futures of `read_body` and `idle` are dropped while pending whenever something else happens
/// first, so both must be cancel safe. Futures of the write methods always run to their end,
/// unless the whole exchange is dropped.
///
/// What has a default is right for a request without a body behind which no client waits: a fill,
/// a call of the node's own.
pub trait Downstream: Send + Sync + Unpin + 'static {
    /// The next piece of the request body; `None` once it is complete.
    ///
    /// After [`write_upgrade`](Self::write_upgrade) the pieces are the client's raw bytes, and
    /// `None` means that it closed its side.
    ///
    /// # Errors
    /// The client went away, or its body is malformed or too large. Which of these it was is the
    /// implementor's to remember.
    fn read_body(&mut self) -> impl Future<Output = Result<Option<Bytes>, DownstreamGone>> + Send {
        async { Ok(None) }
    }

    /// Whether the request body has been read completely. True from the start without a body.
    fn body_done(&self) -> bool {
        true
    }

    /// Resolves when the client goes away while it only waits for the response; for a fill, never.
    fn idle(&mut self) -> impl Future<Output = DownstreamGone> + Send {
        std::future::pending()
    }

    /// Passes on an interim response (RFC 9110 section 15.2) other than 101.
    ///
    /// # Errors
    /// The client went away.
    fn write_informational(
        &mut self,
        _head: &ResponseHead,
    ) -> impl Future<Output = Result<(), DownstreamGone>> + Send {
        async { Ok(()) }
    }

    /// Takes the final response head; hop-by-hop fields, `Content-Length` and
    /// `Transfer-Encoding` are already removed, `framing` says what they said.
    ///
    /// # Errors
    /// The client went away.
    fn write_head(
        &mut self,
        head: ResponseHead,
        framing: ResponseFraming,
    ) -> impl Future<Output = Result<(), DownstreamGone>> + Send;

    /// Takes a piece of the response body, never an empty one.
    ///
    /// # Errors
    /// The client went away.
    fn write_body(
        &mut self,
        data: Bytes,
    ) -> impl Future<Output = Result<(), DownstreamGone>> + Send;

    /// Nothing more is at hand now: what the write methods held back must go out.
    ///
    /// # Errors
    /// The client went away.
    fn flush(&mut self) -> impl Future<Output = Result<(), DownstreamGone>> + Send {
        async { Ok(()) }
    }

    /// The response is complete. Called exactly once, and only for a complete response.
    ///
    /// # Errors
    /// The client went away.
    fn finish(
        &mut self,
        trailers: Option<FieldList>,
    ) -> impl Future<Output = Result<(), DownstreamGone>> + Send;

    /// Takes the head of a 101 answer, which keeps its `Upgrade` field; from here on both
    /// directions carry raw bytes.
    ///
    /// # Errors
    /// The client went away, or this side cannot switch protocols (the default).
    fn write_upgrade(
        &mut self,
        head: ResponseHead,
    ) -> impl Future<Output = Result<(), DownstreamGone>> + Send {
        let _ = head;
        async { Err(DownstreamGone) }
    }
}

/// The client's side cannot take or give anything more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client's side of the exchange is gone")]
pub struct DownstreamGone;

/// How long the body that follows a response head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// No body by rule: the answer to HEAD, 204, 304. A `Content-Length` that came with it
    /// describes another representation and is given here.
    Empty {
        /// The length the head declared, in bytes.
        declared: Option<u64>,
    },
    /// Exactly so many bytes.
    Length(u64),
    /// Until `finish`.
    Unknown,
}
