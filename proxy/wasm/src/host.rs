//! The engine, the clocks and everything that plugins share.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hashbrown::HashMap;
use sha2::{Digest, Sha256};
use tidegate_list::List;
use tokio::runtime::Handle;
use wasmtime::{EngineWeak, InstancePre, Module};

use crate::{
    HostConfig, HostError, LoadError, Plugin, PluginConfig, PluginStatus, Sample, abi,
    common::{Common, User},
    compiler::Compiler,
    keeper::{self, Keeper},
    lists::Lists,
    metric::gauge,
    plugin::Shared,
    record::LogRate,
    shared::Queues,
    state::State,
};

/// Step of the clock while there are no plugins.
const IDLE_STEP: Duration = Duration::from_millis(20);
/// Versions of the ABI, by the export that marks them.
const ABI_MARKERS: [&str; 3] =
    ["proxy_abi_version_0_1_0", "proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"];

/// The plugin host; one for the process.
pub struct Host {
    common: Arc<Common>,
}

impl Host {
    /// Starts the engine and its two threads: the clock of the time limits, and the keeper of timers
    /// and instances. Plugins' own calls run on the runtime of the thread that calls this.
    ///
    /// # Errors
    /// When the engine refuses its settings or the code folder cannot be written.
    pub fn new(config: HostConfig) -> Result<Arc<Self>, HostError> {
        let compiler = Compiler::new(&config, false)?;
        let (engine, step) = (compiler.engine.weak(), step(&config));
        let host = Self::on(compiler, config)?;
        spawn_clock(engine, step, Some(Arc::downgrade(&host.common)))?;
        Ok(host)
    }

    /// A host over an engine whose clock runs already.
    pub(crate) fn on(compiler: Arc<Compiler>, config: HostConfig) -> Result<Arc<Self>, HostError> {
        let linker = abi::linker(&compiler.engine);
        let (keeper, jobs) = Keeper::new();
        let common = Arc::new(Common {
            linker: linker.map_err(|error| HostError::Engine(error.to_string()))?,
            compiler,
            epoch_us: u64::try_from(step(&config).as_micros()).unwrap_or(u64::MAX),
            clock: config.clock,
            dispatcher: config.dispatcher,
            random_seed: config.random_seed,
            log_sink: config.log_sink,
            workers: config.workers,
            fuel: config.fuel,
            queues: Queues::new(config.queue_bytes_max),
            lists: Lists::default(),
            keeper,
            runtime: Handle::try_current().ok(),
            shared_data_bytes_max: config.shared_data_bytes_max,
            spaces: Mutex::new(HashMap::new()),
            records: Mutex::new(HashMap::new()),
            plugins: Mutex::new(Vec::new()),
            instance_last: AtomicU64::new(0),
            users: AtomicUsize::new(0),
        });
        spawn_keeper(jobs, Arc::downgrade(&common))?;
        Ok(Arc::new(Self { common }))
    }

    /// Compiles a module (or takes its compiled code from the folder), starts a canary instance and
    /// then one for each worker. Takes up to seconds: call it off the request path.
    ///
    /// Loading another version beside a running one is how a plugin is replaced: whoever holds the
    /// old one keeps it until its last request has ended. Loading the same once more, with the same
    /// configuration and limits, gives the one that runs already.
    ///
    /// # Errors
    /// Everything that keeps the plugin from running; the plugin loaded before goes on.
    pub fn load(&self, config: PluginConfig) -> Result<Arc<Plugin>, LoadError> {
        let _user = User::new(&self.common);
        let sha256 = digest(&config)?;
        if let Some(running) = self.running(&config, &sha256) {
            return Ok(running);
        }
        let module = self.common.compiler.compile(&config, &sha256)?;
        if !module.exports().any(|export| ABI_MARKERS.contains(&export.name())) {
            return Err(LoadError::Abi { plugin: config.name });
        }
        let shared = self.shared(config);
        let module = self.link(&module, &shared)?;
        let plugin = Plugin::start(&self.common, shared, sha256, module)?;
        let mut plugins = self.common.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        plugins.push(Arc::downgrade(&plugin));
        Ok(plugin)
    }

    /// Replaces all lists that plugins ask by `tidegate_listed`.
    pub fn set_lists<N: AsRef<str>>(&self, lists: impl IntoIterator<Item = (N, Arc<List>)>) {
        self.common.lists.set(lists);
    }

    /// Every series about plugins and of plugins.
    #[must_use]
    pub fn metrics(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        let records = self.common.records.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, record) in records.iter() {
            samples.extend(record.tallies.samples(name));
            samples.extend(record.registry.samples(name));
        }
        drop(records);
        for plugin in self.common.plugins() {
            samples.extend(of_plugin(&plugin));
        }
        for (name, entries, bytes) in self.common.lists.sizes() {
            let labels = vec![("list", name)];
            samples.push(gauge("list_entries", labels.clone(), entries as u64));
            samples.push(gauge("list_bytes", labels, bytes as u64));
        }
        samples.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        samples
    }

    /// Callbacks of all plugins that trapped, ran out of time or out of memory.
    #[must_use]
    pub fn failures(&self) -> u64 {
        let records = self.common.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.values().map(|record| record.tallies.failures()).sum()
    }

    /// Every plugin that lives, those that drain among them.
    #[must_use]
    pub fn plugins(&self) -> Vec<PluginStatus> {
        self.common.plugins().iter().map(|plugin| plugin.status()).collect()
    }

    /// Compiles a module and lists the imports that are not offered.
    pub(crate) fn inspect(&self, config: PluginConfig) -> Result<(Module, Vec<String>), LoadError> {
        let module = self.common.compiler.compile(&config, "inspected")?;
        let missing = self.missing(&module, &self.shared(config));
        Ok((module, missing))
    }

    /// The plugin that runs with exactly this configuration.
    fn running(&self, config: &PluginConfig, sha256: &str) -> Option<Arc<Plugin>> {
        let wanted = PluginConfig { module: Arc::default(), sha256: None, ..config.clone() };
        let mut plugins = self.common.plugins().into_iter();
        plugins.find(|plugin| plugin.sha256() == sha256 && *plugin.config() == wanted)
    }

    fn shared(&self, mut config: PluginConfig) -> Arc<Shared> {
        // The bytes have been compiled, and their digest checked.
        (config.module, config.sha256) = (Arc::default(), None);
        let vm_id: Arc<str> = config.vm_id.as_deref().unwrap_or(&config.name).into();
        Arc::new(Shared {
            name: config.name.as_str().into(),
            record: self.common.record(&config.name),
            space: self.common.space(&vm_id),
            vm_id,
            config,
            log_rate: LogRate::default(),
        })
    }

    /// Resolves the imports, or lists all that are missing.
    fn link(&self, module: &Module, shared: &Arc<Shared>) -> Result<InstancePre<State>, LoadError> {
        let missing = self.missing(module, shared);
        if !missing.is_empty() {
            return Err(LoadError::Imports { plugin: shared.name.to_string(), missing });
        }
        self.common.linker.instantiate_pre(module).map_err(|error| LoadError::Imports {
            plugin: shared.name.to_string(),
            missing: vec![format!("{error:#}")],
        })
    }

    fn missing(&self, module: &Module, shared: &Arc<Shared>) -> Vec<String> {
        let mut store = crate::instance::new_store(&self.common, shared, 0);
        let mut missing = Vec::new();
        for import in module.imports() {
            let name = format!("{}.{}", import.module(), import.name());
            let offered = self.common.linker.get(&mut store, import.module(), import.name());
            match (import.ty().func(), offered.ok().and_then(wasmtime::Extern::into_func)) {
                (None, _) => missing.push(format!("{name} (only functions can be imported)")),
                (Some(_), None) => missing.push(name),
                (Some(wanted), Some(offered)) if !offered.ty(&store).matches(wanted) => {
                    missing
                        .push(format!("{name} (wanted {wanted}, offered {})", offered.ty(&store)));
                }
                (Some(_), Some(_)) => {}
            }
        }
        missing
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("workers", &self.common.workers).finish_non_exhaustive()
    }
}

/// Step of the epoch.
fn step(config: &HostConfig) -> Duration {
    Duration::from_micros(config.epoch_us.max(100))
}

/// Moves the epoch on until the engine is gone; slowly while a host has no plugins, whose time it
/// could limit.
pub(crate) fn spawn_clock(
    engine: EngineWeak,
    step: Duration,
    common: Option<Weak<Common>>,
) -> Result<(), HostError> {
    let is_idle = move || {
        let common = common.as_ref().and_then(Weak::upgrade);
        common.is_some_and(|common| common.users.load(Ordering::Relaxed) == 0)
    };
    let clock = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(if is_idle() { step.max(IDLE_STEP) } else { step });
        }
    };
    thread::Builder::new().name("plugin-clock".into()).spawn(clock).map_err(HostError::Thread)?;
    Ok(())
}

fn spawn_keeper(jobs: keeper::Jobs, common: Weak<Common>) -> Result<(), HostError> {
    let work = move || keeper::run(&jobs, common);
    thread::Builder::new().name("plugin-keeper".into()).spawn(work).map_err(HostError::Thread)?;
    Ok(())
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(config: &PluginConfig) -> Result<String, LoadError> {
    let actual = sha256(&config.module);
    match &config.sha256 {
        Some(pinned) if !pinned.eq_ignore_ascii_case(&actual) => {
            Err(LoadError::Digest { plugin: config.name.clone(), actual, pinned: pinned.clone() })
        }
        _ if config
            .signature
            .as_ref()
            .is_some_and(|signature| !signature.covers(&config.module)) =>
        {
            Err(LoadError::Signature { plugin: config.name.clone() })
        }
        _ => Ok(actual),
    }
}

fn of_plugin(plugin: &Plugin) -> Vec<Sample> {
    let status = plugin.status();
    let labels = || {
        let version = status.sha256[..12.min(status.sha256.len())].to_owned();
        vec![("plugin", status.name.clone()), ("version", version)]
    };
    let state = |word: &str| {
        let mut labels = labels();
        labels.push(("state", word.to_owned()));
        gauge("state", labels, u64::from(status.state.as_str() == word))
    };
    vec![
        gauge("memory_bytes", labels(), status.memory_bytes),
        gauge("streams_open", labels(), status.streams as u64),
        gauge("shared_data_bytes", labels(), plugin.space().data_bytes() as u64),
        state("running"),
        state("recovering"),
        state("resting"),
    ]
}
