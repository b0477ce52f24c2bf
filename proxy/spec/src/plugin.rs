//! Plugins.

use std::time::Duration;

use serde_json::Value as Json;

use crate::resource::{choice, resource, words};
use crate::units::Size;

resource! {
    /// A proxy-wasm module with its configuration.
    pub struct Plugin {
        /// Its name.
        pub name: String,
        /// The module.
        pub module: PluginModule,
        /// Handed to the plugin as JSON.
        pub config: Json,
        /// Which of the module's root contexts is meant.
        pub root_id: String = String::new(),
        /// What happens to a request when the plugin fails on it.
        pub on_failure: OnFailure = OnFailure::Closed,
        /// Longest time of one call into the plugin.
        pub call_timeout: Duration = Duration::from_millis(10),
        /// Most memory of one instance.
        pub memory_bytes_max: Size = Size(64 << 20),
        /// Most bytes of a body that are held back while it pauses.
        pub body_bytes_max: Size = Size(1 << 20),
        /// Plugins of one group share data and queues; alone when absent.
        pub vm_id: Option<String>,
        /// Upstreams that it may call.
        pub upstreams: Vec<String>,
    }
}

choice! {
    /// Where a plugin's module is.
    pub enum PluginModule {
        /// A file; applying the spec uploads it and puts its hash in this place.
        File(String) = "file",
        /// SHA-256 of the module in hex: what an applied spec holds.
        Sha256(String) = "sha256",
    }
}

words! {
    /// What happens when a plugin fails.
    pub enum OnFailure {
        /// The request is refused.
        Closed = "closed",
        /// The request goes on without the plugin.
        Open = "open",
    }
}
