//! Plugins.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value as Json;
use tidegate_spec::PluginModule;

use super::Compiler;
use super::names::Kind;
use crate::snapshot::Plugin;

/// Bytes of an Ed25519 public key.
const PUBLIC_KEY_BYTES: usize = 32;
/// Least memory of an instance: one page of WebAssembly.
const MEMORY_BYTES_MIN: u64 = 64 << 10;

impl Compiler<'_> {
    pub(super) fn plugins(&mut self) -> Vec<Plugin> {
        let plugins = self.spec.plugins.iter().enumerate();
        plugins.map(|(index, plugin)| self.plugin(plugin, &format!("plugins[{index}]"))).collect()
    }

    fn plugin(&mut self, plugin: &tidegate_spec::Plugin, path: &str) -> Plugin {
        self.module(&plugin.module, &format!("{path}.module"));
        self.duration(plugin.call_timeout, &format!("{path}.call_timeout"));
        if plugin.memory_bytes_max.0 < MEMORY_BYTES_MIN {
            self.problem(format!("{path}.memory_bytes_max"), "must be at least 64KiB");
        }
        self.resolve_all(Kind::Upstream, &plugin.upstreams, &format!("{path}.upstreams"));
        self.signature(plugin, path);
        Plugin {
            spec: plugin.clone(),
            configuration: bytes_of(&plugin.config),
            vm_configuration: bytes_of(&plugin.vm_config),
        }
    }

    /// A key without a signature would refuse every module.
    fn signature(&mut self, plugin: &tidegate_spec::Plugin, path: &str) {
        let Some(key) = &plugin.public_key else { return };
        if STANDARD.decode(key).ok().is_none_or(|bytes| bytes.len() != PUBLIC_KEY_BYTES) {
            self.problem(format!("{path}.public_key"), "an Ed25519 key is base64 of 32 bytes");
        }
        let registered = matches!(plugin.module, PluginModule::Registry(_));
        if plugin.signature.is_empty() && !registered {
            let message =
                "missing, though public_key asks for one; `tidegate plugin sign` makes it";
            self.problem(format!("{path}.signature"), message);
        }
    }

    fn module(&mut self, module: &PluginModule, path: &str) {
        match module {
            PluginModule::File(file) if file.is_empty() => {
                self.problem(format!("{path}.file"), "no file named");
            }
            PluginModule::Sha256(hash) if !is_sha256(hash) => {
                self.problem(format!("{path}.sha256"), "a SHA-256 is 64 lowercase hex digits");
            }
            PluginModule::Registry(entry) if !entry.contains('@') => {
                self.problem(format!("{path}.registry"), "write name@version");
            }
            PluginModule::File(_) | PluginModule::Sha256(_) | PluginModule::Registry(_) => {}
        }
    }
}

/// A configuration as the plugin reads it. Plugins of other hosts expect a text without quotes.
fn bytes_of(config: &Json) -> Bytes {
    match config {
        Json::Null => Bytes::new(),
        Json::String(text) => Bytes::copy_from_slice(text.as_bytes()),
        config => config.to_string().into(),
    }
}

pub(super) fn is_sha256(hash: &str) -> bool {
    hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
