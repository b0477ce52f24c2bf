//! The thread that does for plugins what no request does: timers, queues, answers to calls that the
//! plugins themselves made, new instances in place of failed ones, and burials.

use std::{
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

use hashbrown::HashMap;

use crate::{
    GrpcEvent, HttpAnswer, Plugin, common::Common, instance::Instance, plugin::Shared,
    shared::Listener,
};

/// Shortest time between two ticks of an instance.
const TICK_MIN: Duration = Duration::from_millis(1);
/// How long an answer looks for an instance that is not in its place yet.
const PLACE_TRIES: u32 = 100;
/// Pause between two such looks, and the longest sleep.
const PLACE_PAUSE: Duration = Duration::from_millis(20);
/// How long a timer looks for its instance, which may wait for others of the plugin to start; the pause
/// between two looks doubles up to a second.
const TIMER_PATIENCE: Duration = Duration::from_secs(60);

/// What the thread is asked to do.
enum Job {
    Tick { plugin: Arc<str>, instance: u64, period_ms: u32 },
    Queue { listeners: Vec<Listener>, queue: u32 },
    Answered { plugin: Arc<str>, instance: u64, call: u32, answer: Option<HttpAnswer>, tries: u32 },
    Grpc { plugin: Arc<str>, instance: u64, call: u32, event: GrpcEvent, tries: u32 },
    Repair(Weak<Plugin>),
    Bury(Box<Instance>),
}

/// The way to the thread.
#[derive(Clone)]
pub(crate) struct Keeper {
    jobs: Sender<Job>,
}

/// The other end, for [`run`].
pub(crate) struct Jobs(Receiver<Job>);

impl Keeper {
    pub(crate) fn new() -> (Self, Jobs) {
        let (jobs, receiver) = channel();
        (Self { jobs }, Jobs(receiver))
    }

    pub(crate) fn tick(&self, plugin: &Shared, instance: u64, period_ms: u32) {
        self.send(Job::Tick { plugin: plugin.name.clone(), instance, period_ms });
    }

    pub(crate) fn queue(&self, listeners: Vec<Listener>, queue: u32) {
        if !listeners.is_empty() {
            self.send(Job::Queue { listeners, queue });
        }
    }

    pub(crate) fn answered(
        &self,
        plugin: Arc<str>,
        instance: u64,
        call: u32,
        answer: Option<HttpAnswer>,
    ) {
        self.send(Job::Answered { plugin, instance, call, answer, tries: 0 });
    }

    pub(crate) fn grpc(&self, plugin: Arc<str>, instance: u64, call: u32, event: GrpcEvent) {
        self.send(Job::Grpc { plugin, instance, call, event, tries: 0 });
    }

    pub(crate) fn repair(&self, plugin: Weak<Plugin>) {
        self.send(Job::Repair(plugin));
    }

    pub(crate) fn bury(&self, instance: Box<Instance>) {
        self.send(Job::Bury(instance));
    }

    fn send(&self, job: Job) {
        // The thread ends only with the host.
        let _ = self.jobs.send(job);
    }
}

/// A timer of one instance.
struct Timer {
    plugin: Arc<str>,
    period: Duration,
    due: Instant,
    /// When it was last found, or set.
    seen: Instant,
}

/// What the thread remembers.
struct Desk {
    common: Weak<Common>,
    timers: HashMap<u64, Timer>,
    repairs: Vec<(Instant, Weak<Plugin>)>,
    later: Vec<(Instant, Job)>,
}

/// Works until the host is gone.
pub(crate) fn run(jobs: &Jobs, common: Weak<Common>) {
    let mut desk = Desk { common, timers: HashMap::new(), repairs: Vec::new(), later: Vec::new() };
    loop {
        let wait = desk
            .next()
            .map_or(Duration::from_secs(1), |due| due.saturating_duration_since(Instant::now()));
        match jobs.0.recv_timeout(wait) {
            Ok(job) => desk.work(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if desk.common.strong_count() == 0 {
            return;
        }
        desk.run_due(Instant::now());
    }
}

impl Timer {
    /// Sets the next time; `false` when the instance is gone for good.
    fn again(&mut self, found: bool, now: Instant) -> bool {
        if found {
            (self.due, self.seen) = (now + self.period, now);
            return true;
        }
        // It may not be in its place yet.
        let waited = now.duration_since(self.seen);
        self.due = now + waited.clamp(PLACE_PAUSE, Duration::from_secs(1));
        waited < TIMER_PATIENCE
    }
}

impl Desk {
    /// When something is due next.
    fn next(&self) -> Option<Instant> {
        let timers = self.timers.values().map(|timer| timer.due);
        let repairs = self.repairs.iter().map(|(due, _)| *due);
        let later = self.later.iter().map(|(due, _)| *due);
        timers.chain(repairs).chain(later).min()
    }

    fn work(&mut self, job: Job) {
        match job {
            Job::Tick { instance, period_ms: 0, .. } => drop(self.timers.remove(&instance)),
            Job::Tick { plugin, instance, period_ms } => {
                let period = Duration::from_millis(u64::from(period_ms)).max(TICK_MIN);
                let seen = Instant::now();
                self.timers.insert(instance, Timer { plugin, period, due: seen + period, seen });
            }
            Job::Queue { listeners, queue } => self.tell_queue(&listeners, queue),
            Job::Answered { plugin, instance, call, answer, tries } => {
                self.deliver(plugin, instance, call, answer, tries);
            }
            Job::Grpc { plugin, instance, call, event, tries } => {
                self.deliver_grpc(plugin, instance, call, event, tries);
            }
            Job::Repair(plugin) => self.repairs.push((Instant::now(), plugin)),
            Job::Bury(instance) => drop(instance),
        }
    }

    fn run_due(&mut self, now: Instant) {
        self.tick(now);
        let (due, rest) =
            std::mem::take(&mut self.repairs).into_iter().partition(|(at, _)| *at <= now);
        self.repairs = rest;
        self.repair(due, now);
        let later = std::mem::take(&mut self.later);
        for (at, job) in later {
            match at <= now {
                true => self.work(job),
                false => self.later.push((at, job)),
            }
        }
    }

    /// Repairs each plugin once, however often it was asked for.
    fn repair(&mut self, due: Vec<(Instant, Weak<Plugin>)>, now: Instant) {
        let mut seen: Vec<Weak<Plugin>> = Vec::new();
        for (_, plugin) in due {
            if seen.iter().any(|known| known.ptr_eq(&plugin)) {
                continue;
            }
            if let Some(next) = plugin.upgrade().and_then(|plugin| plugin.repair(now)) {
                self.repairs.push((next, plugin.clone()));
            }
            seen.push(plugin);
        }
    }

    fn tick(&mut self, now: Instant) {
        let due: Vec<u64> = self
            .timers
            .iter()
            .filter(|(_, timer)| timer.due <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in due {
            let Some(name) = self.timers.get(&number).map(|timer| timer.plugin.clone()) else {
                continue;
            };
            let found = self.visit(&name, number, false, Instance::tick).is_some();
            if let Some(timer) = self.timers.get_mut(&number)
                && !timer.again(found, now)
            {
                self.timers.remove(&number);
            }
        }
    }

    /// Tells the first listener that still lives.
    fn tell_queue(&self, listeners: &[Listener], queue: u32) {
        for listener in listeners {
            let told = self.visit(&listener.plugin, listener.instance, false, |instance| {
                instance.queue_ready(queue)
            });
            if told.is_some() {
                return;
            }
        }
    }

    fn deliver(
        &mut self,
        plugin: Arc<str>,
        instance: u64,
        call: u32,
        answer: Option<HttpAnswer>,
        tries: u32,
    ) {
        let mut kept = Some(answer);
        let told = self.visit(&plugin, instance, true, |instance| {
            instance.root_answer(call, kept.take().flatten())
        });
        // The call may have been made while the instance was configured: it is not in its place yet.
        if told.is_none() && tries < PLACE_TRIES {
            let answer = kept.flatten();
            let job = Job::Answered { plugin, instance, call, answer, tries: tries + 1 };
            self.later.push((Instant::now() + PLACE_PAUSE, job));
        }
    }

    fn deliver_grpc(
        &mut self,
        plugin: Arc<str>,
        instance: u64,
        call: u32,
        event: GrpcEvent,
        tries: u32,
    ) {
        let told =
            self.visit(&plugin, instance, true, |instance| instance.root_grpc(call, event.clone()));
        if told.is_none() && tries < PLACE_TRIES {
            let job = Job::Grpc { plugin, instance, call, event, tries: tries + 1 };
            self.later.push((Instant::now() + PLACE_PAUSE, job));
        }
    }

    fn visit(
        &self,
        plugin: &str,
        instance: u64,
        spare_too: bool,
        mut work: impl FnMut(&mut Instance) -> Result<(), crate::error::Failure>,
    ) -> Option<()> {
        let common = self.common.upgrade()?;
        let mut named = common.plugins().into_iter().filter(|known| known.name() == plugin);
        named.find_map(|plugin| plugin.visit(instance, spare_too, &mut work))
    }
}
