//! What all plugins share.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use hashbrown::HashMap;
use tokio::runtime::Handle;
use wasmtime::Linker;

use crate::{
    Clock, Dispatcher, LogLevel, LogSink, Plugin,
    compiler::Compiler,
    keeper::Keeper,
    lists::Lists,
    record::Record,
    shared::{Queues, Space},
    state::State,
};

/// Engine, clock and everything that outlives a plugin.
pub(crate) struct Common {
    pub(crate) compiler: Arc<Compiler>,
    pub(crate) linker: Linker<State>,
    pub(crate) clock: Clock,
    pub(crate) dispatcher: Arc<dyn Dispatcher>,
    pub(crate) random_seed: Option<u64>,
    pub(crate) log_sink: Option<Arc<dyn LogSink>>,
    pub(crate) workers: usize,
    pub(crate) epoch_us: u64,
    pub(crate) fuel: bool,
    pub(crate) queues: Queues,
    pub(crate) lists: Lists,
    pub(crate) keeper: Keeper,
    pub(crate) runtime: Option<Handle>,
    pub(crate) shared_data_bytes_max: usize,
    pub(crate) spaces: Mutex<HashMap<String, Arc<Space>>>,
    pub(crate) records: Mutex<HashMap<String, Arc<Record>>>,
    pub(crate) plugins: Mutex<Vec<Weak<Plugin>>>,
    pub(crate) instance_last: AtomicU64,
    /// Plugins that live or are being loaded: while there is none, no time limit runs.
    pub(crate) users: AtomicUsize,
}

/// Counts as a user of the clock until it is dropped.
pub(crate) struct User(Arc<Common>);

impl User {
    pub(crate) fn new(common: &Arc<Common>) -> Self {
        common.users.fetch_add(1, Ordering::Relaxed);
        Self(common.clone())
    }
}

impl Drop for User {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Common {
    /// Milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ns() / 1_000_000
    }

    /// Steps of the epoch that a time limit lasts, and one for the step already begun.
    pub(crate) fn epochs(&self, limit_ms: u64) -> u64 {
        limit_ms.saturating_mul(1_000).div_ceil(self.epoch_us.max(1)).saturating_add(1)
    }

    /// The runtime of this thread, else the one that the host was started on.
    pub(crate) fn runtime(&self) -> Option<Handle> {
        Handle::try_current().ok().or_else(|| self.runtime.clone())
    }

    /// A number for a new instance; 0 is never given.
    pub(crate) fn next_instance(&self) -> u64 {
        self.instance_last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The space of a `vm_id`.
    pub(crate) fn space(&self, vm_id: &str) -> Arc<Space> {
        let mut spaces = self.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Space::new(self.shared_data_bytes_max));
        spaces.entry_ref(vm_id).or_insert_with(fresh).clone()
    }

    /// The record of a plugin's name.
    pub(crate) fn record(&self, name: &str) -> Arc<Record> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.entry_ref(name).or_default().clone()
    }

    /// Every plugin that lives.
    pub(crate) fn plugins(&self) -> Vec<Arc<Plugin>> {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        plugins.retain(|plugin| plugin.strong_count() > 0);
        plugins.iter().filter_map(Weak::upgrade).collect()
    }

    /// The least urgent level that is written at all.
    pub(crate) fn log_level(&self) -> LogLevel {
        if self.log_sink.is_some()
            || tracing::enabled!(target: "tidegate_plugin", tracing::Level::TRACE)
        {
            return LogLevel::Trace;
        }
        if tracing::enabled!(target: "tidegate_plugin", tracing::Level::DEBUG) {
            return LogLevel::Debug;
        }
        if tracing::enabled!(target: "tidegate_plugin", tracing::Level::INFO) {
            return LogLevel::Info;
        }
        LogLevel::Warn
    }

    /// Writes a line of a plugin.
    pub(crate) fn write_log(&self, plugin: &str, level: LogLevel, text: &str) {
        if let Some(sink) = &self.log_sink {
            return sink.line(plugin, level, text);
        }
        match level {
            LogLevel::Trace => tracing::trace!(target: "tidegate_plugin", plugin, "{text}"),
            LogLevel::Debug => tracing::debug!(target: "tidegate_plugin", plugin, "{text}"),
            LogLevel::Info => tracing::info!(target: "tidegate_plugin", plugin, "{text}"),
            LogLevel::Warn => tracing::warn!(target: "tidegate_plugin", plugin, "{text}"),
            LogLevel::Error | LogLevel::Critical => {
                tracing::error!(target: "tidegate_plugin", plugin, "{text}");
            }
        }
    }
}
