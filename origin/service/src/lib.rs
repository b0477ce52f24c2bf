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
#[derive(Debug, Clone)]
pub struct OriginConfig {
    /// Where requests come in; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Folder for databases, videos and the last settings.
    pub data_dir: PathBuf,
    /// `sqlite:` for files in the data folder, or `postgres://...`.
    pub database: String,
    /// The contexts to start; all of them when absent.
    pub only: Option<Vec<String>>,
    /// The control plane to follow; none for a machine that stands alone.
    pub control_plane: Option<ControlPlane>,
    /// What short links begin with where the settings do not say: the address at which people reach the
    /// edge. The listening address when absent.
    pub public_base: Option<String>,
    /// The admin address of an edge, whose figures the demonstration page shows.
    pub edge_admin: Option<String>,
}

/// A control plane and how to reach it.
#[derive(Clone)]
pub struct ControlPlane {
    /// `http://host:port`.
    pub address: String,
    /// A token with the role `service`.
    pub token: String,
    /// This process's name in the fleet.
    pub node: String,
}

/// Starts origin services.
#[derive(Debug)]
pub struct Origin;

/// Running origin services.
pub struct Handle {
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
            database: "sqlite:".to_owned(),
            only: None,
            control_plane: None,
            public_base: None,
            edge_admin: None,
        }
    }

    fn wants(&self, context: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|name| name == context))
    }

    /// The settings where nobody said anything, for a process that listens on `local`.
    fn defaults(&self, local: SocketAddr) -> Sections {
        let base = self.public_base.clone().unwrap_or_else(|| format!("http://{local}"));
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
        cx.database.clone_from(&config.database);
        let signer = Signer::default();
        let link =
            config.control_plane.as_ref().map(|plane| control::connect(plane, &config.data_dir));
        let link = link.transpose()?;
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
        Ok(Handle { server, subscription })
    }
}

impl Handle {
    /// The bound address.
    pub fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Lets open requests end, then stops everything.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
        if let Some(subscription) = self.subscription {
            subscription.shutdown().await;
        }
    }
}

impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControlPlane")
            .field("address", &self.address)
            .field("node", &self.node)
            .finish()
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
        services.push(demo::service(config.edge_admin.as_deref()));
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
