//! Boots any set of origin contexts behind one address, alone or as part of a fleet.
//!
//! It has no domain of its own but the demonstration page, which shows all the others. Which context
//! talks to whom is decided here: contexts name ports, this crate fills them.
//!
//! **Invariant:** without a control plane everything works on this machine alone; with one that is out of
//! reach, the last settings and keys from disk are used.
//!
//! The entry is [`Origin::start`].

mod control;
mod demo;
mod figures;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tidegate_control_client::Subscription;
use tidegate_origin_kit::serve::{self, Limits, Server};
use tidegate_origin_kit::service::BootError;
use tidegate_origin_kit::settings::Sections;
use tidegate_origin_kit::{Cx, Service, Settings};
use tidegate_origin_links::announce::Announce;
use tidegate_origin_media::Signer;
use utoipa::OpenApi;

pub use tidegate_origin_media::{FfmpegStatus, ffmpeg_status};

/// The contexts that there are, in the order in which they start.
pub const CONTEXTS: &[&str] =
    &[tidegate_origin_links::NAME, tidegate_origin_media::NAME, demo::NAME];

/// How origin services are started.
#[derive(Clone)]
pub struct OriginConfig {
    /// Where requests come in; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Folder for databases, videos and the last settings.
    pub data_dir: PathBuf,
    /// `postgres://...`, or `sqlite:` for files in the data folder, which is what none means too.
    pub db: Option<String>,
    /// The contexts to start; all of them when absent.
    pub only: Option<Vec<String>>,
    /// The control plane to follow, `http://host:port`, and a token with the role `service`; none for a
    /// machine that stands alone.
    pub control_plane: Option<(String, String)>,
    /// This process's name in the fleet.
    pub node: String,
    /// What short links begin with where the settings do not say: the address at which people reach the
    /// edge. The listening address when empty.
    pub public_base: String,
}

/// Starts origin services.
#[derive(Debug)]
pub struct Origin;

/// Running origin services.
pub struct Handle {
    /// The bound address.
    pub local_addr: SocketAddr,
    server: serve::Handle,
    subscription: Option<Subscription>,
}

/// Why origin services do not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A context is named that does not exist.
    #[error("there is no service `{name}`; there are: {}", CONTEXTS.join(", "))]
    UnknownContext {
        /// The name.
        name: String,
    },
    /// A context could not be built.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The control plane's client could not be made.
    #[error("control plane: {0}")]
    Control(#[from] tidegate_control_client::ClientError),
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Tidegate origin services",
    description = "Short links, their clicks, and the demonstration stream."
))]
struct Document;

impl OriginConfig {
    /// Everything on `listen` with its data in `data_dir`, alone.
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            data_dir: data_dir.into(),
            db: None,
            only: None,
            control_plane: None,
            node: "origin".to_owned(),
            public_base: String::new(),
        }
    }

    fn wants(&self, context: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == context))
    }

    /// The settings where nobody said anything, for a process that listens on `local`.
    fn defaults(&self, local: SocketAddr) -> Sections {
        let base = match self.public_base.as_str() {
            "" => format!("http://{local}"),
            base => base.to_owned(),
        };
        Sections::from([("links".to_owned(), serde_json::json!({ "short_base": base }))])
    }

    fn check(&self) -> Result<(), StartError> {
        let unknown = self.only.iter().flatten().find(|name| !CONTEXTS.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(StartError::UnknownContext { name: name.clone() }))
    }
}

impl Origin {
    /// Starts the contexts and serves until [`Handle::shutdown`].
    ///
    /// # Errors
    /// [`StartError`] names the context, file or address that is in the way.
    pub async fn start(config: OriginConfig) -> Result<Handle, StartError> {
        config.check()?;
        let listener = serve::bind(config.listen).await?;
        let local = listener.local_addr().unwrap_or(config.listen);
        let defaults = config.defaults(local);
        let (mut cx, stopper) = Cx::local(config.data_dir.clone(), Settings::new(defaults.clone()));
        if let Some(db) = &config.db {
            cx.database.clone_from(db);
        }
        let signer = Signer::default();
        let link = control::connect(&config)?;
        let mut server = Server::new(Document::openapi(), cx.metrics.clone());
        let log = link.as_ref().map(control::Link::log);
        for service in contexts(&config, &cx, log, signer.clone()).await? {
            tracing::info!(service = service.name, "service started");
            server = server.with(service);
        }
        // After the contexts: what arrives is refused when one of them cannot read it.
        let follower = control::Follower::new(cx.settings.clone(), defaults, signer);
        let subscription = match link {
            Some(link) => Some(link.follow(follower).await),
            None => None,
        };
        let stop = cx.stop.clone();
        let server = server.start(listener, Limits::default(), stopper, stop)?;
        Ok(Handle { local_addr: server.local_addr(), server, subscription })
    }
}

impl Handle {
    /// Lets open requests end, then stops everything.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
        if let Some(subscription) = self.subscription {
            subscription.shutdown().await;
        }
    }
}

/// What to do for the demonstration video, when something is missing for it. Blocks for some tens of
/// milliseconds.
pub fn media_hint() -> Option<String> {
    ffmpeg_status().advice()
}

impl std::fmt::Debug for OriginConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plane = self.control_plane.as_ref().map(|(address, _)| address);
        f.debug_struct("OriginConfig")
            .field("listen", &self.listen)
            .field("data_dir", &self.data_dir)
            .field("only", &self.only)
            .field("control_plane", &plane)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

async fn contexts(
    config: &OriginConfig,
    cx: &Cx,
    log: Option<Arc<dyn Announce>>,
    signer: Signer,
) -> Result<Vec<Service>, StartError> {
    let mut services = Vec::new();
    if config.wants(tidegate_origin_links::NAME) {
        services.push(tidegate_origin_links::service(cx, log).await?);
    }
    if config.wants(tidegate_origin_media::NAME) {
        services.push(tidegate_origin_media::service(cx, signer)?);
    }
    if config.wants(demo::NAME) {
        services.push(demo::service(cx)?);
    }
    Ok(services)
}

/// Lays `over` over `under`, member by member of the sections.
fn merged(under: &Sections, over: Sections) -> Sections {
    let mut out = under.clone();
    for (name, section) in over {
        match (out.get_mut(&name), section) {
            (Some(Value::Object(below)), Value::Object(above)) => below.extend(above),
            (_, section) => {
                out.insert(name, section);
            }
        }
    }
    out
}
