//! Sockets and workers: one thread a worker, each with its own listening sockets and runtime.
//!
//! The kernel spreads new connections over the sockets (`SO_REUSEPORT`); a connection stays on the
//! worker that accepted it, so nothing on its path is shared but the tables made for sharing. A Unix
//! socket cannot be bound twice: all workers accept from one.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use pingora_core::server::ShutdownWatch;
use socket2::{Domain, Protocol, Socket, Type};
use tidegate_spec::Listener;
use tokio::net::{TcpListener, UnixListener};

use crate::{Edge, limit, welcome};

/// How long accepting pauses when the process has no file descriptor left.
const DESCRIPTORS_EXHAUSTED_PAUSE_MS: u64 = 100;
/// Bytes that the kernel takes of a response before the client has room for them. Its own limit grows
/// to several megabytes, so that clients that read nothing would fill memory. Lower, a large response
/// takes more than one write: at 128 KiB a hit of 1 MiB costs a third more.
const UNSENT_BYTES: u32 = 1024 * 1024;
/// How a Unix socket is told from an address.
const UNIX_PREFIX: &str = "unix:";

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// An address, its port filled in.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A place to listen at.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) settings: Listener,
    pub(crate) bound: Bound,
    /// The place of its list of protocols, where it speaks TLS.
    pub(crate) alpn: usize,
}

/// A listening socket.
#[derive(Debug)]
pub(crate) enum Listening {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// The sockets of one worker, each with its place.
pub(crate) type Sockets = Vec<(Arc<Endpoint>, Listening)>;

/// Binds every listener, one socket a worker; port 0 is resolved once and shared by all. `given` are
/// sockets that another process has bound already, by the listener's address as written.
pub(crate) fn bind(
    listeners: &[Listener],
    workers: usize,
    mut given: impl FnMut(&Listener) -> Vec<Listening>,
) -> io::Result<(Vec<Arc<Endpoint>>, Vec<Sockets>)> {
    let mut endpoints = Vec::new();
    let mut sockets: Vec<Sockets> = (0..workers).map(|_| Vec::new()).collect();
    for (alpn, settings) in listeners.iter().enumerate() {
        let listening = bind_all(settings, workers, given(settings)).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", settings.address))
        })?;
        let bound = listening[0].bound(&settings.address)?;
        let endpoint = Arc::new(Endpoint { settings: settings.clone(), bound, alpn });
        for (at, socket) in listening.into_iter().enumerate() {
            sockets[at % workers].push((endpoint.clone(), socket));
        }
        endpoints.push(endpoint);
    }
    Ok((endpoints, sockets))
}

/// One socket a worker at least. Of sockets that are given none is left out: connections wait in
/// each of them.
fn bind_all(
    settings: &Listener,
    workers: usize,
    given: Vec<Listening>,
) -> io::Result<Vec<Listening>> {
    let mut listening = given;
    if listening.is_empty() {
        listening.push(Listening::bind(&settings.address, settings.backlog)?);
    }
    let bound = listening[0].bound(&settings.address)?;
    while listening.len() < workers {
        let another = match (&bound, &listening[0]) {
            (Bound::Tcp(address), _) => Listening::Tcp(bind_tcp(*address, settings.backlog)?),
            (Bound::Unix(_), Listening::Unix(socket)) => Listening::Unix(socket.try_clone()?),
            (Bound::Unix(_), Listening::Tcp(_)) => break,
        };
        listening.push(another);
    }
    Ok(listening)
}

/// Runs one worker until shutdown: its thread, its runtime, its accept loops.
pub(crate) fn spawn_worker(
    index: usize,
    edge: Arc<Edge>,
    sockets: Sockets,
    shutdown: ShutdownWatch,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("tidegate-worker-{index}")).spawn(move || {
        limit::work_as(index);
        runtime.block_on(async move {
            let mut accepts = tokio::task::JoinSet::new();
            for (endpoint, socket) in sockets {
                accepts.spawn(accept(edge.clone(), endpoint, socket, shutdown.clone()));
            }
            while accepts.join_next().await.is_some() {}
            edge.drained().await;
        });
        // What is still open after the drain deadline is cut.
        runtime.shutdown_timeout(Duration::from_millis(0));
    })
}

async fn accept(
    edge: Arc<Edge>,
    endpoint: Arc<Endpoint>,
    socket: Listening,
    mut shutdown: ShutdownWatch,
) {
    let Ok(acceptor) = Acceptor::new(socket) else { return };
    while !*shutdown.borrow() {
        tokio::select! {
            accepted = acceptor.accept() => match accepted {
                Ok(arrival) => welcome::welcome(&edge, &endpoint, arrival, &shutdown),
                Err(error) => refuse(&error).await,
            },
            _ = shutdown.changed() => {}
        }
    }
}

async fn refuse(error: &io::Error) {
    tracing::warn!(%error, "accepting a connection failed");
    tokio::time::sleep(Duration::from_millis(DESCRIPTORS_EXHAUSTED_PAUSE_MS)).await;
}

/// A listening socket of a worker's runtime.
enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

// === impl Acceptor ===

impl Acceptor {
    fn new(socket: Listening) -> io::Result<Self> {
        Ok(match socket {
            Listening::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            Listening::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    async fn accept(&self) -> io::Result<welcome::Arrival> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                welcome::Arrival::tcp(stream, peer)
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(welcome::Arrival::unix(stream))
            }
        }
    }
}

// === impl Listening ===

impl Listening {
    fn bind(address: &str, backlog: u32) -> io::Result<Self> {
        match address.strip_prefix(UNIX_PREFIX) {
            Some(path) => bind_unix(Path::new(path), backlog).map(Self::Unix),
            None => bind_tcp(tcp_address(address)?, backlog).map(Self::Tcp),
        }
    }

    fn bound(&self, address: &str) -> io::Result<Bound> {
        Ok(match self {
            Self::Tcp(socket) => Bound::Tcp(socket.local_addr()?),
            Self::Unix(_) => {
                Bound::Unix(address.strip_prefix(UNIX_PREFIX).unwrap_or(address).into())
            }
        })
    }
}

fn tcp_address(address: &str) -> io::Result<SocketAddr> {
    address.parse().map_err(|_| {
        let message = "write ADDRESS:PORT, such as 127.0.0.1:8080, or unix:/path";
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

fn backlog(connections: u32) -> i32 {
    i32::try_from(connections).unwrap_or(i32::MAX)
}

fn bind_tcp(address: SocketAddr, connections: u32) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Connections inherit it.
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(backlog(connections))?;
    Ok(socket.into())
}

/// Binds a Unix socket; what a process that ended without cleaning up has left is removed first.
fn bind_unix(path: &Path, connections: u32) -> io::Result<std::os::unix::net::UnixListener> {
    let bind = || -> io::Result<_> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&socket2::SockAddr::unix(path)?)?;
        socket.listen(backlog(connections))?;
        Ok(std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket)))
    };
    match bind() {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_deserted(path) => {
            std::fs::remove_file(path)?;
            bind()
        }
        bound => bound,
    }
}

fn is_deserted(path: &Path) -> bool {
    let connected = std::os::unix::net::UnixStream::connect(path);
    connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX_PREFIX}{}", path.display()),
        }
    }
}
