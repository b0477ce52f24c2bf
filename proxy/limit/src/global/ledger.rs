//! A node's side of shared keys: a table of fixed size without locks.
//!
//! LIFECYCLE of a slot. Free (`key` 0) --a request claims it--> in use --the clerk finds it idle for a
//! while, everything reported and no tokens left--> free. A request that found the slot just before
//! it was freed may still count into it: what it counts goes to the slot's next key, by one request at
//! most. Tokens are safe from that, because the word they are in names its key.

use std::sync::atomic::{
    AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};

use super::{Answer, Shared, WHOLE};
use crate::rule::Mode;

const WAYS: usize = 8;
/// Until an answer is there everything is admitted, as far as the node's own bucket has it.
const FRESH: u64 = WHOLE as u64;
const EXACT: u64 = 1 << 16;
const KNOWN: u64 = 1 << 17;
const LEASED: u64 = 1 << 32;

/// The shared keys that a node sees. Every slot is one cache line.
#[derive(Debug)]
pub struct Ledger {
    pub(super) slots: Box<[Slot]>,
}

/// A key's place in the ledger.
#[derive(Debug, Clone, Copy)]
pub struct Place<'l> {
    slot: &'l Slot,
    key: u64,
}

/// How a request stands with a shared limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It may pass; [`Place::take`] makes it so.
    Go,
    /// It may not, for so long, microseconds.
    No(u64),
    /// The owner must be asked.
    Ask,
}

#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) key: AtomicU64,
    pub(super) emission_ns: AtomicU64,
    /// Burst above, end of a quota's period below (milliseconds of the node's clock, cut to 32 bits).
    pub(super) numbers: AtomicU64,
    /// Tokens used without a grant since the slot was claimed.
    pub(super) used: AtomicU64,
    /// Tokens wanted since the slot was claimed.
    pub(super) offered: AtomicU64,
    /// Tag of the key (16), tokens (24), end of the lease (24, in units of 8 ms).
    pub(super) lease: AtomicU64,
    /// Denied until (32, milliseconds), flags (16), admitted part (16).
    pub(super) state: AtomicU64,
    /// Whether it is leased (1), near (16), share of the limit (16).
    pub(super) parts: AtomicU64,
}

impl Ledger {
    /// Room for about `keys` keys, 64 bytes each.
    pub fn new(keys: usize) -> Self {
        let slots = keys.max(1).div_ceil(WAYS) * WAYS;
        Self { slots: (0..slots).map(|_| Slot::default()).collect() }
    }

    /// The key's place; none when the ledger has no room near it.
    pub fn place(&self, shared: &Shared, now_us: u64) -> Option<Place<'_>> {
        let key = shared.key.0.max(1);
        let line = self.line(key);
        let found = line.iter().find(|slot| slot.key.load(Acquire) == key);
        let slot = match found {
            Some(slot) => slot,
            None => line.iter().find(|slot| slot.claim(key))?,
        };
        slot.renew(shared, now_us);
        Some(Place { slot, key })
    }

    /// Takes an answer in. Tokens are added whether the slot is still there or not; without it they
    /// are lost, which the owner has accounted for.
    pub fn hear(&self, answer: &Answer, now_us: u64) {
        let key = answer.key.max(1);
        let Some(slot) = self.line(key).iter().find(|slot| slot.key.load(Acquire) == key) else {
            return;
        };
        if answer.leased > 0 {
            slot.add_tokens(key, answer.leased, now_us);
        }
        let until_ms = match answer.wait_us {
            0 => 0,
            wait_us => milliseconds(now_us + u64::from(wait_us)).max(1),
        };
        let flags = KNOWN | if answer.exact { EXACT } else { 0 };
        let state = u64::from(until_ms) << 32 | flags | u64::from(answer.admit);
        slot.state.store(state, Relaxed);
        let parts = slot.parts.load(Relaxed) & !0xffff;
        slot.parts.store(parts | u64::from(answer.share), Relaxed);
    }

    /// Which slot has the key.
    pub(super) fn find(&self, key: u64) -> Option<usize> {
        let at = self.line_at(key);
        let found = self.slots[at..at + WAYS].iter().position(|slot| slot.key.load(Acquire) == key);
        found.map(|way| at + way)
    }

    fn line(&self, key: u64) -> &[Slot] {
        let at = self.line_at(key);
        &self.slots[at..at + WAYS]
    }

    fn line_at(&self, key: u64) -> usize {
        let lines = self.slots.len() / WAYS;
        ((u128::from(key) * lines as u128) >> 64) as usize * WAYS
    }
}

impl Place<'_> {
    /// How a request stands; charges nothing, but notes that tokens were wanted.
    pub fn look(&self, mode: Mode, cost: u32, now_us: u64) -> Stand {
        let slot = self.slot;
        let seen = slot.offered.fetch_add(cost.into(), Relaxed);
        let state = slot.state.load(Relaxed);
        let until_ms = (state >> 32) as u32;
        let denied_ms = until_ms.wrapping_sub(milliseconds(now_us)) as i32;
        let denied = until_ms != 0 && denied_ms > 0;
        let exact = state & EXACT != 0 || mode != Mode::Approx;
        if exact && mode != Mode::Strict && slot.tokens(self.key, now_us) >= cost {
            return Stand::Go;
        }
        if denied {
            return Stand::No(denied_ms as u64 * 1000);
        }
        if exact {
            return Stand::Ask;
        }
        let admit = if state & KNOWN == 0 { FRESH } else { state & 0xffff };
        // Of each WHOLE requests `admit` pass, evenly spread: no dice, no clock.
        let passed = |n: u64| n * admit / u64::from(WHOLE);
        let passes = passed(seen + u64::from(cost.max(1))) > passed(seen);
        if admit >= FRESH || passes { Stand::Go } else { Stand::No(super::SYNC_US) }
    }

    /// Makes a [`Stand::Go`] so. False when another request took the tokens meanwhile: ask then.
    pub fn take(&self, mode: Mode, cost: u32, now_us: u64) -> bool {
        let exact = self.slot.state.load(Relaxed) & EXACT != 0 || mode != Mode::Approx;
        if exact && self.slot.take_tokens(self.key, cost, now_us) {
            return true;
        }
        if exact && mode != Mode::Approx {
            return false;
        }
        self.slot.used.fetch_add(cost.into(), Relaxed);
        true
    }

    /// Notes that tokens were wanted by a request that is decided without a look: when the owner is back it
    /// must know of the demand at once, or it would let everybody in until the next report.
    pub fn wanted(&self, cost: u32) {
        self.slot.offered.fetch_add(cost.into(), Relaxed);
    }

    /// Takes leased tokens, however the key stands otherwise.
    pub fn leased(&self, cost: u32, now_us: u64) -> bool {
        self.slot.take_tokens(self.key, cost, now_us)
    }

    /// Notes tokens used without the owner's word, while it was out of reach.
    pub fn used(&self, cost: u32) {
        self.slot.used.fetch_add(cost.into(), Relaxed);
    }

    /// This node's part of the limit as the owner last said; none before it ever did.
    pub fn share(&self) -> Option<u16> {
        let known = self.slot.state.load(Relaxed) & KNOWN != 0;
        known.then(|| self.slot.parts.load(Relaxed) as u16)
    }
}

impl Slot {
    fn claim(&self, key: u64) -> bool {
        self.key.compare_exchange(0, key, AcqRel, Acquire).is_ok() || self.key.load(Acquire) == key
    }

    /// Free again. The key goes last: who finds the slot free finds it empty.
    pub(super) fn free(&self) {
        for word in [&self.used, &self.offered, &self.state, &self.parts, &self.numbers] {
            word.store(0, Relaxed);
        }
        self.key.store(0, Release);
    }

    pub(super) fn is_exact(&self) -> bool {
        self.state.load(Relaxed) & EXACT != 0
    }

    pub(super) fn is_leased(&self) -> bool {
        self.parts.load(Relaxed) & LEASED != 0
    }

    fn renew(&self, Shared { terms, lease, .. }: &Shared, now_us: u64) {
        let end_ms = match terms.left_ms {
            0 => 0,
            // To the second, so that the word stays the same from request to request.
            left_ms => (milliseconds(now_us).wrapping_add(left_ms) / 1000 * 1000).max(1),
        };
        let numbers = u64::from(terms.burst) << 32 | u64::from(end_ms);
        if self.numbers.load(Relaxed) != numbers {
            self.numbers.store(numbers, Relaxed);
        }
        if self.emission_ns.load(Relaxed) != terms.emission_ns {
            self.emission_ns.store(terms.emission_ns, Relaxed);
        }
        let parts = self.parts.load(Relaxed);
        let fixed = u64::from(terms.near) << 16 | if *lease { LEASED } else { 0 };
        if parts & !0xffff != fixed {
            self.parts.store(parts & 0xffff | fixed, Relaxed);
        }
    }

    pub(super) fn tokens(&self, key: u64, now_us: u64) -> u32 {
        let (tag, tokens, end) = lease(self.lease.load(Acquire));
        if tag == tag_of(key) && !is_over(end, now_us) { tokens } else { 0 }
    }

    fn take_tokens(&self, key: u64, cost: u32, now_us: u64) -> bool {
        let mut word = self.lease.load(Acquire);
        loop {
            let (tag, tokens, end) = lease(word);
            if tag != tag_of(key) || is_over(end, now_us) || tokens < cost {
                return false;
            }
            let after = lease_word(tag, tokens - cost, end);
            match self.lease.compare_exchange_weak(word, after, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    fn add_tokens(&self, key: u64, more: u32, now_us: u64) {
        let mut word = self.lease.load(Acquire);
        loop {
            let (tag, tokens, end) = lease(word);
            let had = if tag == tag_of(key) && !is_over(end, now_us) { tokens } else { 0 };
            let end = units(now_us + super::LEASE_US);
            let after = lease_word(tag_of(key), (had + more).min(0xff_ffff), end);
            match self.lease.compare_exchange_weak(word, after, AcqRel, Acquire) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }
}

/// Milliseconds of the node's clock, cut: they come round after 49 days.
pub(super) fn milliseconds(now_us: u64) -> u32 {
    (now_us / 1000) as u32
}

fn tag_of(key: u64) -> u16 {
    (key >> 24) as u16 | 1
}

fn units(now_us: u64) -> u32 {
    (now_us / 8_000) as u32 & 0xff_ffff
}

fn is_over(end: u32, now_us: u64) -> bool {
    let ahead = end.wrapping_sub(units(now_us)) & 0xff_ffff;
    ahead == 0 || ahead > 0x7f_ffff
}

fn lease(word: u64) -> (u16, u32, u32) {
    ((word >> 48) as u16, (word >> 24) as u32 & 0xff_ffff, word as u32 & 0xff_ffff)
}

fn lease_word(tag: u16, tokens: u32, end: u32) -> u64 {
    u64::from(tag) << 48 | u64::from(tokens) << 24 | u64::from(end)
}
