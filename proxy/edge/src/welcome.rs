//! What happens to a connection between being accepted and its first request: is there room for it,
//! what does a load balancer say of it, TLS, and which protocol it speaks.

use std::{
    future::poll_fn,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    pin::Pin,
    sync::Arc,
};

use pingora_core::{protocols::Stream, server::ShutdownWatch};
use tidegate_http::proxy_protocol::{self, Header, Parsed};
use tidegate_spec::{Listener, Protocol, ProxyProtocol};
use tidegate_telemetry::{ConnectionFault, Counter};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    Edge,
    caps::OfClient,
    conn,
    facts::ConnectionFacts,
    h2,
    listen::Endpoint,
    socket::{Secure, Socket},
};

/// An accepted connection, and both its ends.
pub(crate) struct Arrival {
    socket: Socket,
    client: SocketAddr,
    local: SocketAddr,
}

/// Serves an accepted connection in a task of its own, or closes it where there is no room.
pub(crate) fn welcome(
    edge: &Arc<Edge>,
    endpoint: &Arc<Endpoint>,
    arrival: Arrival,
    shutdown: &ShutdownWatch,
) {
    let open = match edge.caps.connection() {
        Ok(open) => open,
        Err(fault) => return fault.inc(),
    };
    let header = wants_header(&endpoint.settings, arrival.client);
    // A load balancer is not the client: whom it speaks for is known later.
    let counted = match header {
        Wanted::No => match edge.caps.client(arrival.client.ip()) {
            Ok(counted) => Some(counted),
            Err(fault) => return fault.inc(),
        },
        Wanted::Yes | Wanted::Perhaps => None,
        Wanted::Refused => return ConnectionFault::ProxyUntrusted.inc(),
    };
    let begun = Begun { arrival, header, counted };
    let (edge, endpoint, shutdown) = (edge.clone(), endpoint.clone(), shutdown.clone());
    tokio::spawn(async move {
        let _open = open;
        // Boxed, so that a connection that waits does not carry the state of its beginning.
        let ready = match begun.header {
            Wanted::No if !endpoint.settings.tls => begun.plain(&endpoint),
            _ => match Box::pin(begun.finish(&edge, &endpoint)).await {
                Ok(ready) => ready,
                Err(fault) => return fault.inc(),
            },
        };
        drop(endpoint);
        let Ready { stream, facts, _counted } = ready;
        if facts.tls.is_some() && facts.http2 {
            Box::pin(h2::run(&edge, stream, facts, Vec::new(), &shutdown)).await;
        } else {
            conn::run(&edge, stream, facts, &shutdown).await;
        }
    });
}

/// A connection on its way to its first request.
struct Begun {
    arrival: Arrival,
    header: Wanted,
    counted: Option<OfClient>,
}

/// A connection that may send its first request.
struct Ready {
    stream: Stream,
    facts: Arc<ConnectionFacts>,
    _counted: Option<OfClient>,
}

/// Whether a connection begins with a PROXY protocol header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    No,
    Yes,
    Perhaps,
    /// It would, from someone who may not send one.
    Refused,
}

// === impl Begun ===

impl Begun {
    fn plain(self, endpoint: &Endpoint) -> Ready {
        let Arrival { socket, client, local } = self.arrival;
        let facts = ConnectionFacts::plain(client, local, speaks_http2(&endpoint.settings));
        Ready { stream: Box::new(socket), facts, _counted: self.counted }
    }

    async fn finish(
        mut self,
        edge: &Arc<Edge>,
        endpoint: &Endpoint,
    ) -> Result<Ready, ConnectionFault> {
        if self.header != Wanted::No {
            let read = self.read_header();
            let limit = edge.node.limits.handshake_timeout;
            timeout(limit, read).await.unwrap_or(Err(ConnectionFault::ProxyTimeout))?;
            self.counted = Some(edge.caps.client(self.arrival.client.ip())?);
        }
        if endpoint.settings.tls {
            self.secure(edge, endpoint).await
        } else {
            Ok(self.plain(endpoint))
        }
    }

    /// Reads the PROXY protocol header; who the client is follows from it.
    async fn read_header(&mut self) -> Result<(), ConnectionFault> {
        let mut bytes = Vec::new();
        let header = loop {
            match proxy_protocol::parse(&bytes) {
                Parsed::Complete(header) => break header,
                Parsed::Absent if self.header == Wanted::Perhaps => {
                    break Header { length: 0, addresses: None };
                }
                Parsed::Absent | Parsed::Invalid(_) => return Err(ConnectionFault::ProxyInvalid),
                Parsed::Partial => {}
            }
            let gone = |_| ConnectionFault::ProxyInvalid;
            if read_more(&mut self.arrival.socket, &mut bytes).await.map_err(gone)? == 0 {
                return Err(ConnectionFault::ProxyInvalid);
            }
        };
        let Arrival { socket, client, local } = &mut self.arrival;
        socket.put_back(&bytes[header.length..]);
        if let Some((source, destination)) = header.addresses {
            (*client, *local) = (source, destination);
            socket.set_peer(source);
        }
        Ok(())
    }

    async fn secure(self, edge: &Arc<Edge>, endpoint: &Endpoint) -> Result<Ready, ConnectionFault> {
        let Arrival { socket, client, local } = self.arrival;
        let shaking = edge.caps.handshake()?;
        let authority_of = |name: &str| {
            let running = edge.node.running.load();
            let site = running.snapshot.site(running.snapshot.router.site(name)?);
            site.client_authority.as_ref().map(|authority| authority.id.clone())
        };
        let limit = edge.node.limits.handshake_timeout;
        let shaken =
            tidegate_tls::accept(&edge.node.tls, socket, endpoint.alpn, authority_of, limit).await;
        drop(shaking);
        let (stream, tls) = shaken.map_err(|failure| {
            Counter::TlsHandshakesFailed.inc();
            tracing::debug!(%client, error = %failure, "TLS handshake failed");
            failure.fault()
        })?;
        Counter::TlsHandshakes.inc();
        if tls.resumed {
            Counter::TlsResumed.inc();
        }
        let facts = ConnectionFacts::secure(client, local, tls);
        Ok(Ready { stream: Box::new(Secure(stream)), facts, _counted: self.counted })
    }
}

// === impl Arrival ===

impl Arrival {
    pub(crate) fn tcp(stream: TcpStream, peer: SocketAddr) -> io::Result<Self> {
        let local = stream.local_addr()?;
        Ok(Self { socket: Socket::tcp(stream, peer)?, client: peer, local })
    }

    /// A Unix socket's clients are on this machine.
    pub(crate) fn unix(stream: UnixStream) -> Self {
        let socket = Socket::unix(stream, HERE);
        Self { socket, client: HERE, local: HERE }
    }
}

/// The address that stands for clients of Unix sockets.
const HERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

fn wants_header(listener: &Listener, peer: SocketAddr) -> Wanted {
    let from = &listener.proxy_protocol_from;
    let trusted = from.iter().any(|network| network.contains(peer.ip()));
    match listener.proxy_protocol {
        ProxyProtocol::Off => Wanted::No,
        ProxyProtocol::Required if from.is_empty() || trusted => Wanted::Yes,
        ProxyProtocol::Required => Wanted::Refused,
        // Without networks anybody could say to be anybody.
        ProxyProtocol::Optional if trusted => Wanted::Perhaps,
        ProxyProtocol::Optional => Wanted::No,
    }
}

fn speaks_http2(listener: &Listener) -> bool {
    listener.protocols.contains(&Protocol::Http2)
}

/// Reads once; how many bytes came.
async fn read_more(socket: &mut Socket, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let had = bytes.len();
    bytes.resize(had + HEADER_READ_BYTES, 0);
    let mut space = ReadBuf::new(&mut bytes[had..]);
    let read = poll_fn(|cx| Pin::new(&mut *socket).poll_read(cx, &mut space)).await;
    let length = space.filled().len();
    bytes.truncate(had + length);
    read.map(|()| length)
}

/// Bytes read at once while the header is not complete.
const HEADER_READ_BYTES: usize = 512;
