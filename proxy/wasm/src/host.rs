//! The engine, the clocks and everything that plugins share.

use std::sync::Arc;

use crate::{HostConfig, HostError, LoadError, Plugin, PluginConfig, PluginStatus, Sample};

/// The plugin host; one for the process.
#[derive(Debug)]
pub struct Host {}

impl Host {
    /// Starts the engine and its clock threads.
    ///
    /// # Errors
    /// When the engine refuses its settings or the code folder cannot be written.
    pub fn new(_config: HostConfig) -> Result<Arc<Self>, HostError> {
        Ok(Arc::new(Self {}))
    }

    /// Compiles a module (or takes its compiled code from the folder), starts a canary instance and
    /// then one for each worker. Takes up to seconds: call it off the request path.
    ///
    /// # Errors
    /// Everything that keeps the plugin from running; the plugin loaded before goes on.
    pub fn load(&self, config: PluginConfig) -> Result<Arc<Plugin>, LoadError> {
        Err(LoadError::Abi { plugin: config.name })
    }

    /// Every series about plugins and of plugins.
    #[must_use]
    pub fn metrics(&self) -> Vec<Sample> {
        Vec::new()
    }

    /// Every plugin that lives, those that drain among them.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginStatus> {
        Vec::new()
    }
}
