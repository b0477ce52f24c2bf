//! An accepted connection as Pingora's `IO`, without buffers and without clock reads.
//!
//! Pingora's own `l4::Stream` keeps a 64 KiB read buffer and reads the clock around each poll. The
//! connection loop brings buffers of its own (one pair a worker, not one a connection), so this
//! type is only the socket.

use std::{
    io,
    net::SocketAddr,
    os::fd::AsRawFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest,
};
use socket2::SockRef;
use tidegate_tls::TlsStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Socket {
    io: Io,
    peer: SocketAddr,
    /// Bytes that were read to look at and have to be read again.
    ahead: Vec<u8>,
}

#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// An accepted connection inside TLS.
#[derive(Debug)]
pub(crate) struct Secure(pub(crate) TlsStream<Socket>);

/// Lets the kernel take no more of what is sent than this before the client has room for it.
pub(crate) fn limit_unsent(stream: &dyn IO, bytes: u32) {
    let any = stream.as_any();
    let secure = any.downcast_ref::<Secure>().map(|secure| secure.0.get_ref());
    if let Some(Socket { io: Io::Tcp(tcp), .. }) = secure.or_else(|| any.downcast_ref()) {
        // Without it responses only leave in a less exact order.
        let _ = SockRef::from(tcp).set_tcp_notsent_lowat(bytes);
    }
}

// === impl Socket ===

impl Socket {
    /// Takes an accepted TCP connection; small writes leave at once (no Nagle delay).
    pub(crate) fn tcp(stream: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { io: Io::Tcp(stream), peer, ahead: Vec::new() })
    }

    /// Takes an accepted Unix connection, with the address that stands for its peer.
    pub(crate) fn unix(stream: UnixStream, peer: SocketAddr) -> Self {
        Self { io: Io::Unix(stream), peer, ahead: Vec::new() }
    }

    /// Puts back bytes that were read.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        self.ahead.splice(0..0, bytes.iter().copied());
    }

    pub(crate) fn set_peer(&mut self, peer: SocketAddr) {
        self.peer = peer;
    }

    fn raw(&self) -> UniqueIDType {
        match &self.io {
            Io::Tcp(stream) => stream.as_raw_fd(),
            Io::Unix(stream) => stream.as_raw_fd(),
        }
    }

    fn digest(&self) -> Option<Arc<SocketDigest>> {
        let digest = SocketDigest::from_raw_fd(self.raw());
        let _ = digest.peer_addr.set(Some(self.peer.into()));
        Some(Arc::new(digest))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            let length = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead[..length]);
            this.ahead.drain(..length);
            if this.ahead.is_empty() {
                this.ahead = Vec::new();
            }
            return Poll::Ready(Ok(()));
        }
        match &mut this.io {
            Io::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Io::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Io::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl AsyncRead for Secure {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secure {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// What Pingora wants to know of a stream, and this node does not.
macro_rules! pingora_io {
    ($type:ident, $socket:ident => $at:expr) => {
        #[async_trait]
        impl Shutdown for $type {
            async fn shutdown(&mut self) {
                let _ = AsyncWriteExt::shutdown(self).await;
            }
        }

        impl UniqueID for $type {
            fn id(&self) -> UniqueIDType {
                let $socket = self;
                $at.raw()
            }
        }

        impl Ssl for $type {}

        impl GetTimingDigest for $type {
            fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
                Vec::new()
            }
        }

        impl GetProxyDigest for $type {
            fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
                None
            }
        }

        impl GetSocketDigest for $type {
            fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
                let $socket = self;
                $at.digest()
            }
        }

        #[async_trait]
        impl Peek for $type {}
    };
}

pingora_io!(Socket, socket => socket);
pingora_io!(Secure, secure => secure.0.get_ref());
