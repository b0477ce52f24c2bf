//! What the host and each plugin are given to run with.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;

use crate::{Dispatcher, NoCalls};

/// How the host runs; one for the process.
#[derive(Clone)]
pub struct HostConfig {
    /// Resident instances of each plugin, one for each worker thread that serves requests.
    pub workers: usize,
    /// Folder in which compiled code is kept, mode 0600; `None` compiles on each load.
    pub code_cache: Option<PathBuf>,
    /// Step of the time limits in microseconds.
    pub epoch_us: u64,
    /// Who carries the HTTP calls that plugins make.
    pub dispatcher: Arc<dyn Dispatcher>,
    /// Where plugins read the time.
    pub clock: Clock,
    /// Seed of the plugins' random numbers; `None` takes the operating system's.
    pub random_seed: Option<u64>,
    /// Counts instructions, for the workbench; slows modules down by a factor of two.
    pub fuel: bool,
    /// Receives plugins' log lines in place of `tracing`.
    pub log_sink: Option<Arc<dyn LogSink>>,
    /// Bytes of keys and values that the plugins of one `vm_id` may share.
    pub shared_data_bytes_max: usize,
    /// Bytes that wait in all queues of one `vm_id`.
    pub queue_bytes_max: usize,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            code_cache: None,
            epoch_us: 1_000,
            dispatcher: Arc::new(NoCalls),
            clock: Clock::System,
            random_seed: None,
            fuel: false,
            log_sink: None,
            shared_data_bytes_max: 16 << 20,
            queue_bytes_max: 4 << 20,
        }
    }
}

impl fmt::Debug for HostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConfig")
            .field("workers", &self.workers)
            .field("code_cache", &self.code_cache)
            .field("epoch_us", &self.epoch_us)
            .field("fuel", &self.fuel)
            .finish_non_exhaustive()
    }
}

/// Where plugins read the time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The operating system's clock.
    #[default]
    System,
    /// Nanoseconds since the Unix epoch that stand still until somebody moves them.
    Frozen(Arc<AtomicU64>),
}

impl Clock {
    /// Nanoseconds since the Unix epoch.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |elapsed| u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)),
            Self::Frozen(now) => now.load(Ordering::Relaxed),
        }
    }
}

/// Takes what plugins log.
pub trait LogSink: Send + Sync {
    /// One line of plugin `plugin`, already within its rate.
    fn line(&self, plugin: &str, level: LogLevel, text: &str);
}

/// Levels of the ABI, least to most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// 0
    Trace,
    /// 1
    Debug,
    /// 2
    Info,
    /// 3
    Warn,
    /// 4
    Error,
    /// 5
    Critical,
}

/// One plugin: a module with its configuration and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginConfig {
    /// Name in metrics, logs and the property `plugin_name`.
    pub name: String,
    /// The module, WebAssembly binary format.
    pub module: Arc<[u8]>,
    /// SHA-256 of `module` in lower-case hex; another module is refused. `None` accepts any.
    pub sha256: Option<String>,
    /// What must have signed `module`; `None` asks for no signature.
    pub signature: Option<Signature>,
    /// Property `plugin_root_id`; chooses among the plugins of a module that registers several.
    pub root_id: String,
    /// Plugins of one `vm_id` share data and queues; `None` shares with none but its own instances.
    pub vm_id: Option<String>,
    /// What `proxy_on_configure` reads, as a rule JSON.
    pub configuration: Vec<u8>,
    /// What `proxy_on_vm_start` reads.
    pub vm_configuration: Vec<u8>,
    /// What a request gets when the plugin cannot answer.
    pub on_failure: OnFailure,
    /// Limits.
    pub limits: LimitsConfig,
    /// Environment that WASI shows to the module.
    pub environment: Vec<(String, String)>,
    /// Upstreams that the plugin may call; `None` allows every one that the dispatcher knows.
    pub upstreams: Option<Vec<String>>,
}

/// A signature and the key that it must be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Ed25519 key, 32 bytes (RFC 8032).
    pub public_key: Vec<u8>,
    /// Signature of the module's bytes, 64 bytes.
    pub signature: Vec<u8>,
}

impl Signature {
    /// Whether the signature is of these bytes and this key.
    #[must_use]
    pub fn covers(&self, module: &[u8]) -> bool {
        let key =
            ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, &self.public_key);
        key.verify(module, &self.signature).is_ok()
    }
}

impl PluginConfig {
    /// A plugin with default limits, no configuration, failing open.
    pub fn new(name: impl Into<String>, module: impl Into<Arc<[u8]>>) -> Self {
        Self {
            name: name.into(),
            module: module.into(),
            sha256: None,
            signature: None,
            root_id: String::new(),
            vm_id: None,
            configuration: Vec::new(),
            vm_configuration: Vec::new(),
            on_failure: OnFailure::Open,
            limits: LimitsConfig::default(),
            environment: Vec::new(),
            upstreams: None,
        }
    }
}

/// What a request gets when its plugin trapped, ran out of time or is disabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// It goes on without the plugin.
    #[default]
    Open,
    /// It is answered 503.
    Closed,
}

/// Limits of one plugin. Every field has a default, so that a specification names only what differs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Time of one callback in milliseconds: wall clock, and when that is over half as much of the
    /// processor's, so that a crowded machine fails no innocent callback.
    pub callback_ms_max: u64,
    /// Time of start and configuration together in milliseconds, likewise.
    pub start_ms_max: u64,
    /// Linear memory of one instance in bytes.
    pub memory_bytes_max: usize,
    /// Linear memory above which an instance is exchanged for a fresh one, in bytes.
    pub memory_bytes_recycle: usize,
    /// Elements of one table.
    pub table_elements_max: usize,
    /// Log lines of one plugin in a second; the rest is counted and dropped.
    pub log_per_s_max: u32,
    /// Bytes of one log line; the rest is cut.
    pub log_line_bytes_max: usize,
    /// HTTP calls of one instance that wait for an answer.
    pub calls_open_max: usize,
    /// Milliseconds that a call may take, whatever the plugin asks for.
    pub call_ms_max: u64,
    /// Milliseconds that a request may stay paused before the failure policy decides.
    pub pause_ms_max: u64,
    /// Metrics that the plugin may define.
    pub metrics_max: usize,
    /// Traps within [`Self::trap_window_ms`] that disable the plugin.
    pub traps_max: u32,
    /// Window of [`Self::traps_max`], and the time that a disabled plugin rests, in milliseconds.
    pub trap_window_ms: u64,
    /// Bytes of a body that are held back while the plugin pauses.
    pub body_bytes_max: usize,
    /// Bytes that one host call may take from or give to the module.
    pub transfer_bytes_max: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            callback_ms_max: 10,
            start_ms_max: 2_000,
            memory_bytes_max: 64 << 20,
            memory_bytes_recycle: 48 << 20,
            table_elements_max: 10_000,
            log_per_s_max: 100,
            log_line_bytes_max: 4_096,
            calls_open_max: 1_024,
            call_ms_max: 30_000,
            pause_ms_max: 30_000,
            metrics_max: 1_000,
            traps_max: 5,
            trap_window_ms: 10_000,
            body_bytes_max: 1 << 20,
            transfer_bytes_max: 16 << 20,
        }
    }
}
