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
        /// Handed to the plugin: a text as it is, anything else as JSON.
        pub config: Json,
        /// Handed to the plugin when its instances start, in the same way.
        pub vm_config: Json,
        /// Ed25519 signature of the module, base64; checked when `public_key` is given.
        pub signature: String = String::new(),
        /// The key that must have signed the module, base64 of its 32 bytes.
        pub public_key: Option<String>,
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
        /// `name@version` as it was pushed with `tidegate plugin push`; the control plane puts its hash
        /// in this place.
        Registry(String) = "registry",
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
