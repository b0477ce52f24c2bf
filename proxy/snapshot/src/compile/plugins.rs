//! Plugins.

use bytes::Bytes;
use serde_json::Value as Json;
use tidegate_spec::PluginModule;

use super::Compiler;
use super::names::Kind;
use crate::snapshot::Plugin;

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
        let configuration = match &plugin.config {
            Json::Null => Bytes::new(),
            config => config.to_string().into(),
        };
        Plugin { spec: plugin.clone(), configuration }
    }

    fn module(&mut self, module: &PluginModule, path: &str) {
        match module {
            PluginModule::File(file) if file.is_empty() => {
                self.problem(format!("{path}.file"), "no file named");
            }
            PluginModule::Sha256(hash) if !is_sha256(hash) => {
                self.problem(format!("{path}.sha256"), "a SHA-256 is 64 lowercase hex digits");
            }
            PluginModule::File(_) | PluginModule::Sha256(_) => {}
        }
    }
}

fn is_sha256(hash: &str) -> bool {
    hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
