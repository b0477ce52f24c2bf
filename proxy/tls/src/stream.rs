//! A connection inside TLS.
//!
//! What is read from the socket goes through a buffer of the worker's; a connection keeps bytes of
//! its own only while they wait for room on either side. What is written is encrypted into records
//! that leave with one vectored write, however many pieces it came in.

use std::{
    cell::RefCell,
    io::{self, IoSlice, Read, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Failure;

/// Bytes read from the socket at once.
const READ_BYTES: usize = 32 * 1024;
/// Encrypted bytes that wait for the socket to take them; no more is taken from above meanwhile.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    static CIPHERTEXT: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// A connection inside TLS.
#[derive(Debug)]
pub struct TlsStream<S> {
    io: S,
    tls: Box<ServerConnection>,
    /// Bytes from the socket that wait until plaintext was taken.
    waiting: Vec<u8>,
    said_goodbye: bool,
}

/// A socket as rustls writes to it.
struct Sink<'s, 'c, 'w, S> {
    io: &'s mut S,
    cx: &'c mut Context<'w>,
}

// === impl TlsStream ===

impl<S> TlsStream<S> {
    /// The connection underneath.
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    /// The connection underneath; bytes written to it break the session.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.io
    }

    pub(crate) fn connection(&self) -> &ServerConnection {
        &self.tls
    }

    pub(crate) fn new(io: S, mut tls: ServerConnection) -> Self {
        tls.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        Self { io, tls: Box::new(tls), waiting: Vec::new(), said_goodbye: false }
    }

    /// Hands over bytes of the socket; what has no room yet waits.
    pub(crate) fn feed_all(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let taken = feed(&mut self.tls, bytes)?;
        self.waiting.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    fn feed_waiting(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let taken = feed(&mut self.tls, &waiting).map_err(broken)?;
        if taken < waiting.len() {
            self.waiting = waiting[taken..].to_vec();
        }
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while self.tls.is_handshaking() {
            let _ = self.poll_send(cx)?;
            match ready!(self.poll_receive(cx, READ_BYTES)) {
                Ok(0) => return Poll::Ready(Err(gone().into())),
                Ok(_) => {}
                Err(Received::Io(error)) => return Poll::Ready(Err(error.into())),
                Err(Received::Tls(failure)) => return Poll::Ready(Err(failure)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what there is, as far as the socket takes it at once.
    pub(crate) fn poll_send_once(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = self.poll_send(cx);
        Poll::Ready(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Sink { io: &mut self.io, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once from the socket and hands it over; how many bytes there were.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        bytes_max: usize,
    ) -> Poll<Result<usize, Received>> {
        CIPHERTEXT.with_borrow_mut(|buffer| {
            let room = bytes_max.min(buffer.len());
            let mut space = ReadBuf::new(&mut buffer[..room]);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut space)).map_err(Received::Io)?;
            let read = space.filled();
            self.feed_all(read).map_err(Received::Tls)?;
            Poll::Ready(Ok(read.len()))
        })
    }

    /// Plaintext that is there already; `None` when there is none.
    fn take(&mut self, buf: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            match self.tls.reader().read(buf.initialize_unfilled()) {
                // The client said goodbye.
                Ok(0) => return Some(Ok(())),
                Ok(read) => buf.advance(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.waiting.is_empty() {
                        break;
                    }
                    if let Err(error) = self.feed_waiting() {
                        return Some(Err(error));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
        (buf.filled().len() > before).then_some(Ok(()))
    }
}

enum Received {
    Io(io::Error),
    Tls(Failure),
}

/// Gives bytes to rustls until they are gone or its plaintext has to be taken first; how many.
fn feed(tls: &mut ServerConnection, bytes: &[u8]) -> Result<usize, Failure> {
    let mut rest = bytes;
    while !rest.is_empty() {
        // A slice cannot fail, and of nothing it is never asked.
        if tls.read_tls(&mut rest)? == 0 {
            break;
        }
        let state = tls.process_new_packets()?;
        if state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() {
            break;
        }
    }
    Ok(bytes.len() - rest.len())
}

fn broken(failure: Failure) -> io::Error {
    match failure {
        Failure::ClientGone(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

fn gone() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Some(taken) = this.take(buf) {
                return Poll::Ready(taken);
            }
            match this.poll_receive(cx, buf.remaining().saturating_add(1024)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(Received::Io(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(Err(Received::Tls(failure))) => {
                    let _ = this.poll_send(cx);
                    return Poll::Ready(Err(broken(failure)));
                }
                Poll::Pending => {
                    // Session tickets and the like have waited for an answer to travel with.
                    if let Poll::Ready(Err(error)) = this.poll_send(cx) {
                        return Poll::Ready(Err(error));
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    /// What is taken has been encrypted; what the socket does not take at once leaves with the next
    /// write, flush or read.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.tls.wants_write() {
            ready!(this.poll_send(cx))?;
        }
        let written = this.tls.writer().write_vectored(bufs)?;
        if let Poll::Ready(Err(error)) = this.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !std::mem::replace(&mut this.said_goodbye, true) {
            this.tls.send_close_notify();
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

impl<S: AsyncWrite + Unpin> Write for Sink<'_, '_, '_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        settled(Pin::new(&mut *self.io).poll_write(self.cx, buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        settled(Pin::new(&mut *self.io).poll_write_vectored(self.cx, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settled<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
