//! Answers on their way out: heads and small bodies copied together, large bodies spliced in.
//!
//! One `Out` a worker collects the answers of all pipelined requests of a turn, and they leave with
//! one vectored write. What the socket does not take at once is moved to the connection.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use pingora_core::protocols::Stream;
use tokio::io::AsyncWrite;

use crate::pace::Pace;

/// Bodies up to this size are copied behind their head: cheaper than one more I/O vector.
const COPIED_BODY_BYTES_MAX: usize = 4096;
/// I/O vectors handed to one write call.
const VECTORS_MAX: usize = 32;

/// A worker's outgoing bytes of one turn.
#[derive(Default)]
pub(crate) struct Out {
    bytes: Vec<u8>,
    /// Bodies to be sent from their own memory, each with the position in `bytes` it stands before.
    splices: Vec<(usize, Bytes)>,
    spliced_bytes: usize,
}

/// Bytes that the socket did not take; they belong to one connection.
#[derive(Default)]
pub(crate) struct Backlog(VecDeque<Bytes>);

// === impl Out ===

impl Out {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.splices.is_empty()
    }

    /// Bytes waiting to be sent.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.spliced_bytes
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.splices.clear();
        self.spliced_bytes = 0;
    }

    /// The place where heads are written.
    pub(crate) fn head(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn body(&mut self, body: &Bytes) {
        if body.len() <= COPIED_BODY_BYTES_MAX {
            self.bytes.extend_from_slice(body);
        } else {
            self.spliced_bytes += body.len();
            self.splices.push((self.bytes.len(), body.clone()));
        }
    }

    /// Writes as much as the socket takes now. `Ok(None)` means all of it.
    pub(crate) fn write(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> io::Result<Option<Backlog>> {
        if self.splices.is_empty() {
            return self.write_plain(stream, cx);
        }
        let mut backlog = self.backlog(0);
        let sent = backlog.poll_send(stream, cx);
        self.clear();
        match sent {
            Poll::Ready(result) => result.map(|()| None),
            Poll::Pending => Ok(Some(backlog)),
        }
    }

    fn write_plain(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> io::Result<Option<Backlog>> {
        let mut sent = 0;
        while sent < self.bytes.len() {
            match Pin::new(&mut *stream).poll_write(cx, &self.bytes[sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(n)) => sent += n,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    let backlog = self.backlog(sent);
                    self.clear();
                    return Ok(Some(backlog));
                }
            }
        }
        self.clear();
        // Inside TLS, what was taken may still wait for the socket.
        match Pin::new(stream).poll_flush(cx) {
            Poll::Ready(flushed) => flushed.map(|()| None),
            Poll::Pending => Ok(Some(Backlog::default())),
        }
    }

    /// Everything from `sent` on (a position in `bytes`; only 0 when there are splices).
    fn backlog(&self, sent: usize) -> Backlog {
        let mut pieces = VecDeque::with_capacity(2 * self.splices.len() + 1);
        let mut from = sent;
        for (at, body) in &self.splices {
            if *at > from {
                pieces.push_back(Bytes::copy_from_slice(&self.bytes[from..*at]));
                from = *at;
            }
            pieces.push_back(body.clone());
        }
        if from < self.bytes.len() {
            pieces.push_back(Bytes::copy_from_slice(&self.bytes[from..]));
        }
        Backlog(pieces)
    }
}

// === impl Backlog ===

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.0.push_back(bytes);
        }
    }

    /// Sends everything; fails when the client takes it too slowly.
    pub(crate) async fn send(&mut self, stream: &mut Stream, pace: &mut Pace) -> io::Result<()> {
        while !self.0.is_empty() {
            let sent = pace.wait(poll_fn(|cx| self.poll_send_some(stream, cx))).await?;
            pace.moved(sent);
        }
        pace.wait(poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx))).await
    }

    /// Sends until the socket takes no more or nothing is left; safe to drop and poll again.
    fn poll_send(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.0.is_empty() {
            ready!(self.poll_send_some(stream, cx))?;
        }
        Pin::new(stream).poll_flush(cx)
    }

    /// Sends as much as one write takes; how many bytes.
    pub(crate) fn poll_send_some(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut vectors = [IoSlice::new(&[]); VECTORS_MAX];
        let mut count = 0;
        for (vector, piece) in vectors.iter_mut().zip(&self.0) {
            *vector = IoSlice::new(piece);
            count += 1;
        }
        let sent = ready!(Pin::new(stream).poll_write_vectored(cx, &vectors[..count]))?;
        if sent == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(sent);
        Poll::Ready(Ok(sent))
    }

    fn advance(&mut self, mut sent: usize) {
        while let Some(piece) = self.0.front_mut() {
            if sent < piece.len() {
                piece.advance(sent);
                return;
            }
            sent -= piece.len();
            self.0.pop_front();
        }
    }
}
