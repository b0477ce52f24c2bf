//! The shape of a context, and what it is built from.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidegate_sql::Db;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

use crate::metrics::Metrics;
use crate::settings::SettingsError;
use crate::store::Database;
use crate::{Clock, Settings};

/// What every context of a process shares.
#[derive(Clone)]
pub struct Cx {
    /// Where `now` comes from.
    pub clock: Clock,
    /// The sections of all services.
    pub settings: Settings,
    /// The process's figures.
    pub metrics: Metrics,
    /// Folder for files of the contexts.
    pub data_dir: PathBuf,
    /// `sqlite:` for one file a context below [`Cx::data_dir`], or the address of a PostgreSQL server.
    pub database: String,
    /// Ends with the process.
    pub stop: Stop,
}

/// Tells tasks that the process is about to end.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

/// The other end of [`Stop`]: `true` is sent once.
pub type Stopper = watch::Sender<bool>;

/// One bounded context, ready to serve.
pub struct Service {
    /// The context's name.
    pub name: &'static str,
    /// Its routes with their documentation.
    pub router: OpenApiRouter,
    /// Work that runs beside the requests until [`Stop`].
    pub tasks: Vec<Task>,
    /// Asked by `/readyz`.
    pub ready: Ready,
}

/// A named piece of work beside the requests.
pub struct Task {
    /// For the log.
    pub name: &'static str,
    /// Runs until it has nothing more to do.
    pub work: BoxFuture<'static, ()>,
}

/// A context's readiness: `Err` says what is missing.
pub type Ready = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Why a context cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The settings do not fit.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database cannot be opened or migrated.
    #[error("database of `{service}`: {source}")]
    Database {
        /// The context.
        service: &'static str,
        /// What the engine said.
        source: tidegate_sql::Error,
    },
    /// A file or a socket.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted, with the path or address.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Cx {
    /// Everything in `data_dir`, with the system's clock; the second part ends the tasks.
    pub fn local(data_dir: PathBuf, settings: Settings) -> (Self, Stopper) {
        let (stopper, stop) = watch::channel(false);
        let cx = Self {
            clock: Clock::System,
            settings,
            metrics: Metrics::new(),
            data_dir,
            database: "sqlite:".to_owned(),
            stop: Stop(stop),
        };
        (cx, stopper)
    }

    /// Opens and migrates the database of a context.
    ///
    /// # Errors
    /// [`BootError::Database`], or [`BootError::Io`] when its folder cannot be made.
    pub async fn open(&self, database: &Database) -> Result<Db, BootError> {
        std::fs::create_dir_all(&self.data_dir).map_err(|source| BootError::Io {
            what: format!("create {}", self.data_dir.display()),
            source,
        })?;
        let address = database.address(&self.database, &self.data_dir);
        Db::open(&address, &database.options())
            .await
            .map_err(|source| BootError::Database { service: database.name, source })
    }
}

impl Service {
    /// A context without tasks that is always ready.
    pub fn new(name: &'static str, router: OpenApiRouter) -> Self {
        Self { name, router, tasks: Vec::new(), ready: Arc::new(|| Box::pin(async { Ok(()) })) }
    }

    /// Adds a piece of work.
    #[must_use]
    pub fn task(
        mut self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        self.tasks.push(Task { name, work: Box::pin(work) });
        self
    }
}

impl Stop {
    /// Returns once the process is about to end.
    pub async fn wait(&mut self) {
        // An error means that the sender is gone, which is an end too.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }

    /// Sleeps for `time`; `false` when the process is about to end instead.
    pub async fn sleep(&mut self, time: std::time::Duration) -> bool {
        tokio::select! {
            () = self.wait() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}
