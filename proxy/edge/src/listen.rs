//! Sockets and workers: one thread a worker, each with its own listening socket and runtime.
//!
//! The kernel spreads new connections over the sockets (`SO_REUSEPORT`); a connection stays on the
//! worker that accepted it, so nothing on its path is shared but the tables made for sharing.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::JoinHandle,
    time::Duration,
};

use pingora_core::server::ShutdownWatch;
use socket2::{Domain, Protocol, Socket, Type};
use tidegate_telemetry::{Counter, Gauge};
use tokio::net::TcpListener;

use crate::{Edge, conn, facts::ConnectionFacts, tcp::Tcp};

/// Connections the kernel may hold before they are accepted.
const ACCEPT_BACKLOG: i32 = 4096;
/// How long accepting pauses when the process has no file descriptor left.
const DESCRIPTORS_EXHAUSTED_PAUSE_MS: u64 = 100;

/// Binds one socket a worker on each address; port 0 is resolved once and shared by all.
pub(crate) fn bind(
    addresses: &[SocketAddr],
    workers: usize,
) -> io::Result<(Vec<SocketAddr>, Vec<Vec<std::net::TcpListener>>)> {
    let mut bound = Vec::new();
    let mut sockets: Vec<Vec<std::net::TcpListener>> = (0..workers).map(|_| Vec::new()).collect();
    for &address in addresses {
        let mut actual = address;
        for worker in &mut sockets {
            let listener = bind_one(actual)?;
            actual = listener.local_addr()?;
            worker.push(listener);
        }
        bound.push(actual);
    }
    Ok((bound, sockets))
}

/// Runs one worker until shutdown: its thread, its runtime, its accept loops.
pub(crate) fn spawn_worker(
    index: usize,
    edge: Arc<Edge>,
    sockets: Vec<std::net::TcpListener>,
    shutdown: ShutdownWatch,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("tidegate-worker-{index}")).spawn(move || {
        runtime.block_on(async move {
            let mut accepts = tokio::task::JoinSet::new();
            for socket in sockets {
                accepts.spawn(accept(edge.clone(), socket, shutdown.clone()));
            }
            while accepts.join_next().await.is_some() {}
            edge.drained().await;
        });
        // What is still open after the drain deadline is cut.
        runtime.shutdown_timeout(Duration::from_millis(0));
    })
}

fn bind_one(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(socket.into())
}

async fn accept(edge: Arc<Edge>, socket: std::net::TcpListener, mut shutdown: ShutdownWatch) {
    let Ok(listener) = TcpListener::from_std(socket) else { return };
    while !*shutdown.borrow() {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => welcome(&edge, stream, peer, &shutdown),
                Err(error) => refuse(&error).await,
            },
            _ = shutdown.changed() => {}
        }
    }
}

fn welcome(
    edge: &Arc<Edge>,
    stream: tokio::net::TcpStream,
    peer: SocketAddr,
    shutdown: &ShutdownWatch,
) {
    let Ok(local) = stream.local_addr() else { return };
    let Ok(tcp) = Tcp::new(stream, peer) else { return };
    Counter::ConnectionsAccepted.inc();
    let open = Open::new(edge.clone());
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        conn::run(&open.0, Box::new(tcp), ConnectionFacts::plain(peer, local), &shutdown).await;
    });
}

/// A connection that is open; dropping it closes the account, however the task ends.
struct Open(Arc<Edge>);

impl Open {
    fn new(edge: Arc<Edge>) -> Self {
        edge.open.fetch_add(1, Relaxed);
        Gauge::ConnectionsOpen.add(1);
        Self(edge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
        Gauge::ConnectionsOpen.add(-1);
    }
}

async fn refuse(error: &io::Error) {
    tracing::warn!(%error, "accepting a connection failed");
    tokio::time::sleep(Duration::from_millis(DESCRIPTORS_EXHAUSTED_PAUSE_MS)).await;
}
