//! The table: buckets of eight slots of two atomic words, of a size chosen at start.
//!
//! LIFECYCLE of a slot. `word` is a state (see the quota module) or, with its top bit set, a claim: the
//! fingerprint of the key that takes the slot over. `who` is the fingerprint of the key that has it.
//!
//! ```text
//! state of A, who A --claim by B--> CLAIM|B, who A --label--> CLAIM|B, who B --charge--> state of B, who B
//! ```
//!
//! Each arrow is one compare-and-swap, and whoever meets a claim of its own key can do the next one, so no
//! thread waits for another. Two threads that bring the same new key at the same time must not take
//! two slots: both pick the slot with the smallest word, and since a word only grows, two scans that pick
//! different slots cannot both win (the slot of the one must have grown past the other's before it was
//! read). Only a refund, or the eviction of a live key, lets a word shrink; then a key may hold two slots
//! until they expire, of which the first is used.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};

use crate::key::{KeyHash, KeyPart, Request, Secret};
use crate::rule::Rule;

#[cfg(test)]
mod tests;

const WAYS: usize = 8;
const CLAIM: u64 = 1 << 63;
/// Bytes of one slot.
pub const SLOT_BYTES: usize = 16;
/// Lines that a look at the table reads.
const STATS_LINES_MAX: usize = 16_384;
/// Slots for each key the table is asked to hold: full buckets are rare at a third of the load.
const SLOTS_PER_KEY: usize = 3;

/// State of every key of every rule, shared by all threads.
#[derive(Debug)]
pub struct Table {
    lines: Box<[Line]>,
    /// Two words, so that it can be replaced without a lock: a request that reads half of each hashes into
    /// an empty bucket, once.
    secret: [AtomicU64; 2],
    evicted_live: AtomicU64,
}

/// A look at the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Slots in all.
    pub slots: usize,
    /// Slots whose state still means something; of a large table an estimate.
    pub live: usize,
    /// Live keys that had to make room since the start.
    pub evicted_live: u64,
    /// Memory of the slots, bytes.
    pub bytes: usize,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([Slot; WAYS]);

#[derive(Debug, Default)]
struct Slot {
    who: AtomicU64,
    word: AtomicU64,
}

/// What a scan of a line found.
enum Scan<'t> {
    Own(&'t Slot, u64),
    Victim { slot: &'t Slot, word: u64, who: u64 },
    AllClaimed,
}

impl Table {
    /// A table that holds `keys` live keys with almost no eviction; 48 bytes for each.
    pub fn new(keys: usize, secret: Secret) -> Self {
        let lines = (keys.max(1) * SLOTS_PER_KEY).div_ceil(WAYS);
        let lines = (0..lines).map(|_| Line::default()).collect();
        Self { lines, secret: secret.words().map(AtomicU64::new), evicted_live: AtomicU64::new(0) }
    }

    /// The key of a request under a rule; `None` when the rule does not apply to it.
    pub fn key(&self, rule: &Rule, request: &Request<'_>) -> Option<KeyHash> {
        rule.key(&self.secret(), request)
    }

    /// Hashes keys with another secret from now on, the one that all nodes of a fleet share. Everything
    /// counted so far is forgotten. Says whether it was another one.
    pub fn set_secret(&self, secret: &Secret) -> bool {
        let words = secret.words();
        let was = [self.secret[0].swap(words[0], Relaxed), self.secret[1].swap(words[1], Relaxed)];
        was != words
    }

    fn secret(&self) -> Secret {
        Secret::of_words([self.secret[0].load(Relaxed), self.secret[1].load(Relaxed)])
    }

    /// The key that requests with these values have under a rule; see [`Rule::key_of`].
    pub fn key_of(&self, rule: &Rule, values: &[impl AsRef<str>]) -> Option<KeyHash> {
        rule.key_of(&self.secret(), values)
    }

    /// The key of a request under a rule by another part than the rule's own.
    pub fn part_key(&self, rule: &Rule, part: &KeyPart, request: &Request<'_>) -> KeyHash {
        rule.part_key(&self.secret(), part, request)
    }

    /// The cell of anything that is not a request's key.
    pub(crate) fn cell_of(&self, thing: &[u8]) -> u64 {
        self.secret().hash(thing)
    }

    /// Counts the live slots; of a large table in every so many-th line, so that it costs a fraction of a
    /// millisecond.
    pub fn stats(&self, now_us: u64) -> Stats {
        let now_ns = nanoseconds(now_us);
        let slots = self.lines.len() * WAYS;
        let step = self.lines.len().div_ceil(STATS_LINES_MAX).max(1);
        let looked = self.lines.iter().step_by(step);
        let lines = looked.len().max(1);
        let found = looked.flat_map(|line| &line.0).filter(|s| s.state() > now_ns).count();
        let live = found * self.lines.len() / lines;
        let evicted_live = self.evicted_live.load(Relaxed);
        Stats { slots, live, evicted_live, bytes: slots * SLOT_BYTES }
    }

    /// The live state of a cell, 0 when there is none.
    pub(crate) fn read(&self, cell: u64, now_ns: u64) -> u64 {
        let state = self.find(cell).map_or(0, |(_, word)| state_of(word));
        if state > now_ns { state } else { 0 }
    }

    /// Replaces the live state of a cell (0 when absent) by what `next` makes of it, unless it fails.
    /// A failure writes nothing.
    pub(crate) fn update<E>(
        &self,
        cell: u64,
        now_ns: u64,
        next: impl Fn(u64) -> Result<u64, E>,
    ) -> Result<(), E> {
        loop {
            let Some((slot, word)) = self.find(cell) else {
                next(0)?;
                self.claim(cell, now_ns);
                continue;
            };
            let state = state_of(word);
            let after = next(if state > now_ns { state } else { 0 })?;
            if after == word || slot.word.compare_exchange(word, after, AcqRel, Relaxed).is_ok() {
                return Ok(());
            }
        }
    }

    /// Changes the state of a cell if it is there at all.
    pub(crate) fn amend(&self, cell: u64, next: impl Fn(u64) -> u64) {
        while let Some((slot, word)) = self.find(cell) {
            let done = word & CLAIM != 0
                || slot.word.compare_exchange(word, next(word), AcqRel, Relaxed).is_ok();
            if done {
                return;
            }
        }
    }

    fn line(&self, cell: u64) -> &Line {
        let index = (u128::from(cell) * self.lines.len() as u128) >> 64;
        &self.lines[index as usize]
    }

    fn find(&self, cell: u64) -> Option<(&Slot, u64)> {
        let print = print(cell);
        self.line(cell).0.iter().find_map(|slot| Some((slot, slot.owned(print)?)))
    }

    /// Makes a slot the cell's own, or finds that it has one.
    fn claim(&self, cell: u64, now_ns: u64) {
        let print = print(cell);
        loop {
            match self.line(cell).scan(print) {
                Scan::Own(slot, word) => return slot.label(print, word),
                Scan::AllClaimed => std::hint::spin_loop(),
                Scan::Victim { slot, word, who } => {
                    let claim = CLAIM | print;
                    if slot.word.compare_exchange(word, claim, AcqRel, Relaxed).is_ok() {
                        self.evicted_live.fetch_add(u64::from(word > now_ns), Relaxed);
                        // Fails when a thread that met the claim was quicker.
                        let _ = slot.who.compare_exchange(who, print, AcqRel, Relaxed);
                        return;
                    }
                }
            }
        }
    }
}

impl Line {
    fn scan(&self, print: u64) -> Scan<'_> {
        let mut victim = Scan::AllClaimed;
        let mut smallest = u64::MAX;
        for slot in &self.0 {
            let word = slot.word.load(Acquire);
            let who = slot.who.load(Acquire);
            if word == CLAIM | print || (who == print && word & CLAIM == 0) {
                return Scan::Own(slot, word);
            }
            // Ties go to the first slot, so that every thread breaks them alike.
            if word & CLAIM == 0 && word < smallest {
                smallest = word;
                victim = Scan::Victim { slot, word, who };
            }
        }
        victim
    }
}

impl Slot {
    /// The word, when this key has the slot. `who` is read again after the word: between two equal
    /// readings no other key can have taken the slot, labelled it and charged it.
    fn owned(&self, print: u64) -> Option<u64> {
        if self.who.load(Acquire) != print {
            return None;
        }
        let word = self.word.load(Acquire);
        let mine = word & CLAIM == 0 || word == CLAIM | print;
        (mine && self.who.load(Acquire) == print).then_some(word)
    }

    /// Finishes the claim of a thread that has not come to it yet.
    fn label(&self, print: u64, word: u64) {
        let who = self.who.load(Acquire);
        if word & CLAIM != 0 && who != print && self.word.load(Acquire) == word {
            let _ = self.who.compare_exchange(who, print, AcqRel, Relaxed);
        }
    }

    fn state(&self) -> u64 {
        state_of(self.word.load(Relaxed))
    }
}

/// The clock of the states: everything after the year 2100 is one moment, so that no sum overflows.
pub(crate) fn nanoseconds(now_us: u64) -> u64 {
    now_us.saturating_mul(1000).min(1 << 62)
}

/// A claim is a key without a past.
fn state_of(word: u64) -> u64 {
    if word & CLAIM == 0 { word } else { 0 }
}

/// 63 bits of the hash, never zero: zero is the label of a slot nobody had.
fn print(cell: u64) -> u64 {
    (cell & !CLAIM).max(1)
}
