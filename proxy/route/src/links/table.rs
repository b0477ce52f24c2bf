//! The table an edge asks: hot map, filter, delta, negative cache.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use hashbrown::HashMap;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::filter::Filter;
use super::hash::Fingerprint;
use super::record::Record;

/// Most changed codes kept beside the filter; beyond, nothing is called unknown until the next generation.
pub const DELTA_CODES_MAX: usize = 1 << 20;
/// How long a code that the links service did not know is answered without asking again.
pub const NEGATIVE_US: u64 = 30_000_000;
/// Parts of the delta, each with its own lock.
const DELTA_SHARDS: usize = 16;
/// Slots that remember a first miss.
const DOORKEEPER_SLOTS: usize = 1 << 16;

/// Bounds of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the hot map, about.
    pub hot_bytes_max: u64,
    /// Most entries of the negative cache.
    pub negative_entries_max: usize,
    /// How old the last confirmation may be for a code to be called unknown, in microseconds.
    pub lag_us_max: u64,
    /// How long a learned link is answered without asking again, in microseconds.
    pub hot_us_max: u64,
}

/// What is known of a code.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// It leads there.
    Redirect(Record),
    /// It certainly does not exist.
    Unknown,
    /// It may exist: ask the links service, then [`Table::learn`] or [`Table::missed`].
    Ask(Ticket),
}

/// The state of the table before the links service was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    seq: u64,
}

/// One changed code. Whether it was made, changed or taken away is the same to a table: what was known of it
/// is forgotten, and it may exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op<'a> {
    /// Its domain.
    pub domain: &'a str,
    /// The code.
    pub code: &'a str,
}

/// Changes are missing; only a new generation, or the missing changes, help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("link table is at change {have}, the next ones begin after {after}")]
pub struct Gap {
    /// The last change applied.
    pub have: u64,
    /// The change before the first one that was offered.
    pub after: u64,
}

impl Ticket {
    /// The last change applied when it was drawn. Questions of the same number may share one answer.
    pub fn seq(self) -> u64 {
        self.seq
    }
}

/// Where a table stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Generation of the filter, 0 without one.
    pub generation: u64,
    /// The last change applied.
    pub seq: u64,
    /// When it was last known to be complete, in microseconds; 0 when never.
    pub confirmed_us: u64,
    /// Codes in the filter.
    pub codes: u64,
    /// Bytes of the filter.
    pub filter_bytes: u64,
    /// Codes changed since.
    pub delta_codes: u64,
    /// Links in the hot map.
    pub hot_links: u64,
    /// Bytes of the hot map, about.
    pub hot_bytes: u64,
}

/// What an edge knows of the short links of one pushed table.
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    hot: Cache<u128, Hot, HotWeight>,
    negative: Cache<u128, u64>,
    doorkeeper: Box<[AtomicU32]>,
    filter: ArcSwapOption<Filter>,
    delta: [RwLock<HashMap<u128, u64>>; DELTA_SHARDS],
    delta_codes: AtomicU64,
    seq: AtomicU64,
    /// Answers to questions asked before this change are not kept.
    floor: AtomicU64,
    confirmed_us: AtomicU64,
    writer: Mutex<()>,
}

#[derive(Clone, Debug)]
struct Hot {
    record: Record,
    until_us: u64,
}

#[derive(Clone, Debug)]
struct HotWeight;

impl Default for Limits {
    fn default() -> Self {
        Self {
            hot_bytes_max: 64 << 20,
            negative_entries_max: 65_536,
            lag_us_max: 2_000_000,
            hot_us_max: 300_000_000,
        }
    }
}

impl Table {
    /// An empty table: everything is asked for until it has a filter and a confirmation.
    pub fn new(limits: Limits) -> Self {
        // About what a record with an ordinary address weighs.
        let links = usize::try_from(limits.hot_bytes_max / 256).unwrap_or(usize::MAX).max(16);
        Self {
            limits,
            hot: Cache::with_weighter(links, limits.hot_bytes_max.max(4_096), HotWeight),
            negative: Cache::new(limits.negative_entries_max.max(16)),
            doorkeeper: (0..DOORKEEPER_SLOTS).map(|_| AtomicU32::new(0)).collect(),
            filter: ArcSwapOption::empty(),
            delta: Default::default(),
            delta_codes: AtomicU64::new(0),
            seq: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            confirmed_us: AtomicU64::new(0),
            writer: Mutex::new(()),
        }
    }

    /// What is known of a code.
    pub fn lookup(&self, domain: &str, code: &str, now_us: u64) -> Lookup {
        let print = Fingerprint::of(domain, code);
        if let Some(hot) = self.hot.get(&print.0)
            && hot.answers(domain, code, now_us)
        {
            return Lookup::Redirect(hot.record);
        }
        // Drawn before anything else is looked at: what changes from here on is newer than the answer.
        let ticket = Ticket { seq: self.seq.load(Ordering::Acquire) };
        if self.is_absent(print, now_us) || self.is_negative(print, now_us) {
            return Lookup::Unknown;
        }
        Lookup::Ask(ticket)
    }

    /// Keeps a link that the links service answered with.
    pub fn learn(&self, ticket: Ticket, record: Record, now_us: u64) {
        let print = Fingerprint::of(record.domain(), record.code());
        let until_us = now_us.saturating_add(self.limits.hot_us_max).min(record.expires_us());
        let hot = Hot { record, until_us };
        self.unless_changed(ticket, print, || self.hot.insert(print.0, hot));
    }

    /// Keeps that the links service did not know a code: from the second time on, for [`NEGATIVE_US`].
    pub fn missed(&self, ticket: Ticket, domain: &str, code: &str, now_us: u64) {
        let print = Fingerprint::of(domain, code);
        // A scan asks for each code once; only what comes again is worth a place.
        if self.first_miss(print) {
            return;
        }
        let until_us = now_us.saturating_add(NEGATIVE_US);
        self.unless_changed(ticket, print, || self.negative.insert(print.0, until_us));
    }

    /// Takes a new generation of the filter. An older one than the present is ignored.
    pub fn replace(&self, filter: Filter) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if self.filter.load().as_ref().is_some_and(|old| old.generation() > filter.generation()) {
            return;
        }
        let base = filter.seq();
        let jumped = base > self.seq.load(Ordering::Acquire);
        self.floor.store(base, Ordering::Release);
        // First the filter, then the delta: a code is never in neither.
        self.filter.store(Some(Arc::new(filter)));
        self.forget_until(base);
        if jumped {
            // Changes were skipped: what was learned before them may be stale.
            self.hot.clear();
            self.negative.clear();
            self.seq.store(base, Ordering::Release);
        }
    }

    /// Applies the changes after number `after` up to number `upto`. Those applied already are ignored.
    pub fn apply(&self, after: u64, upto: u64, ops: &[Op<'_>]) -> Result<(), Gap> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let have = self.seq.load(Ordering::Acquire);
        if upto <= have {
            return Ok(());
        }
        if after > have {
            return Err(Gap { have, after });
        }
        for op in ops {
            self.change(Fingerprint::of(op.domain, op.code), upto);
        }
        self.seq.store(upto, Ordering::Release);
        Ok(())
    }

    /// Notes that `seq` was the last change there was at `now_us`. Counts only when it was applied.
    pub fn confirm(&self, seq: u64, now_us: u64) {
        if self.seq.load(Ordering::Acquire) >= seq {
            self.confirmed_us.fetch_max(now_us, Ordering::AcqRel);
        }
    }

    /// Forgets everything: when the source of changes starts again from nothing.
    pub fn reset(&self) {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.confirmed_us.store(0, Ordering::Release);
        self.floor.store(u64::MAX, Ordering::Release);
        self.filter.store(None);
        self.forget_until(u64::MAX);
        self.hot.clear();
        self.negative.clear();
        self.seq.store(0, Ordering::Release);
        self.floor.store(0, Ordering::Release);
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        let filter = self.filter.load();
        let filter = filter.as_ref();
        State {
            generation: filter.map_or(0, |filter| filter.generation()),
            seq: self.seq.load(Ordering::Acquire),
            confirmed_us: self.confirmed_us.load(Ordering::Acquire),
            codes: filter.map_or(0, |filter| filter.codes()),
            filter_bytes: filter.map_or(0, |filter| filter.bytes() as u64),
            delta_codes: self.delta_codes.load(Ordering::Acquire),
            hot_links: self.hot.len() as u64,
            hot_bytes: self.hot.weight(),
        }
    }

    /// Whether neither filter nor delta has the code, in a table that is complete.
    fn is_absent(&self, print: Fingerprint, now_us: u64) -> bool {
        let filter = self.filter.load();
        let Some(filter) = filter.as_ref() else { return false };
        if filter.has(print) || !self.is_complete(now_us) {
            return false;
        }
        if self.delta_of(print).contains_key(&print.0) {
            return false;
        }
        // A generation that came between the two looks may have taken the code out of the delta.
        self.filter.load().as_ref().is_some_and(|now| Arc::ptr_eq(now, filter))
    }

    fn is_complete(&self, now_us: u64) -> bool {
        let confirmed_us = self.confirmed_us.load(Ordering::Acquire);
        confirmed_us > 0
            && now_us.saturating_sub(confirmed_us) <= self.limits.lag_us_max
            && self.delta_codes.load(Ordering::Acquire) <= DELTA_CODES_MAX as u64
    }

    fn is_negative(&self, print: Fingerprint, now_us: u64) -> bool {
        self.is_complete(now_us)
            && self.negative.get(&print.0).is_some_and(|until_us| now_us < until_us)
    }

    /// Runs `keep` unless the code changed after the ticket was drawn. Changes wait meanwhile.
    fn unless_changed(&self, ticket: Ticket, print: Fingerprint, keep: impl FnOnce()) {
        let delta = self.delta_of(print);
        let changed = delta.get(&print.0).is_some_and(|seq| *seq > ticket.seq);
        if !changed && ticket.seq >= self.floor.load(Ordering::Acquire) {
            keep();
        }
    }

    fn change(&self, print: Fingerprint, seq: u64) {
        let mut delta = self.shard(print).write().unwrap_or_else(PoisonError::into_inner);
        if delta.len() < DELTA_CODES_MAX / DELTA_SHARDS * 2 {
            delta.insert(print.0, seq);
            self.delta_codes.fetch_add(1, Ordering::AcqRel);
        } else {
            // Full: from here on nothing is called unknown, and no answer under way is kept.
            self.delta_codes.fetch_add(DELTA_CODES_MAX as u64, Ordering::AcqRel);
            self.floor.fetch_max(seq, Ordering::AcqRel);
        }
        self.hot.remove(&print.0);
        self.negative.remove(&print.0);
    }

    fn forget_until(&self, seq: u64) {
        let mut left = 0;
        for shard in &self.delta {
            let mut delta = shard.write().unwrap_or_else(PoisonError::into_inner);
            delta.retain(|_, changed| *changed > seq);
            left += delta.len() as u64;
        }
        self.delta_codes.store(left, Ordering::Release);
    }

    fn first_miss(&self, print: Fingerprint) -> bool {
        let slot = (print.0 as usize) % DOORKEEPER_SLOTS;
        let mark = ((print.0 >> 64) as u32) | 1;
        self.doorkeeper[slot].swap(mark, Ordering::Relaxed) != mark
    }

    fn delta_of(&self, print: Fingerprint) -> std::sync::RwLockReadGuard<'_, HashMap<u128, u64>> {
        self.shard(print).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, print: Fingerprint) -> &RwLock<HashMap<u128, u64>> {
        &self.delta[(print.0 >> 96) as usize % DELTA_SHARDS]
    }
}

impl Hot {
    fn answers(&self, domain: &str, code: &str, now_us: u64) -> bool {
        now_us < self.until_us && self.record.is_of(domain, code)
    }
}

impl Weighter<u128, Hot> for HotWeight {
    fn weight(&self, _: &u128, hot: &Hot) -> u64 {
        // 160: the map's entry, with its share of the room that the map keeps free.
        160 + hot.record.bytes() as u64
    }
}
