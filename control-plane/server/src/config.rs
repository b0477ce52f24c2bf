//! Settings of a server.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tidegate_control_api::{PluginNew, Role};

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the database, the blobs and the first tokens are.
    pub data_dir: PathBuf,
    /// `sqlite:path` or `postgres://...`; by default `control.db` in the data folder.
    pub db: Option<String>,
    /// The file with the first admin's token, made at the first start, readable by its owner alone;
    /// by default `root.token` in the data folder. Those of nodes and services are beside it in the
    /// data folder: `node.token`, `service.token`.
    pub token_file: Option<PathBuf>,
    /// The file with the key that secrets in the database are sealed with, made at the first start;
    /// by default `seal.key` in the data folder. Servers on one database need the same one, and a
    /// backup of the database is of no use without it.
    pub seal_file: Option<PathBuf>,
    /// Where other servers on the same database reach this one, `host:port`; by default where it listens.
    pub advertise: Option<String>,
    /// More tokens that do not come from the database.
    pub tokens: Vec<StaticToken>,
    /// Checks modules before they enter the registry; without it they enter unchecked.
    pub plugin_check: Option<PluginCheck>,
}

/// Checks a module and its test cases: how many cases passed, or everything that is wrong.
#[derive(Clone)]
pub struct PluginCheck(pub Arc<PluginChecker>);

/// What a [`PluginCheck`] runs; it may take seconds.
pub type PluginChecker = dyn Fn(&[u8], &PluginNew) -> Result<u64, Vec<String>> + Send + Sync;

/// A token from the settings.
#[derive(Clone)]
pub struct StaticToken {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What goes after `Authorization: Bearer`.
    pub secret: String,
}

impl ServerConfig {
    /// A server on `listen` with everything in `data_dir`.
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            data_dir: data_dir.into(),
            db: None,
            token_file: None,
            seal_file: None,
            advertise: None,
            tokens: Vec::new(),
            plugin_check: None,
        }
    }

    pub(crate) fn db_address(&self) -> String {
        let file = || format!("sqlite:{}", self.data_dir.join("control.db").display());
        self.db.clone().unwrap_or_else(file)
    }
}

impl fmt::Debug for PluginCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PluginCheck")
    }
}

impl fmt::Debug for StaticToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, role, .. } = self;
        f.debug_struct("StaticToken")
            .field("name", name)
            .field("role", role)
            .finish_non_exhaustive()
    }
}
