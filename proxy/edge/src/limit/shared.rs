//! Limits that nodes count together: this node's ledger, the stores that own the keys, and what holds
//! while a store is out of reach.
//!
//! ```text
//! request ── ledger says go / no ─▶ decided here, reported later
//!    └────── ledger says ask ─────▶ slow lane: asks of a shard go together, a few calls at a time
//! keeper, ten times a second: the clerk's entries ─▶ each shard's store ─▶ answers into the ledger
//! ```
//!
//! Requests never find out that a store is gone: after a few failures in a row its shard is *alone*, and
//! while it is, nothing is asked of it but by the keeper.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tidegate_counters::Redis;
use tidegate_limit::{
    Fallback, KeyHash, Mode, Rule, Secret, Table,
    global::{
        ACTIVE_US, Answer, Batch, Clerk, Entry, Ledger, Place, Reply, SYNC_US, Shared, Stand, WHOLE,
    },
};
use tidegate_snapshot::LimitIndex;
use tidegate_telemetry::{Counter, Gauge};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::tally::{Tally, Word};
use crate::{Edge, clock::Clock};

/// Shared keys that a node follows; 64 bytes each.
const LEDGER_KEYS: usize = 65_536;
/// So many exchanges must fail in a row before a store counts as gone, and so many succeed before it is back.
const FAILURES_MAX: u32 = 3;
const SUCCESSES_MIN: u32 = 4;
/// Calls to a store on behalf of waiting requests at the same time, and requests that wait for one.
const ASKS_MAX: usize = 16;
const ASKS_QUEUED_MAX: usize = 4_096;
const ASKS_TOGETHER_MAX: usize = 1_024;
/// How long a report may take.
const REPORT_MS_MAX: u64 = 250;

/// This node's part in the counting.
pub(crate) struct SharedCounts {
    ledger: Ledger,
    clerk: Mutex<Clerk>,
    /// None where nobody counts for all: then each node does for itself.
    stores: ArcSwapOption<Stores>,
    node: u64,
    seq: AtomicU64,
}

/// The stores of a configuration.
struct Stores {
    settings: tidegate_spec::Counters,
    shards: Vec<Shard>,
    /// How many nodes share the limits; 0 as long as nobody said.
    nodes: AtomicU16,
}

/// The keys of one store.
struct Shard {
    store: Store,
    asks: mpsc::Sender<Ask>,
    failures: AtomicU32,
    successes: AtomicU32,
    heard_us: AtomicU64,
    /// Since when this node decides alone, 0 while it does not.
    alone_us: AtomicU64,
}

enum Store {
    ControlPlane(Weak<Edge>),
    Redis(Box<Redis>),
}

struct Ask {
    entry: Entry,
    answer: oneshot::Sender<Option<Answer>>,
}

/// A shared limit of a request that only the owner of its key can decide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) index: LimitIndex,
    pub(crate) key: KeyHash,
    pub(crate) shared: Shared,
    pub(crate) cost: u32,
}

/// How a request stands with a shared limit.
pub(super) enum Standing<'l> {
    /// It may pass, and takes this when all limits let it.
    Go(Take<'l>),
    No {
        wait_us: u64,
    },
    Ask(Question),
    /// Nobody counts for all: as a limit of this node.
    Local,
}

/// What a request takes when it passes.
pub(super) struct Take<'l> {
    place: Option<Place<'l>>,
    mode: Mode,
    cost: u32,
    /// Whether the node's own bucket guards it.
    pub(super) guarded: bool,
}

impl SharedCounts {
    pub(crate) fn new(name: &str) -> Self {
        let ledger = Ledger::new(LEDGER_KEYS);
        let node = Secret::new(*b"names of a fleet").fingerprint(name.as_bytes());
        Self {
            clerk: Mutex::new(Clerk::new(&ledger)),
            ledger,
            stores: ArcSwapOption::empty(),
            node,
            seq: AtomicU64::new(0),
        }
    }

    /// How a request stands with a shared limit; charges nothing but, where the node is alone, its part.
    pub(super) fn stand<'l>(
        &'l self,
        table: &Table,
        index: LimitIndex,
        rule: &Rule,
        shared: &Shared,
        key: KeyHash,
        cost: u32,
        tally: &Tally,
        now_us: u64,
    ) -> Standing<'l> {
        let stores = self.stores.load();
        let Some(stores) = stores.as_deref() else { return Standing::Local };
        let shard = stores.shard(shared.key);
        let place = self.ledger.place(shared, now_us);
        if place.is_none() {
            Counter::LimitLedgerFull.inc();
        }
        let alone_us = shard.alone_us.load(Relaxed);
        let (Some(place), 0) = (place, alone_us) else {
            if let Some(place) = place {
                place.wanted(cost);
            }
            let alone = Alone { table, stores, place, tally, since_us: alone_us };
            return alone.stand(rule, shared, cost, now_us);
        };
        match place.look(rule.mode(), cost, now_us) {
            Stand::Go => {
                let guarded = rule.mode() == Mode::Approx;
                Standing::Go(Take { place: Some(place), mode: rule.mode(), cost, guarded })
            }
            Stand::No(wait_us) => Standing::No { wait_us },
            Stand::Ask => Standing::Ask(Question { index, key, shared: *shared, cost }),
        }
    }

    /// Takes it; false when another request was quicker.
    pub(super) fn take(&self, take: &Take<'_>, now_us: u64) -> bool {
        take.place.as_ref().is_none_or(|place| place.take(take.mode, take.cost, now_us))
    }

    /// Charges what became known only after the answer.
    pub(super) fn settle(&self, shared: &Shared, cost: u32, now_us: u64) {
        if let Some(place) = self.ledger.place(shared, now_us) {
            place.used(cost);
        }
    }

    /// Asks the owner for a waiting request. Says whether it may pass, or how long not.
    pub(crate) async fn ask(
        &self,
        table: &Table,
        rule: &Rule,
        question: &Question,
        tally: &Tally,
        clock: &Clock,
    ) -> Result<(), u64> {
        let Some(stores) = self.stores.load_full() else { return Ok(()) };
        let shard = stores.shard(question.shared.key);
        let Question { shared, cost, .. } = question;
        let must = (*cost).max(1);
        let entry = Entry { key: shared.key.0, terms: shared.terms, must, ..Entry::default() };
        let (sender, answer) = oneshot::channel();
        let asked = shard.asks.try_send(Ask { entry, answer: sender }).is_ok();
        let answer = if asked { answer.await.ok().flatten() } else { None };
        let now_us = clock.now().mono_us;
        match answer {
            Some(answer) if answer.refused => {}
            Some(answer) if answer.granted >= must => return Ok(()),
            Some(answer) => return Err(u64::from(answer.wait_us).max(1_000)),
            None => {}
        }
        let place = self.ledger.place(shared, now_us);
        // Without word for a while already: its part has gathered since.
        let since_us = match shard.alone_us.load(Relaxed) {
            0 => shard.heard_us.load(Relaxed) + ACTIVE_US,
            alone_us => alone_us,
        };
        let alone = Alone { table, stores: &stores, place, tally, since_us };
        match alone.stand(rule, shared, *cost, now_us) {
            Standing::No { wait_us } => Err(wait_us),
            Standing::Go(_) | Standing::Ask(_) | Standing::Local => Ok(()),
        }
    }

    /// Whether any store is out of reach.
    pub(crate) fn alone(&self) -> usize {
        let stores = self.stores.load();
        let shards = stores.as_deref().map_or(&[][..], |stores| &stores.shards);
        shards.iter().filter(|shard| shard.alone_us.load(Relaxed) > 0).count()
    }
}

/// A node that decides without the owner.
struct Alone<'a, 'l> {
    table: &'a Table,
    stores: &'a Stores,
    place: Option<Place<'l>>,
    tally: &'a Tally,
    since_us: u64,
}

impl<'l> Alone<'_, 'l> {
    fn stand(&self, rule: &Rule, shared: &Shared, cost: u32, now_us: u64) -> Standing<'l> {
        Counter::LimitDegraded.inc();
        self.tally.add(Word::Degraded);
        let go = Standing::Go(Take { place: None, mode: Mode::Local, cost, guarded: false });
        if self.place.is_some_and(|place| place.leased(cost, now_us)) {
            return go;
        }
        let failure = rule.options().on_failure;
        let late = now_us.saturating_sub(self.since_us) >= failure.after_us && self.since_us > 0;
        match if late { failure.then } else { failure.first } {
            Fallback::Open => go,
            Fallback::Closed => Standing::No { wait_us: CLOSED_US },
            Fallback::Share => match self.part(shared, cost, now_us) {
                Ok(()) => go,
                Err(wait_us) => Standing::No { wait_us },
            },
        }
    }

    fn part(&self, shared: &Shared, cost: u32, now_us: u64) -> Result<(), u64> {
        let even = || WHOLE / self.stores.nodes();
        let part = self.place.and_then(|place| place.share()).unwrap_or_else(even);
        self.table.check_part(shared, part, self.since_us, cost.max(1), now_us)?;
        if let Some(place) = self.place {
            place.used(cost);
        }
        Ok(())
    }
}

/// What a client is told to wait where a limit is closed.
const CLOSED_US: u64 = 10_000_000;

impl Stores {
    /// The same on every node: the shard with the highest hash of key and place.
    fn shard(&self, key: KeyHash) -> &Shard {
        let weight = |at: usize| {
            let mut x = key.0 ^ (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
            x ^ (x >> 32)
        };
        match self.shards.len() {
            1 => &self.shards[0],
            len => &self.shards[(0..len).max_by_key(|at| weight(*at)).unwrap_or(0)],
        }
    }

    fn nodes(&self) -> u16 {
        match self.nodes.load(Relaxed) {
            0 => self.settings.nodes.max(1),
            nodes => nodes,
        }
    }
}

impl Shard {
    fn succeed(&self, now_us: u64) {
        self.failures.store(0, Relaxed);
        self.heard_us.store(now_us, Relaxed);
        if self.successes.fetch_add(1, Relaxed) + 1 >= SUCCESSES_MIN
            && self.alone_us.swap(0, Relaxed) > 0
        {
            tracing::info!("shared counts of limits are in reach");
        }
    }

    fn fail(&self, now_us: u64) {
        self.successes.store(0, Relaxed);
        if self.failures.fetch_add(1, Relaxed) + 1 >= FAILURES_MAX {
            // Until then the owner has not given this node up, and may still grant its part to others.
            let since_us = now_us.max(self.heard_us.load(Relaxed) + ACTIVE_US);
            if self.alone_us.compare_exchange(0, since_us, Relaxed, Relaxed).is_ok() {
                tracing::warn!("shared counts of limits are out of reach: this node decides alone");
            }
        }
    }

    async fn exchange(&self, batch: &Batch, timeout: Duration) -> Option<Reply> {
        tokio::time::timeout(timeout, self.store.exchange(batch)).await.ok().flatten()
    }
}

impl Store {
    async fn exchange(&self, batch: &Batch) -> Option<Reply> {
        match self {
            Self::ControlPlane(edge) => {
                let client = edge.upgrade()?.control_plane.get()?.clone();
                let bytes = client.counters_exchange(Bytes::from(batch.encode())).await.ok()?;
                Reply::decode(&bytes).ok()
            }
            Self::Redis(redis) => redis.exchange(batch).await.ok(),
        }
    }

    /// Whether a batch that is sent again is answered as it was, not granted again.
    fn remembers(&self) -> bool {
        matches!(self, Self::ControlPlane(_))
    }
}

// === what runs beside the requests ===

impl Edge {
    /// Takes the stores that a configuration names.
    pub(crate) fn count_with(self: &Arc<Self>, settings: &tidegate_spec::Counters) {
        let counts = &self.node.shared;
        let was = counts.stores.load();
        if was.as_deref().is_some_and(|stores| stores.settings == *settings) {
            return;
        }
        let stores: Vec<Store> = match settings.redis.as_slice() {
            [] if self.control_plane.get().is_some() => {
                vec![Store::ControlPlane(Arc::downgrade(self))]
            }
            [] => vec![],
            urls => redis(urls, settings)
                .into_iter()
                .map(|redis| Store::Redis(Box::new(redis)))
                .collect(),
        };
        if stores.is_empty() {
            return counts.stores.store(None);
        }
        let now_us = self.node.clock.now().mono_us;
        let (shards, queues): (Vec<_>, Vec<_>) = stores
            .into_iter()
            .map(|store| {
                let (asks, queue) = mpsc::channel(ASKS_QUEUED_MAX);
                let [failures, successes] = [AtomicU32::new(0), AtomicU32::new(0)];
                let (heard_us, alone_us) = (AtomicU64::new(now_us), AtomicU64::new(now_us));
                (Shard { store, asks, failures, successes, heard_us, alone_us }, queue)
            })
            .unzip();
        let nodes = AtomicU16::new(0);
        let stores = Arc::new(Stores { settings: settings.clone(), shards, nodes });
        for (at, queue) in queues.into_iter().enumerate() {
            tokio::spawn(serve_asks(Arc::downgrade(self), Arc::downgrade(&stores), at, queue));
        }
        counts.stores.store(Some(stores));
    }
}

fn redis(urls: &[String], settings: &tidegate_spec::Counters) -> Vec<Redis> {
    let password = settings.password_file.as_ref().map(PathBuf::from).and_then(|path| {
        std::fs::read_to_string(&path)
            .inspect_err(|error| tracing::error!(file = %path.display(), %error, "password file"))
            .ok()
    });
    let open = |urls: &[String]| {
        Redis::open(urls, settings.cluster, password.as_deref())
            .inspect_err(|error| tracing::error!(%error, "counters"))
            .ok()
    };
    match settings.cluster {
        true => open(urls).into_iter().collect(),
        false => urls.iter().filter_map(|url| open(std::slice::from_ref(url))).collect(),
    }
}

/// Reports to the stores as long as the node runs.
pub(crate) async fn keep(edge: Weak<Edge>, secret_file: PathBuf) {
    let mut jitter = 0_u64;
    loop {
        // A fifth to either side, so that nodes that started together do not report together.
        jitter =
            jitter.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let spread_us = (jitter >> 33) % (SYNC_US * 2 / 5);
        tokio::time::sleep(Duration::from_micros(SYNC_US * 4 / 5 + spread_us)).await;
        let Some(edge) = edge.upgrade() else { return };
        let counts = &edge.node.shared;
        jitter ^= counts.node;
        Gauge::LimitStoresAlone.set(counts.alone() as i64);
        if let Some(stores) = counts.stores.load_full() {
            edge.report(&stores, &secret_file).await;
        }
    }
}

impl Edge {
    async fn report(&self, stores: &Stores, secret_file: &std::path::Path) {
        let counts = &self.node.shared;
        let now_us = self.node.clock.now().mono_us;
        let mut entries = Vec::new();
        {
            let mut clerk = counts.clerk.lock().unwrap_or_else(PoisonError::into_inner);
            clerk.collect(&counts.ledger, now_us, stores.nodes().into(), &mut entries);
        }
        let mut batches: Vec<Batch> = stores.shards.iter().map(|_| counts.batch()).collect();
        for entry in entries {
            let at = stores
                .shards
                .iter()
                .position(|shard| std::ptr::eq(shard, stores.shard(KeyHash(entry.key))));
            if let Some(batch) = at.and_then(|at| batches.get_mut(at)) {
                batch.entries.push(entry);
            }
        }
        let reports = stores.shards.iter().zip(&batches).map(async |(shard, batch)| {
            Counter::LimitReports.inc();
            let timeout = Duration::from_millis(REPORT_MS_MAX);
            let reply = shard.exchange(batch, timeout).await;
            let now_us = self.node.clock.now().mono_us;
            match &reply {
                Some(_) => shard.succeed(now_us),
                None => {
                    Counter::LimitReportsFailed.inc();
                    shard.fail(now_us);
                }
            }
            reply
        });
        for reply in futures_util::future::join_all(reports).await.into_iter().flatten() {
            self.hear(stores, &reply, true);
            self.share_secret(&reply, secret_file);
        }
    }

    /// Takes answers into the ledger.
    fn hear(&self, stores: &Stores, reply: &Reply, report: bool) {
        let counts = &self.node.shared;
        let now_us = self.node.clock.now().mono_us;
        stores.nodes.store(reply.nodes, Relaxed);
        let mut clerk = counts.clerk.lock().unwrap_or_else(PoisonError::into_inner);
        for answer in &reply.answers {
            if answer.refused {
                continue;
            }
            counts.ledger.hear(answer, now_us);
            if report {
                clerk.hear(&counts.ledger, answer, now_us);
            }
        }
    }

    /// All nodes must hash a key alike. The secret is kept for the next start, so that counts begin at once.
    fn share_secret(&self, reply: &Reply, secret_file: &std::path::Path) {
        if self.node.limit_table.set_secret(&Secret::new(reply.secret)) {
            self.lay_over();
            if let Err(error) = write_secret(secret_file, &reply.secret) {
                tracing::warn!(file = %secret_file.display(), %error, "secret of limits");
            }
        }
    }
}

/// Readable by its owner alone.
fn write_secret(path: &std::path::Path, secret: &[u8; 16]) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(secret)
}

impl SharedCounts {
    fn batch(&self) -> Batch {
        Batch { node: self.node, seq: self.seq.fetch_add(1, Relaxed), entries: Vec::new() }
    }
}

/// Takes the asks of waiting requests to a store, many at once.
async fn serve_asks(
    edge: Weak<Edge>,
    stores: Weak<Stores>,
    at: usize,
    mut queue: mpsc::Receiver<Ask>,
) {
    let calls = Arc::new(Semaphore::new(ASKS_MAX));
    let mut asks = Vec::new();
    loop {
        let Ok(call) = calls.clone().acquire_owned().await else { return };
        if queue.recv_many(&mut asks, ASKS_TOGETHER_MAX).await == 0 {
            return;
        }
        let (Some(edge), Some(stores)) = (edge.upgrade(), stores.upgrade()) else { return };
        let asks = std::mem::take(&mut asks);
        tokio::spawn(async move {
            ask_store(&edge, &stores, at, asks).await;
            drop(call);
        });
    }
}

async fn ask_store(edge: &Edge, stores: &Stores, at: usize, asks: Vec<Ask>) {
    let shard = &stores.shards[at];
    let mut batch = edge.node.shared.batch();
    // The ledger begins its sequence in the low half, so that asks and reports never look alike.
    batch.seq |= 1 << 63;
    for ask in &asks {
        match batch.entries.iter_mut().find(|entry| entry.key == ask.entry.key) {
            Some(entry) => entry.must += ask.entry.must,
            None => batch.entries.push(ask.entry),
        }
    }
    Counter::LimitAsks.inc();
    let reply = match shard.alone_us.load(Relaxed) {
        0 => ask_twice(shard, &batch, stores.settings.ask_timeout).await,
        _ => None,
    };
    let now_us = edge.node.clock.now().mono_us;
    match &reply {
        Some(reply) => {
            shard.heard_us.store(now_us, Relaxed);
            shard.failures.store(0, Relaxed);
            edge.hear(stores, reply, false);
        }
        None => shard.fail(now_us),
    }
    let mut answers = reply.map(|reply| reply.answers).unwrap_or_default();
    for Ask { entry, answer } in asks {
        let found = answers.iter_mut().find(|answer| answer.key == entry.key);
        let granted = found.map(|answer| hand_out(answer, entry.must));
        // Nobody hears it when the client has left: its tokens are used all the same.
        let _ = answer.send(granted);
    }
}

/// Once more where that grants nothing twice: a lost packet must not deny anybody.
async fn ask_twice(shard: &Shard, batch: &Batch, timeout: Duration) -> Option<Reply> {
    match shard.exchange(batch, timeout).await {
        None if shard.store.remembers() => shard.exchange(batch, timeout).await,
        reply => reply,
    }
}

/// In the order the requests came.
fn hand_out(answer: &mut Answer, must: u32) -> Answer {
    let granted = if answer.granted >= must { must } else { 0 };
    answer.granted -= granted;
    Answer { granted, ..*answer }
}
