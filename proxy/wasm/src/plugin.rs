//! A loaded plugin: its compiled module and its resident instances.

use std::{
    cell::Cell,
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use wasmtime::InstancePre;

use crate::{
    LoadError, OnFailure, PluginConfig,
    common::{Common, User},
    error::Failure,
    instance::Instance,
    record::{LogRate, Record},
    shared::Space,
    state::State,
};

/// Longest rest of a plugin that keeps failing.
const REST_MAX: Duration = Duration::from_secs(300);

/// Phases of a request that a plugin takes part in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases(u32);

impl Phases {
    /// `proxy_on_request_headers`
    pub const REQUEST_HEADERS: Self = Self(1);
    /// `proxy_on_request_body`
    pub const REQUEST_BODY: Self = Self(2);
    /// `proxy_on_request_trailers`
    pub const REQUEST_TRAILERS: Self = Self(4);
    /// `proxy_on_response_headers`
    pub const RESPONSE_HEADERS: Self = Self(8);
    /// `proxy_on_response_body`
    pub const RESPONSE_BODY: Self = Self(16);
    /// `proxy_on_response_trailers`
    pub const RESPONSE_TRAILERS: Self = Self(32);
    /// `proxy_on_log`
    pub const LOG: Self = Self(64);

    /// Whether one of `other` is among these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Not a phase: the module's contexts may be used for one request after the other.
    pub(crate) const REUSE: Self = Self(256);

    /// From the bits that a module subscribes with; unknown ones are ignored.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits & (127 | Self::REUSE.0))
    }
}

/// Whether a plugin works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginState {
    /// Every worker has an instance.
    Running,
    /// An instance is being replaced.
    Recovering,
    /// Too many traps in a short time: the failure policy answers until the rest is over.
    Resting,
}

impl PluginState {
    /// The word for metrics and the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Recovering => "recovering",
            Self::Resting => "resting",
        }
    }
}

/// A plugin as the admin API shows it.
#[derive(Clone, Debug)]
pub struct PluginStatus {
    /// Name.
    pub name: String,
    /// SHA-256 of the module in hex.
    pub sha256: String,
    /// Present state.
    pub state: PluginState,
    /// Calls that trapped, ran out of time, or out of memory.
    pub traps: u64,
    /// The last trap with its backtrace.
    pub last_trap: Option<String>,
    /// Linear memory of all instances in bytes.
    pub memory_bytes: u64,
    /// Requests that are open in its instances.
    pub streams: usize,
}

/// What all instances of a plugin share.
pub(crate) struct Shared {
    pub(crate) name: Arc<str>,
    pub(crate) vm_id: Arc<str>,
    pub(crate) config: PluginConfig,
    pub(crate) record: Arc<Record>,
    pub(crate) space: Arc<Space>,
    pub(crate) log_rate: LogRate,
}

/// A loaded plugin.
pub struct Plugin {
    shared: Arc<Shared>,
    common: Arc<Common>,
    _user: User,
    itself: Weak<Self>,
    sha256: String,
    module: InstancePre<State>,
    phases: Phases,
    slots: Box<[Mutex<Slot>]>,
    spare: Mutex<Option<Box<Instance>>>,
    health: Mutex<Health>,
    resting: AtomicBool,
}

/// The instance of one worker.
#[derive(Default)]
pub(crate) struct Slot {
    instance: Option<Box<Instance>>,
    /// Replaced for its memory, until its last request has ended.
    #[expect(clippy::vec_box, reason = "instances are large and move from box to box")]
    draining: Vec<Box<Instance>>,
}

/// Recent failures.
#[derive(Debug, Default)]
struct Health {
    failures: VecDeque<Instant>,
    rest_until: Option<Instant>,
    rests: u32,
}

thread_local! {
    static WORKER: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Numbers threads in the order in which they first run a plugin.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    WORKER.with(|worker| {
        if worker.get() == usize::MAX {
            worker.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        worker.get()
    })
}

impl Plugin {
    /// Starts a canary, which becomes the spare, and then an instance for each worker.
    pub(crate) fn start(
        common: &Arc<Common>,
        shared: Arc<Shared>,
        sha256: String,
        module: InstancePre<State>,
    ) -> Result<Arc<Self>, LoadError> {
        let spare = Instance::start(common, &shared, &module)?;
        let phases = spare.phases;
        let slots: Result<Box<[_]>, LoadError> = (0..common.workers.max(1))
            .map(|_| {
                let instance = Some(Instance::start(common, &shared, &module)?);
                Ok(Mutex::new(Slot { instance, draining: Vec::new() }))
            })
            .collect();
        let slots = slots?;
        Ok(Arc::new_cyclic(|itself| Self {
            shared,
            common: common.clone(),
            _user: User::new(common),
            itself: itself.clone(),
            sha256,
            module,
            phases,
            slots,
            spare: Mutex::new(Some(spare)),
            health: Mutex::default(),
            resting: AtomicBool::new(false),
        }))
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// SHA-256 of the module in hex.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Phases that the plugin takes part in: those it exports, or those it subscribed to.
    #[must_use]
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> PluginStatus {
        let mut status = PluginStatus {
            name: self.name().to_owned(),
            sha256: self.sha256.clone(),
            state: PluginState::Running,
            traps: self.record().tallies.failures(),
            last_trap: self.record().tallies.last_trap(),
            memory_bytes: lock(&self.spare).as_ref().map_or(0, |spare| spare.memory_bytes() as u64),
            streams: 0,
        };
        for slot in &self.slots {
            let slot = lock(slot);
            if slot.instance.is_none() {
                status.state = PluginState::Recovering;
            }
            for instance in slot.instance.iter().chain(&slot.draining) {
                status.memory_bytes += instance.memory_bytes() as u64;
                status.streams += instance.streams();
            }
        }
        if self.is_resting() {
            status.state = PluginState::Resting;
        }
        status
    }

    /// Instructions burnt by all instances, when the host counts them.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        let slots = self.slots.iter().map(lock);
        slots.filter_map(|slot| slot.instance.as_ref().map(|instance| instance.fuel())).sum()
    }

    pub(crate) fn config(&self) -> &PluginConfig {
        &self.shared.config
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.shared.record
    }

    pub(crate) fn space(&self) -> &Space {
        &self.shared.space
    }

    pub(crate) fn on_failure(&self) -> OnFailure {
        self.shared.config.on_failure
    }

    pub(crate) fn pause_ms_max(&self) -> u64 {
        self.shared.config.limits.pause_ms_max
    }

    /// The slot of this thread.
    #[inline]
    pub(crate) fn worker(&self) -> usize {
        thread_number() % self.slots.len()
    }

    #[inline]
    pub(crate) fn slot(&self, index: usize) -> MutexGuard<'_, Slot> {
        lock(&self.slots[index])
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }

    /// Replaces an instance whose memory has grown; lets go of one that has drained.
    #[inline]
    pub(crate) fn tidy(&self, slot: &mut Slot) {
        let most = self.shared.config.limits.memory_bytes_recycle;
        let Some(instance) = &slot.instance else { return };
        if instance.memory_bytes() > most && slot.draining.is_empty() {
            self.recycle(slot);
        }
        if !slot.draining.is_empty() {
            let common = &self.common;
            for drained in slot.draining.extract_if(.., |instance| instance.streams() == 0) {
                common.keeper.bury(drained);
            }
        }
    }

    fn recycle(&self, slot: &mut Slot) {
        let Some(spare) = lock(&self.spare).take() else { return };
        if let Some(old) = slot.instance.replace(spare) {
            slot.draining.push(old);
        }
        self.record().tallies.add_recycled();
        self.common.keeper.repair(self.itself.clone());
    }

    /// Drops an instance that failed; the spare takes its place.
    pub(crate) fn fail(&self, slot: &mut Slot, number: u64, failure: &Failure) {
        self.record().tallies.add_failure(failure);
        tracing::error!(
            target: "tidegate_plugin",
            plugin = self.name(),
            callback = failure.callback,
            reason = failure.reason,
            detail = failure.detail,
            "plugin failed"
        );
        for dead in slot.draining.extract_if(.., |instance| instance.number == number) {
            self.common.keeper.bury(dead);
        }
        if let Some(dead) = slot.instance.take_if(|instance| instance.number == number) {
            self.common.keeper.bury(dead);
        }
        let rests = self.note_failure(Instant::now());
        if slot.instance.is_none() && !rests {
            slot.instance = lock(&self.spare).take();
            self.record().tallies.add_replaced();
        }
        self.common.keeper.repair(self.itself.clone());
    }

    /// Counts a failure; answers whether the plugin has to rest now.
    fn note_failure(&self, now: Instant) -> bool {
        let limits = &self.shared.config.limits;
        let window = Duration::from_millis(limits.trap_window_ms);
        let mut health = lock(&self.health);
        health.failures.push_back(now);
        while health.failures.front().is_some_and(|at| now.duration_since(*at) > window) {
            health.failures.pop_front();
        }
        if health.failures.len() >= limits.traps_max.max(1) as usize {
            let rest = window.saturating_mul(1 << health.rests.min(8)).min(REST_MAX);
            health.rests += 1;
            health.rest_until = Some(now + rest);
            health.failures.clear();
            self.resting.store(true, Ordering::Relaxed);
        }
        health.rest_until.is_some()
    }

    /// Fills empty slots and the spare; the keeper calls it. Answers when to come again.
    pub(crate) fn repair(&self, now: Instant) -> Option<Instant> {
        if let Some(until) = lock(&self.health).rest_until.filter(|until| *until > now) {
            return Some(until);
        }
        let empty = |slot: &&Mutex<Slot>| lock(slot).instance.is_none();
        for slot in self.slots.iter().filter(empty) {
            match self.instance() {
                Some(instance) => lock(slot).instance = Some(instance),
                None => return self.rest_again(now),
            }
        }
        if lock(&self.spare).is_none() {
            match self.instance() {
                Some(instance) => *lock(&self.spare) = Some(instance),
                None => return self.rest_again(now),
            }
        }
        lock(&self.health).rest_until = None;
        self.resting.store(false, Ordering::Relaxed);
        None
    }

    fn rest_again(&self, now: Instant) -> Option<Instant> {
        let mut health = lock(&self.health);
        let rest = Duration::from_secs(1).saturating_mul(1 << health.rests.min(8)).min(REST_MAX);
        health.rests += 1;
        health.rest_until = Some(now + rest);
        self.resting.store(true, Ordering::Relaxed);
        health.rest_until
    }

    fn instance(&self) -> Option<Box<Instance>> {
        match Instance::start(&self.common, &self.shared, &self.module) {
            Ok(instance) => Some(instance),
            Err(error) => {
                let plugin = self.name();
                tracing::error!(target: "tidegate_plugin", plugin, %error, "plugin does not start again");
                None
            }
        }
    }

    /// Runs `work` in the instance of a number; `None` when it is gone. The spare may be visited
    /// only by answers to calls that it made itself.
    pub(crate) fn visit(
        &self,
        number: u64,
        spare_too: bool,
        work: impl FnOnce(&mut Instance) -> Result<(), Failure>,
    ) -> Option<()> {
        for slot in &self.slots {
            let mut slot = lock(slot);
            if let Some(instance) = slot.find(Some(number)) {
                if let Err(failure) = work(instance) {
                    self.fail(&mut slot, number, &failure);
                }
                return Some(());
            }
        }
        let mut spare = lock(&self.spare);
        let instance = spare.as_mut().filter(|spare| spare.number == number)?;
        if spare_too && let Err(failure) = work(instance) {
            self.record().tallies.add_failure(&failure);
            *spare = None;
            drop(spare);
            self.common.keeper.repair(self.itself.clone());
        }
        Some(())
    }
}

impl Slot {
    /// The instance of a number, or the present one.
    #[inline]
    pub(crate) fn find(&mut self, number: Option<u64>) -> Option<&mut Instance> {
        let Some(number) = number else { return self.instance.as_deref_mut() };
        let Self { instance, draining } = self;
        let mut all = instance.iter_mut().chain(draining);
        all.find(|instance| instance.number == number).map(|instance| &mut **instance)
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name())
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

#[inline]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
