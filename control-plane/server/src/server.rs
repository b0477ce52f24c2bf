//! Starts and stops the server.

use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt;
use tidegate_control_api::Role;
use tidegate_control_store::{Seal, Store, StoreError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::app::App;
use crate::config::{ServerConfig, StaticToken};
use crate::counters::Counters;
use crate::metrics::Metrics;
use crate::office::{self, Office};
use crate::tokens::{Tokens, digest, random_secret, read_or_make};
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
        let seal_text = seal_text(&config).map_err(ServerError::Tokens)?;
        // Whatever the length of the text, the key has 32 bytes.
        let seal = Seal::new(&digest(&seal_text))?;
        let blobs = config.data_dir.join("blobs");
        let store = Store::open(&config.db_address(), &blobs, seal).await?;
        let listen = |source| ServerError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;
        let shared = store.is_shared();
        let [report, read] =
            [Role::Service, Role::Viewer].map(|role| replica_secret(role, &seal_text));
        let mut tokens = Tokens::open(&config, store.clone()).map_err(ServerError::Tokens)?;
        if shared {
            let name = || "replica".to_owned();
            tokens.add(&StaticToken { name: name(), role: Role::Service, secret: report.clone() });
            tokens.add(&StaticToken { name: name(), role: Role::Viewer, secret: read.clone() });
        }
        let secret = counts_secret(&config, shared.then_some(&*seal_text));
        let counters =
            Counters::open(&config.data_dir, secret.map_err(ServerError::Tokens)?, shared);
        let holder = random_secret().map_err(ServerError::Tokens)?;
        let address = config.advertise.clone().unwrap_or_else(|| local_addr.to_string());
        let office = Office::new(shared, holder, address, [&report, &read]);
        let check = config.plugin_check.clone();
        let app = App::new(store, tokens, Metrics::new()?, counters, office, check);
        app.feed.prime().await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(feed(app.clone()));
        tasks.spawn(rollouts::run(app.clone()));
        tasks.spawn(counters::keep(app.clone()));
        tasks.spawn(anomalies::keep(app.clone()));
        tasks.spawn(office::keep(app.clone()));
        tasks.spawn(serve(app.clone(), listener));
        tracing::info!(%local_addr, "control plane listens");
        Ok(Handle { local_addr, app, tasks })
    }
}

/// What the key is made from that secrets in the database are sealed with: made at the first start.
fn seal_text(config: &ServerConfig) -> std::io::Result<String> {
    let path = config.seal_file.clone().unwrap_or_else(|| config.data_dir.join("seal.key"));
    read_or_make(&path)
}

/// What servers on one database know each other by: who has the seal can read all there is.
fn replica_secret(role: Role, seal_text: &str) -> String {
    let digest = digest(&format!("replicas of one database, {}\n{seal_text}", role.as_str()));
    digest.iter().fold("tg_".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// The secret that nodes hash the keys of limits with: the same from all servers on one database.
fn counts_secret(config: &ServerConfig, seal_text: Option<&str>) -> std::io::Result<[u8; 16]> {
    let text = match seal_text {
        Some(seal_text) => format!("keys of limits\n{seal_text}"),
        None => read_or_make(&config.data_dir.join("counters.key"))?,
    };
    let mut half = [0; 16];
    half.copy_from_slice(&digest(&text)[..16]);
    Ok(half)
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
