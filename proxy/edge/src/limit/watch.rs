//! Watches who stands out: workers count into sketches of their own, one task beside them looks at what they saw.
//!
//! ```text
//! request ─▶ begun ─▶ sketches of the worker, this side ┐
//!        └─▶ ended ─▶ (failed, denied)                  ┴─ every two seconds the sides change: drained, merged,
//!                                                          one Watch a limit, one RouteWatch a route ─▶ Tight
//! ```

mod decide;
mod page;

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tidegate_control_client::api::{Op, TableOp, Tightening};
use tidegate_limit::{
    KeyHash, Request, Rule,
    anomaly::{
        Decay, Distinct, LINES_DEFAULT, RouteBucket, RouteWatch, Sketch, Stage, Watch, Window,
    },
};
use tidegate_route::Match;
use tidegate_snapshot::{Anomaly, WATCHED_PER_ROUTE_MAX};
use tidegate_telemetry::Phase;

pub(crate) use decide::watch;

use super::tight::{Tally, Tight};
use crate::clock::Now;

/// Entries of the pushed table that are about clients that stand out begin so.
pub(crate) const TIGHT: &str = "tight/";
/// Routes whose requests are counted; the first ones of a configuration.
const ROUTES_MAX: usize = 1_024;
/// Limits whose clients are watched; the compiler lets no more pass.
const LIMITS_MAX: usize = 16;
/// Clients that other nodes found, at most.
const PUSHED_MAX: usize = 4_096;
/// After this time no worker counts on the side that was left.
const SIDE_MS: u64 = 5;

thread_local! {
    /// Which worker this thread is.
    static WORKER: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The calling thread is that worker from now on.
pub(crate) fn work_as(worker: usize) {
    WORKER.set(worker);
}

/// The keys under which a request's client is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    keys: [(u16, KeyHash); WATCHED_PER_ROUTE_MAX],
    len: u8,
}

/// Who stands out on this node.
pub(crate) struct Watcher {
    threads: usize,
    /// Made when the first configuration asks for it.
    workers: OnceLock<Box<[[Cells; 2]]>>,
    side: AtomicUsize,
    tight: ArcSwapOption<Tight>,
    state: Mutex<State>,
    pushed: Mutex<HashMap<(String, u64), Pushed>>,
}

/// What a worker counts into, for one bucket.
struct Cells {
    requests: Sketch,
    failed: Sketch,
    denied: Sketch,
    clients: [Distinct; LIMITS_MAX],
    routes: Box<[RouteCells]>,
}

#[derive(Default)]
struct RouteCells {
    requests: AtomicU32,
    failed: AtomicU32,
    denied: AtomicU32,
}

#[derive(Default)]
struct State {
    revision: u64,
    limits: HashMap<String, LimitState>,
    routes: HashMap<String, RouteWatch>,
    tallies: HashMap<(String, u64), Arc<Tally>>,
    buckets: u64,
    looks: u64,
}

struct LimitState {
    watch: Watch,
    decay: Decay,
    /// Of this minute and the one before.
    clients: [Distinct; 2],
    /// Whom the fleet tightens: what that denies is not held against them here.
    fleet: HashSet<KeyHash>,
}

struct Pushed {
    stage: Stage,
    rate: f64,
    until_us: u64,
}

/// What all workers saw in a bucket.
struct Saw {
    requests: Window,
    failed: Window,
    denied: Window,
    clients: [Distinct; LIMITS_MAX],
    routes: Vec<RouteBucket>,
}

// === impl Watched ===

impl Watched {
    pub(crate) const NONE: Self = Self { keys: [(0, KeyHash(0)); WATCHED_PER_ROUTE_MAX], len: 0 };

    #[inline]
    pub(crate) const fn is_some(self) -> bool {
        self.len > 0
    }

    pub(super) fn push(&mut self, number: u16, key: KeyHash) {
        if let Some(place) = self.keys.get_mut(usize::from(self.len)) {
            *place = (number, key);
            self.len += 1;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, KeyHash)> {
        self.keys.iter().take(usize::from(self.len)).copied()
    }
}

/// Whether a request's tier is one whose clients never stand out.
pub(super) fn is_exempt(anomaly: &Anomaly, rule: &Rule, request: &Request<'_>) -> bool {
    if anomaly.exempt_tiers.is_empty() {
        return false;
    }
    let Some(tiers) = &rule.options().tiers else { return false };
    let mut exempt = false;
    tiers.by.each_value(request, &mut |value| {
        exempt |= anomaly.exempt_tiers.iter().any(|tier| tier.as_bytes() == value);
    });
    exempt
}

// === impl Watcher ===

impl Watcher {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            threads,
            workers: OnceLock::new(),
            side: AtomicUsize::new(0),
            tight: ArcSwapOption::empty(),
            state: Mutex::default(),
            pushed: Mutex::default(),
        }
    }

    /// Who is tightened or in shadow; `None` as long as that is nobody.
    pub(super) fn tight(&self) -> Option<Arc<Tight>> {
        self.tight.load_full()
    }

    /// A request has come.
    pub(super) fn begun(&self, watched: Watched, found: Match) {
        let Some(cells) = self.mine() else { return };
        for (number, key) in watched.iter() {
            cells.requests.add(key, number);
            cells.clients[usize::from(number) % LIMITS_MAX].add(key);
        }
        if let Some(route) = cells.routes.get(found.route.0 as usize) {
            bump(&route.requests);
        }
    }

    /// A watched request has ended.
    #[inline]
    pub(crate) fn ended(&self, watched: Watched, found: Option<Match>, status: u16, phase: Phase) {
        if status >= 400 || phase == Phase::Limited {
            self.went_wrong(watched, found, phase == Phase::Limited);
        }
    }

    fn went_wrong(&self, watched: Watched, found: Option<Match>, denied: bool) {
        let Some(cells) = self.mine() else { return };
        let sketch = if denied { &cells.denied } else { &cells.failed };
        for (number, key) in watched.iter() {
            sketch.add(key, number);
        }
        let route = found.and_then(|found| cells.routes.get(found.route.0 as usize));
        if let Some(route) = route {
            bump(if denied { &route.denied } else { &route.failed });
        }
    }

    /// The calling worker's cells of the side that counts now.
    fn mine(&self) -> Option<&Cells> {
        let sides = self.workers.get()?.get(WORKER.get())?;
        Some(&sides[self.side.load(Relaxed) % 2])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pushed(&self) -> MutexGuard<'_, HashMap<(String, u64), Pushed>> {
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was pushed.
    pub(crate) fn reset(&self) {
        self.pushed().clear();
    }

    /// Takes in what was found on all nodes together; it holds from the next bucket on. What cannot be read is left out.
    pub(crate) fn push(&self, ops: &[TableOp], now: Now) {
        let mut pushed = self.pushed();
        for op in ops {
            let Some((limit, key)) =
                op.key.strip_prefix(TIGHT).and_then(|rest| rest.rsplit_once('/'))
            else {
                continue;
            };
            let Ok(key) = u64::from_str_radix(key, 16) else { continue };
            let place = (limit.to_owned(), key);
            match entry(op, now) {
                Some(entry) if pushed.len() < PUSHED_MAX => drop(pushed.insert(place, entry)),
                Some(_) => {}
                None => drop(pushed.remove(&place)),
            }
        }
    }

    /// Changes sides and takes out what the workers saw on the one before.
    async fn saw(&self) -> Saw {
        let make = |_| std::array::from_fn(|_| Cells::new());
        let workers = self.workers.get_or_init(|| (0..self.threads).map(make).collect());
        let left = self.side.fetch_add(1, Relaxed) % 2;
        tokio::time::sleep(Duration::from_millis(SIDE_MS)).await;
        let mut saw = Saw::nothing();
        workers.iter().for_each(|sides| sides[left].drain_into(&mut saw));
        saw
    }
}

// === impl Cells ===

impl Cells {
    fn new() -> Self {
        let sketch = || Sketch::new(LINES_DEFAULT);
        Self {
            requests: sketch(),
            failed: sketch(),
            denied: sketch(),
            clients: std::array::from_fn(|_| Distinct::default()),
            routes: (0..ROUTES_MAX).map(|_| RouteCells::default()).collect(),
        }
    }

    fn drain_into(&self, saw: &mut Saw) {
        saw.requests.merge(&self.requests.drain());
        saw.failed.merge(&self.failed.drain());
        saw.denied.merge(&self.denied.drain());
        for (all, own) in saw.clients.iter().zip(&self.clients) {
            all.take(own);
        }
        for (all, own) in saw.routes.iter_mut().zip(&self.routes) {
            all.requests += u64::from(own.requests.swap(0, Relaxed));
            all.failed += u64::from(own.failed.swap(0, Relaxed));
            all.denied += u64::from(own.denied.swap(0, Relaxed));
        }
    }
}

impl Saw {
    fn nothing() -> Self {
        let window = || Window::empty(LINES_DEFAULT);
        Self {
            requests: window(),
            failed: window(),
            denied: window(),
            clients: std::array::from_fn(|_| Distinct::default()),
            routes: vec![RouteBucket::default(); ROUTES_MAX],
        }
    }
}

/// `None` for what is over.
fn entry(op: &TableOp, now: Now) -> Option<Pushed> {
    let value = op.value.clone().filter(|_| op.op != Op::Delete)?;
    let Tightening { state, rate, until } = serde_json::from_value(value).ok()?;
    let stage = match state.as_str() {
        "shadow" => Stage::Shadow,
        "tightened" => Stage::Tightened,
        _ => return None,
    };
    let left_us = until.checked_sub(now.unix_us).filter(|left_us| *left_us > 0)?;
    Some(Pushed { stage, rate, until_us: now.mono_us + left_us })
}

/// Only the worker itself writes.
fn bump(cell: &AtomicU32) {
    cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
}
