//! Starts and stops the server.

use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt;
use tidegate_control_store::{Seal, Store, StoreError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::app::App;
use crate::config::ServerConfig;
use crate::counters::Counters;
use crate::metrics::Metrics;
use crate::tokens::{Tokens, digest, read_or_make};
use crate::{anomalies, counters, rollouts, routes};

/// How long open requests may take to end when the server stops, in milliseconds.
const STOP_MS_MAX: u64 = 3_000;

/// Starts servers.
#[derive(Debug)]
pub struct Server;

/// A running server. Dropping it stops it at once; [`Handle::shutdown`] lets requests end.
pub struct Handle {
    /// Where it listens.
    pub local_addr: SocketAddr,
    app: App,
    tasks: JoinSet<()>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The database or the blob folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address is taken or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file with a token or the sealing key.
    #[error("secret file {0}")]
    Tokens(std::io::Error),
    /// The data folder.
    #[error("data folder {path}: {source}")]
    DataDir {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The figures.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Server {
    /// Opens the store, listens, and serves in the background on the current Tokio runtime.
    pub async fn start(config: ServerConfig) -> Result<Handle, ServerError> {
        let folder =
            |source| ServerError::DataDir { path: config.data_dir.display().to_string(), source };
        std::fs::create_dir_all(&config.data_dir).map_err(folder)?;
        let seal = seal(&config).map_err(ServerError::Tokens)??;
        let blobs = config.data_dir.join("blobs");
        let store = Store::open(&config.db_address(), &blobs, seal).await?;
        let tokens = Tokens::open(&config, store.clone()).map_err(ServerError::Tokens)?;
        let secret = read_or_make(&config.data_dir.join("counters.key"));
        let secret = digest(&secret.map_err(ServerError::Tokens)?);
        let mut half = [0; 16];
        half.copy_from_slice(&secret.as_ref()[..16]);
        let counters = Counters::open(&config.data_dir, half);
        let app = App::new(store, tokens, Metrics::new()?, counters, config.plugin_check.clone());
        app.feed.prime().await?;
        let listen = |source| ServerError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(feed(app.clone()));
        tasks.spawn(rollouts::run(app.clone()));
        tasks.spawn(counters::keep(app.clone()));
        tasks.spawn(anomalies::keep(app.clone()));
        tasks.spawn(serve(app.clone(), listener));
        tracing::info!(%local_addr, "control plane listens");
        Ok(Handle { local_addr, app, tasks })
    }
}

/// The key that secrets in the database are sealed with: made at the first start.
fn seal(config: &ServerConfig) -> std::io::Result<Result<Seal, StoreError>> {
    let path = config.seal_file.clone().unwrap_or_else(|| config.data_dir.join("seal.key"));
    let text = read_or_make(&path)?;
    // Whatever the length of the text, the key has 32 bytes.
    Ok(Seal::new(&digest(&text)))
}

async fn feed(app: App) {
    app.feed.run(app.stop.clone()).await;
}

async fn serve(app: App, listener: TcpListener) {
    // Lines of the stream are small and must not wait for each other.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    let stop = app.stop.clone();
    let served = axum::serve(listener, routes::router(&app))
        .with_graceful_shutdown(async move { stop.cancelled().await });
    if let Err(error) = served.await {
        tracing::error!(%error, "control plane stopped serving");
    }
}

impl Handle {
    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr)
    }

    /// Ends the streams, lets other requests end for three seconds, and stops.
    pub async fn shutdown(mut self) {
        self.app.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_millis(STOP_MS_MAX), ended).await;
        self.tasks.shutdown().await;
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}
