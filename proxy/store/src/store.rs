//! The store itself: lookup, recall, begin, purge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Lifecycle, OptionsBuilder, UnitWeighter, Weighter};
use tidegate_cache::{Key, KeySeed, Reason};
use tidegate_http::{FieldList, Fields};

use crate::config::Config;
use crate::disk::DiskStats;
use crate::fill::Fill;
use crate::flight::{End, Shared, State, to_list};
use crate::flights::{Flights, KeyHash, Shard};
use crate::forms::FormsBudget;
use crate::object::Object;
use crate::purge::{PURGES_MAX, Purge, PurgeKind, Purges, Subject};
use crate::reader::Reader;
use crate::slot::Slot;
use crate::stats::{Counters, Stats};
use crate::tier::Tier;

/// The cache of one node. Cloning shares it.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

/// What a client wants that was not found, or not fresh.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Its key.
    pub key: Key,
    /// Its URL as keyed, `Target::url`: purges by URL, prefix and host go by it.
    pub url: &'a str,
    /// The client's fields.
    pub fields: &'a dyn Fields,
    /// Unix milliseconds.
    pub now_ms: u64,
}

/// How a client comes by an answer that is not stored, or not fresh.
#[derive(Debug)]
pub enum Flight {
    /// Fetch it and hand it to the [`Fill`], in a task of its own; this client and all others read what arrives.
    Lead(Fill, Reader),
    /// Somebody else fetches it.
    Join(Reader),
    /// It has been stored since the caller looked: evaluate again.
    Ready(Arc<Object>),
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) ram: Cache<Key, Slot, Weigh, KeyHash, CountEvictions>,
    pub(crate) flights: Flights,
    pub(crate) purges: Purges,
    pub(crate) counters: Arc<Counters>,
    /// Keys whose answer could not be shared, and until when.
    alone: Cache<Key, u64, UnitWeighter, KeyHash>,
    tier: Option<Arc<dyn Tier>>,
    swept: AtomicU64,
    sweeping: AtomicBool,
    /// Whether any key was made with key parts: then a URL does not tell its key.
    key_parts: AtomicBool,
    forms: FormsBudget,
}

#[derive(Clone)]
pub(crate) struct Weigh;

#[derive(Clone)]
pub(crate) struct CountEvictions(Arc<Counters>);

/// Keys remembered as not shareable.
const ALONE_KEYS_MAX: usize = 65_536;
/// The size of an object that the tables are laid out for.
const OBJECT_BYTES_USUAL: u64 = 8 << 10;
const RAM_SHARDS_MAX: u64 = 64;
/// The largest body that goes to the slower tier again with new fields.
const REWRITTEN_BYTES_MAX: u64 = 64 << 10;
/// A part of the RAM tier holds this many of the largest objects, so that each can get in.
const LARGEST_PER_SHARD: u64 = 4;

impl Store {
    /// A store with only a RAM tier.
    pub fn new(config: Config) -> Self {
        Self::with_tier(config, None)
    }

    /// A store with a slower tier behind the one in RAM, and the purges it remembers. The tier's keys must have been made
    /// with the seed of `config`.
    pub fn with_tier(config: Config, tier: Option<Arc<dyn Tier>>) -> Self {
        let counters = Arc::new(Counters::default());
        let purges = Purges::default();
        let key_parts = tier.as_ref().is_some_and(|tier| tier.has_key_parts());
        if let Some(tier) = &tier {
            purges.restore(&tier.purges(), tier.generation());
        }
        Self(Arc::new(Inner {
            ram: ram(&config, CountEvictions(Arc::clone(&counters))),
            flights: Flights::default(),
            purges,
            counters,
            alone: Cache::with(
                ALONE_KEYS_MAX,
                ALONE_KEYS_MAX as u64,
                UnitWeighter,
                KeyHash,
                DefaultLifecycle::default(),
            ),
            tier,
            swept: AtomicU64::new(0),
            sweeping: AtomicBool::new(false),
            key_parts: AtomicBool::new(key_parts),
            forms: FormsBudget::new(config.forms_bytes_max),
            config,
        }))
    }

    /// The seed for `Key::of`.
    pub fn seed(&self) -> &KeySeed {
        &self.0.config.seed
    }

    /// The largest body that is kept, in bytes.
    pub fn object_bytes_max(&self) -> u64 {
        self.0.config.object_bytes_max
    }

    /// What all coded forms of stored responses may hold.
    pub fn forms_budget(&self) -> &FormsBudget {
        &self.0.forms
    }

    /// The newest stored response that a request selects, fresh or not.
    ///
    /// # Errors
    /// Why there is none: nothing stored, another variant, or purged.
    pub fn lookup(&self, key: &Key, request: &dyn Fields) -> Result<Arc<Object>, Reason> {
        let slot = self.0.ram.get(key).ok_or(Reason::UriMiss)?;
        let object = slot.select(request).ok_or(Reason::VaryMiss)?;
        if object.stands(&self.0.purges) {
            return Ok(Arc::clone(object));
        }
        self.0.drop_purged(key);
        Err(Reason::Purged)
    }

    /// The same from the slower tier, after a [`lookup`](Self::lookup) in vain. What is found is in RAM afterwards. At
    /// once `None` without such a tier.
    pub async fn recall(&self, key: &Key, request: &(dyn Fields + Sync)) -> Option<Arc<Object>> {
        let tier = self.0.tier.as_ref()?;
        let purges = self.0.flights.shard(*key).purges;
        let objects = tier.recall(*key).await;
        let found: Vec<_> = objects.into_iter().filter(|o| o.stands(&self.0.purges)).collect();
        let mut shard = self.0.flights.shard(*key);
        if found.is_empty() || shard.purges != purges {
            return None;
        }
        self.0.counters.recalled.inc();
        found.iter().rev().for_each(|object| self.0.keep(object, &mut shard));
        found.into_iter().find(|object| object.meta().vary.matches(request))
    }

    /// Joins the fetch that runs for a request, or begins one. `stale`: what the fetch may validate. At most one fetch
    /// that others can join runs for a key and variant; where the last answer could not be shared each goes alone.
    pub fn begin(&self, wanted: &Wanted<'_>, stale: Option<&Arc<Object>>) -> Flight {
        // `no-cache` asks for a validation of each single use (RFC 9111 §5.2.2.4).
        let validates_each = stale.is_some_and(|stale| stale.meta().no_cache);
        // Few answers to these can be shared: the others must not wait for one (RFC 9111 §3.5).
        let personal = wanted.fields.has("authorization");
        let alone = personal || validates_each || self.0.goes_alone(wanted);
        let mut shard = self.0.flights.shard(wanted.key);
        if let Some(object) = self.newer(wanted, stale) {
            return Flight::Ready(object);
        }
        match self.join(&shard, wanted).filter(|_| !alone) {
            Some(reader) => Flight::Join(reader),
            None => self.lead(wanted, stale, &mut shard, !alone),
        }
    }

    /// Whether a fetch runs for a key that others may join.
    pub fn is_filling(&self, key: &Key) -> bool {
        let shard = self.0.flights.shard(*key);
        shard.fills.get(key).is_some_and(|fills| fills.iter().any(|fill| fill.is_joinable()))
    }

    /// Begins a fetch that nobody joins, for a client that must not or will not wait.
    pub fn begin_alone(&self, wanted: &Wanted<'_>, stale: Option<&Arc<Object>>) -> Flight {
        self.lead(wanted, stale, &mut self.0.flights.shard(wanted.key), false)
    }

    /// Purges. When it returns no request is answered any more with what was fetched before. Takes the same time
    /// whatever is stored.
    pub fn purge(&self, purge: &Purge, kind: PurgeKind) {
        let key = match (purge, kind) {
            (Purge::Key(key), PurgeKind::Hard) => Some(*key),
            (Purge::Url(url), PurgeKind::Hard) => Some(Key::of_url(self.seed(), url)),
            _ => None,
        };
        let tier = self.0.tier.as_ref();
        // Taking out what is under a key needs no mark, so that a flood of unsafe requests leaves none.
        let named = key.filter(|_| matches!(purge, Purge::Key(_)) || !self.0.has_key_parts());
        let held = key.zip(tier).is_some_and(|(key, tier)| tier.holds(key));
        if named.is_none() || held {
            self.0.purges.issue(purge, kind, |generation| {
                tier.into_iter().for_each(|tier| tier.purged(purge, kind, generation));
            });
        }
        if let Some(key) = key {
            self.0.take_out(key);
            tier.filter(|_| held).into_iter().for_each(|tier| tier.forget(key));
        }
        if self.wants_sweep() {
            self.sweep_soon();
        }
    }

    /// Reclaims the room of what was purged and forgets purges that have met everything they could. Takes time with
    /// the number of objects: for a thread of its own, now and then. Returns how many keys it dropped.
    pub fn sweep(&self) -> usize {
        let generation = self.0.purges.latest();
        if self.0.swept.swap(generation, Relaxed) == generation {
            return 0;
        }
        // Fills that began earlier will bring in objects of their generation.
        let settled = self.0.flights.oldest().map_or(generation, |oldest| oldest.min(generation));
        let stale = |slot: &Slot| slot.variants().iter().any(|o| !o.stands(&self.0.purges));
        let dropped = self.0.ram.iter().filter(|(_, slot)| stale(slot));
        let dropped = dropped.map(|(key, _)| self.0.drop_purged(&key)).count();
        if self.0.tier.is_none() {
            self.0.purges.settle(settled);
        }
        dropped
    }

    /// Whether so many purges are remembered that a [`sweep`](Self::sweep) should come soon.
    pub fn wants_sweep(&self) -> bool {
        self.0.purges.len() > PURGES_MAX / 2
    }

    /// Marks the response that a request selects as stale from now on, as an answer to HEAD may demand
    /// (RFC 9111 §4.3.5).
    pub fn expire(&self, key: Key, now_ms: u64) {
        self.purge(&Purge::Key(key), PurgeKind::Soft { now_ms });
    }

    /// Puts an updated response in place of `old`, as after an answer to HEAD (RFC 9111 §4.3.5).
    pub fn renew(
        &self,
        old: &Object,
        meta: tidegate_cache::Meta,
        fields: FieldList,
    ) -> Arc<Object> {
        let object = Arc::new(old.with_fields(meta, fields, self.0.purges.latest()));
        self.0.insert_freshened(&object, None);
        object
    }

    /// Every stored variant of a key, newest first, for `explain`.
    pub fn variants(&self, key: &Key) -> Vec<Arc<Object>> {
        self.0.ram.peek(key).map(|slot| slot.variants().to_vec()).unwrap_or_default()
    }

    /// The counts.
    pub fn stats(&self) -> Stats {
        let counters = &self.0.counters;
        Stats {
            keys: self.0.ram.len() as u64,
            bytes: self.0.ram.weight(),
            bytes_max: self.0.ram.capacity(),
            stored_total: counters.stored.now(),
            evicted_total: counters.evicted.now(),
            purged_total: counters.purged.now(),
            freshened_total: counters.freshened.now(),
            fills_total: counters.fills.now(),
            fills_failed_total: counters.fills_failed.now(),
            joined_total: counters.joined.now(),
            fills: counters.fills.now().saturating_sub(counters.fills_ended.now()),
            fills_bytes: counters.fills_bytes.now(),
            lagged_total: counters.lagged.now(),
            recalled_total: counters.recalled.now(),
        }
    }

    /// The figures of the tier on disk, where there is one.
    pub fn disk_stats(&self) -> Option<DiskStats> {
        self.0.tier.as_ref()?.disk_stats()
    }

    /// Sweeps in a thread of its own, one at a time, before so many purges are remembered that old ones must be widened.
    fn sweep_soon(&self) {
        if self.0.sweeping.swap(true, Relaxed) {
            return;
        }
        let store = self.clone();
        let sweep = move || {
            store.sweep();
            store.0.sweeping.store(false, Relaxed);
        };
        if std::thread::Builder::new().name("cache-sweep".into()).spawn(sweep).is_err() {
            self.0.sweeping.store(false, Relaxed);
        }
    }

    /// What was stored between the caller's lookup and now.
    fn newer(&self, wanted: &Wanted<'_>, stale: Option<&Arc<Object>>) -> Option<Arc<Object>> {
        let slot = self.0.ram.peek(&wanted.key)?;
        let object = slot.select(wanted.fields)?;
        let known = stale.is_some_and(|stale| Arc::ptr_eq(stale, object));
        (!known && object.stands(&self.0.purges)).then(|| Arc::clone(object))
    }

    fn join(&self, shard: &Shard, wanted: &Wanted<'_>) -> Option<Reader> {
        let flights = shard.fills.get(&wanted.key)?;
        let (shared, id) =
            flights.iter().filter(|shared| shared.is_joinable()).find_map(|shared| {
                let mut state = shared.state();
                let fits = self.0.stands(shared, &state) && self.0.fits(shared, &state, wanted);
                Some((shared, fits.then(|| state.admit()).flatten()?))
            })?;
        self.0.counters.joined.inc();
        Some(Reader::follower(Arc::clone(shared), id, to_list(wanted.fields)))
    }

    fn lead(
        &self,
        wanted: &Wanted<'_>,
        stale: Option<&Arc<Object>>,
        shard: &mut Shard,
        joinable: bool,
    ) -> Flight {
        self.0.note_key_parts(wanted);
        let generation = self.0.purges.latest();
        self.0.flights.began(generation);
        self.0.counters.fills.inc();
        let shared = Arc::new(Shared::new(wanted, generation, joinable));
        let id = shared.state().admit().unwrap_or_default();
        shard.fills.entry(wanted.key).or_default().push(Arc::clone(&shared));
        let reader = Reader::leader(Arc::clone(&shared), id);
        Flight::Lead(Fill::new(Arc::clone(&self.0), shared, stale.cloned()), reader)
    }
}

impl Inner {
    /// Puts a complete response in, and offers it to the slower tier, unless its key was purged while it was filled.
    pub(crate) fn insert(&self, object: &Arc<Object>, fill: Option<&Shared>) -> bool {
        let mut shard = self.flights.shard(object.key());
        if fill.is_some_and(Shared::is_purged) {
            return false;
        }
        self.counters.stored.inc();
        self.keep(object, &mut shard);
        if let Some(tier) = &self.tier {
            tier.offer(Arc::clone(object));
        }
        true
    }

    /// Puts a response in whose fields are new and whose body is not. A large one is not written to the slower tier
    /// again: what is there is older and at worst validated once more.
    pub(crate) fn insert_freshened(&self, object: &Arc<Object>, fill: Option<&Shared>) {
        if object.length() <= REWRITTEN_BYTES_MAX {
            self.insert(object, fill);
            return;
        }
        let mut shard = self.flights.shard(object.key());
        if !fill.is_some_and(Shared::is_purged) {
            self.counters.stored.inc();
            self.keep(object, &mut shard);
        }
    }

    /// Takes out whatever is under a key, and keeps what is being filled from getting in.
    fn take_out(&self, key: Key) {
        let mut shard = self.flights.shard(key);
        shard.purges += 1;
        shard.fills.get(&key).into_iter().flatten().for_each(|fill| fill.purge());
        if let Some((_, slot)) = self.ram.remove(&key) {
            self.counters.purged.add(slot.variants().len() as u64);
        }
    }

    /// Whether a key may be other than its URL says.
    fn has_key_parts(&self) -> bool {
        self.key_parts.load(Relaxed)
    }

    fn note_key_parts(&self, wanted: &Wanted<'_>) {
        let parts = wanted.key != Key::of_url(&self.config.seed, wanted.url);
        if parts && !self.key_parts.swap(true, Relaxed) {
            self.tier.iter().for_each(|tier| tier.note_key_parts());
        }
    }

    /// Remembers that answers for a key cannot be shared at present.
    pub(crate) fn mark_alone(&self, key: Key, now_ms: u64) {
        self.alone.insert(key, now_ms + self.config.hit_for_miss_ms);
    }

    /// Forgets it: an answer has come that can.
    pub(crate) fn mark_shared(&self, key: Key) {
        if self.alone.peek(&key).is_some() {
            self.alone.remove(&key);
        }
    }

    /// Takes everything from under a key, as after an answer that must not be stored.
    pub(crate) fn forget(&self, object: &Object) {
        let key = object.key();
        let _shard = self.flights.shard(key);
        let Some(slot) = self.ram.peek(&key) else { return };
        self.put(key, slot.without(|other| other.meta().vary == object.meta().vary));
        if let Some(tier) = &self.tier {
            tier.forget(key);
        }
    }

    /// Under the lock of the shard.
    fn keep(&self, object: &Arc<Object>, _: &mut Shard) {
        let slot = match self.ram.peek(&object.key()) {
            Some(slot) => slot.with(object),
            None => Some(Slot::One(Arc::clone(object))),
        };
        if let Some(slot) = slot {
            self.ram.insert(object.key(), slot);
        }
    }

    fn put(&self, key: Key, slot: Option<Slot>) {
        match slot {
            Some(slot) => self.ram.insert(key, slot),
            None => drop(self.ram.remove(&key)),
        }
    }

    fn drop_purged(&self, key: &Key) {
        let _shard = self.flights.shard(*key);
        let Some(slot) = self.ram.peek(key) else { return };
        let left = slot.without(|object| !object.stands(&self.purges));
        let before = slot.variants().len();
        let after = left.as_ref().map_or(0, |slot| slot.variants().len());
        if after < before {
            self.counters.purged.add((before - after) as u64);
            self.put(*key, left);
        }
    }

    fn goes_alone(&self, wanted: &Wanted<'_>) -> bool {
        self.alone.get(&wanted.key).is_some_and(|until_ms| wanted.now_ms < until_ms)
    }

    /// Whether a fill began after every purge that could concern it: a request that comes after a purge must not be
    /// served from before.
    fn stands(&self, shared: &Shared, state: &State) -> bool {
        if shared.generation == self.purges.latest() {
            return true;
        }
        let plan = state.head.as_ref().and_then(|head| head.plan.as_ref());
        let tags = plan.map(|plan| &*plan.meta.tags);
        let subject = Subject { key: shared.key, url: &shared.url, tags };
        let (standing, _) = self.purges.standing(&subject, shared.generation);
        !standing.gone && standing.stale_from_ms.is_none()
    }

    /// Whether the answer of a fill is, or may turn out to be, for this request too.
    fn fits(&self, shared: &Shared, state: &State, wanted: &Wanted<'_>) -> bool {
        if state.passing || matches!(state.end, Some(End::Failed(_) | End::Object { .. })) {
            return false;
        }
        match &state.head {
            Some(head) => head
                .plan
                .as_ref()
                .is_some_and(|plan| plan.shareable && plan.meta.vary.matches(wanted.fields)),
            None => self.may_fit(shared, wanted),
        }
    }

    /// Before the head is there the variants of earlier answers tell.
    fn may_fit(&self, shared: &Shared, wanted: &Wanted<'_>) -> bool {
        let Some(slot) = self.ram.peek(&wanted.key) else { return true };
        let newest = slot.variants().first();
        newest.is_none_or(|known| known.meta().vary.joins(&shared.request, wanted.fields))
    }
}

impl Weighter<Key, Slot> for Weigh {
    fn weight(&self, _: &Key, slot: &Slot) -> u64 {
        slot.weight()
    }
}

impl Lifecycle<Key, Slot> for CountEvictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: Key, slot: Slot) {
        self.0.evicted.add(slot.variants().len() as u64);
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("stats", &self.stats()).finish()
    }
}

fn ram(
    config: &Config,
    evictions: CountEvictions,
) -> Cache<Key, Slot, Weigh, KeyHash, CountEvictions> {
    let largest = config.object_bytes_max.max(1) * LARGEST_PER_SHARD;
    let shards = (config.ram_bytes / largest).clamp(1, RAM_SHARDS_MAX);
    // Rounded down to a power of two: rounding up would make the parts too small for the largest object.
    let shards = 1 << shards.ilog2();
    let items = (config.ram_bytes / OBJECT_BYTES_USUAL).clamp(64, 1 << 20) as usize;
    let options = OptionsBuilder::new()
        .shards(shards)
        .estimated_items_capacity(items)
        .weight_capacity(config.ram_bytes)
        .build();
    match options {
        Ok(options) => Cache::with_options(options, Weigh, KeyHash, evictions),
        Err(_) => Cache::with(items, config.ram_bytes, Weigh, KeyHash, evictions),
    }
}
