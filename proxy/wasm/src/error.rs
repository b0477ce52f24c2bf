//! Why the host or a plugin did not start.

use std::io;

/// The host did not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The engine refused its settings.
    #[error("the plugin engine did not start: {0}")]
    Engine(String),
    /// The folder of compiled code cannot be used.
    #[error("cannot use the folder of compiled plugins {path}: {source}")]
    CodeCache {
        /// The folder.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A thread did not start.
    #[error("a thread of the plugin host did not start: {0}")]
    Thread(io::Error),
}

/// A plugin was refused; the one that runs under this name goes on.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The module is another than the one pinned.
    #[error("plugin {plugin}: the module has sha256 {actual}, the configuration pins {pinned}")]
    Digest {
        /// Name of the plugin.
        plugin: String,
        /// What was found.
        actual: String,
        /// What was asked for.
        pinned: String,
    },
    /// The signature is not of this module and key.
    #[error("plugin {plugin}: the signature is not the public_key's over this module")]
    Signature {
        /// Name of the plugin.
        plugin: String,
    },
    /// Not a module that the engine accepts.
    #[error("plugin {plugin}: the module does not compile: {reason}")]
    Compile {
        /// Name of the plugin.
        plugin: String,
        /// What the compiler said.
        reason: String,
    },
    /// No marker of a known ABI version.
    #[error(
        "plugin {plugin}: the module exports no known proxy-wasm version \
         (proxy_abi_version_0_1_0, _0_2_0 or _0_2_1)"
    )]
    Abi {
        /// Name of the plugin.
        plugin: String,
    },
    /// Functions that the host does not have.
    #[error("plugin {plugin}: the module imports what the host does not offer: {}", missing.join(", "))]
    Imports {
        /// Name of the plugin.
        plugin: String,
        /// Each missing import as `module.name (reason)`.
        missing: Vec<String>,
    },
    /// Exports that are missing or of the wrong shape.
    #[error("plugin {plugin}: {reason}")]
    Exports {
        /// Name of the plugin.
        plugin: String,
        /// Which export, and what was expected.
        reason: String,
    },
    /// The module trapped while starting.
    #[error("plugin {plugin}: {callback} failed ({reason}): {detail}")]
    Trap {
        /// Name of the plugin.
        plugin: String,
        /// Which call.
        callback: &'static str,
        /// `trap`, `timeout` or `oom`.
        reason: &'static str,
        /// The trap and its backtrace.
        detail: String,
    },
    /// `proxy_on_vm_start` or `proxy_on_configure` answered false.
    #[error("plugin {plugin}: {callback} refused the configuration{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Refused {
        /// Name of the plugin.
        plugin: String,
        /// Which call.
        callback: &'static str,
        /// What the plugin logged meanwhile.
        detail: String,
    },
}

/// A callback that did not return.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Which callback.
    pub(crate) callback: &'static str,
    /// `trap`, `timeout` or `oom`.
    pub(crate) reason: &'static str,
    /// The trap with its backtrace.
    pub(crate) detail: String,
}

impl Failure {
    pub(crate) fn new(
        callback: &'static str,
        error: &wasmtime::Error,
        out_of_memory: bool,
    ) -> Self {
        let interrupted = matches!(
            error.downcast_ref(),
            Some(wasmtime::Trap::Interrupt | wasmtime::Trap::OutOfFuel)
        );
        let reason = match (interrupted, out_of_memory) {
            (true, _) => "timeout",
            (false, true) => "oom",
            (false, false) => "trap",
        };
        Self { callback, reason, detail: format!("{error:?}") }
    }
}
