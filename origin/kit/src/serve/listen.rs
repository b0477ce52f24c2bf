//! The socket: accepts connections, bounds them, and ends them gracefully.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::service::{BootError, Service, Stop, Stopper, Task};

use super::Server;

/// Bounds of the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at the same time; the next one waits in the system's queue.
    pub connections_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Time for a head, and for the pause between two requests on one connection: longer than the pause
    /// after which an edge closes its idle connections, so that the edge is the one that closes.
    pub head_timeout: Duration,
    /// HTTP/2 streams of one connection at the same time.
    pub streams_max: u32,
    /// Time that open connections get to end.
    pub drain: Duration,
}

/// A running server.
pub struct Handle {
    local_addr: SocketAddr,
    stopper: Stopper,
    running: Vec<JoinHandle<()>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            head_bytes_max: 64 * 1024,
            head_timeout: Duration::from_secs(120),
            streams_max: 256,
            drain: Duration::from_secs(10),
        }
    }
}

/// Binds an address; port 0 picks a free one.
///
/// # Errors
/// When it cannot be bound.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener, BootError> {
    let failed = |source| BootError::Io { what: format!("listen on {listen}"), source };
    TcpListener::bind(listen).await.map_err(failed)
}

impl Server {
    /// Starts the tasks and serves on `listener` until [`Handle::shutdown`].
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(
        self,
        listener: TcpListener,
        limits: Limits,
        stopper: Stopper,
        stop: Stop,
    ) -> Result<Handle, BootError> {
        let failed = |source| BootError::Io { what: "address of the listener".to_owned(), source };
        let local_addr = listener.local_addr().map_err(failed)?;
        let (router, tasks) = self.split();
        let mut running: Vec<_> = tasks.into_iter().map(|task| run(task, stop.clone())).collect();
        running.push(tokio::spawn(accept(listener, router, limits, stop)));
        Ok(Handle { local_addr, stopper, running })
    }
}

impl Handle {
    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops accepting, lets open requests end within [`Limits::drain`], and ends the tasks.
    pub async fn shutdown(self) {
        let _ = self.stopper.send(true);
        for task in self.running {
            let _ = task.await;
        }
    }
}

impl Service {
    /// Starts this context's tasks without a server, for tests.
    pub fn start_tasks(&mut self, stop: &Stop) -> Vec<JoinHandle<()>> {
        std::mem::take(&mut self.tasks).into_iter().map(|task| run(task, stop.clone())).collect()
    }
}

fn run(task: Task, mut stop: Stop) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::select! {
            () = task.work => tracing::debug!(task = task.name, "task ended"),
            () = stop.wait() => {}
        }
    })
}

async fn accept(listener: TcpListener, router: Router, limits: Limits, mut stop: Stop) {
    let open = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    let builder = builder(&limits);
    loop {
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else { break };
        tokio::select! {
            () = stop.wait() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve(stream, &router, &builder, &graceful, permit),
                Err(error) => pause_after(&error).await,
            },
        }
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(limits.drain) => tracing::warn!("connections cut at the end of the drain"),
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX));
    builder
}

fn serve(
    stream: TcpStream,
    router: &Router,
    builder: &auto::Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    permit: OwnedSemaphorePermit,
) {
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router.clone());
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let watched = graceful.watch(connection.into_owned());
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "connection ended");
        }
        drop(permit);
    });
}

/// Too many open files and the like: accepting again at once would only spin.
async fn pause_after(error: &std::io::Error) {
    tracing::warn!(%error, "cannot accept");
    tokio::time::sleep(Duration::from_millis(50)).await;
}
