//! Writes the ledger's reports. One of it for a ledger; it alone frees slots.

use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::{
    Answer, Entry, Ledger, PREFETCH_TOKENS_MIN, SYNC_US, Terms,
    ledger::{Slot, milliseconds},
};

/// Used tokens below this part of what comes in during a sync interval may wait for a second.
const QUIET_PART: f64 = 0.02;
/// How long they may, microseconds.
const QUIET_US: u64 = 1_000_000;
/// A slot nobody asked for so long is free again, microseconds.
const IDLE_US: u64 = 3_000_000;
/// How much of a new measurement goes into a key's rate.
const RATE_GAIN: f32 = 0.4;
/// A lease is a little larger than what was used last time.
const AHEAD: f32 = 1.2;

/// Writes the ledger's reports and remembers what the owners have heard.
#[derive(Debug)]
pub struct Clerk {
    notes: Vec<Note>,
    lives: u32,
}

/// What is known of a slot beside the slot.
#[derive(Debug, Clone, Copy, Default)]
struct Note {
    key: u64,
    life: u32,
    heard: u64,
    /// Since when nothing was reported.
    since_us: u64,
    /// When the owner last answered.
    heard_us: u64,
    /// When a request last came.
    wanted_us: u64,
    /// Tokens wanted a second.
    rate: f32,
    offered: u64,
}

impl Clerk {
    /// For a ledger.
    pub fn new(ledger: &Ledger) -> Self {
        Self { notes: vec![Note::default(); ledger.slots.len()], lives: 0 }
    }

    /// What there is to report, with the tokens wanted in advance. `nodes` share the limits.
    pub fn collect(&mut self, ledger: &Ledger, now_us: u64, nodes: usize, out: &mut Vec<Entry>) {
        for (slot, note) in ledger.slots.iter().zip(&mut self.notes) {
            let key = slot.key.load(Acquire);
            if key == 0 {
                continue;
            }
            if note.key != key {
                self.lives = self.lives.wrapping_add(1);
                let (since_us, wanted_us) = (now_us.saturating_sub(SYNC_US), now_us);
                let (life, heard_us) = (self.lives, since_us);
                *note = Note { key, life, since_us, heard_us, wanted_us, ..Note::default() };
            }
            out.extend(note.entry(slot, now_us, nodes));
            if note.is_idle(slot, now_us) {
                *note = Note::default();
                slot.free();
            }
        }
    }

    /// Takes an answer in, beside [`Ledger::hear`]: what it names is accounted for.
    pub fn hear(&mut self, ledger: &Ledger, answer: &Answer, now_us: u64) {
        let at = ledger.find(answer.key.max(1));
        if let Some(note) = at.and_then(|at| self.notes.get_mut(at)) {
            note.heard = note.heard.max(answer.heard);
            note.heard_us = now_us;
        }
    }
}

impl Note {
    fn entry(&mut self, slot: &Slot, now_us: u64, nodes: usize) -> Option<Entry> {
        let offered = slot.offered.load(Relaxed);
        let came = offered.saturating_sub(self.offered);
        let used = slot.used.load(Relaxed);
        let unheard = used.saturating_sub(self.heard);
        let span_us = now_us.saturating_sub(self.since_us).max(1);
        if came > 0 {
            self.wanted_us = now_us;
        }
        let terms = terms(slot, now_us);
        let has = slot.tokens(self.key, now_us);
        let quiet = terms.rate() * SYNC_US as f64 / 1e6 * QUIET_PART / nodes.max(1) as f64;
        let can_wait = (unheard.max(came) as f64) < quiet && span_us < QUIET_US;
        if (came == 0 && unheard == 0 && has == 0) || (can_wait && has == 0 && !slot.is_exact()) {
            return None;
        }
        let measured = (came as f64 * 1e6 / span_us as f64) as f32;
        self.rate += (measured - self.rate) * if self.rate == 0.0 { 1.0 } else { RATE_GAIN };
        self.offered = offered;
        self.since_us = now_us;
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Some(Entry {
            key: self.key,
            terms,
            life: self.life,
            used,
            unheard: small(unheard),
            span_us: small(span_us),
            late_us: small(now_us.saturating_sub(self.heard_us)),
            offered: small(came),
            has,
            ask: self.ask(slot, has),
            must: 0,
        })
    }

    /// Tokens for the next interval, for keys that use them up.
    fn ask(&self, slot: &Slot, has: u32) -> u32 {
        let wanted = self.rate * SYNC_US as f32 / 1e6 * AHEAD;
        let leased = slot.is_exact() || slot.is_leased();
        if leased && wanted >= PREFETCH_TOKENS_MIN {
            (wanted as u32).saturating_sub(has)
        } else {
            0
        }
    }

    fn is_idle(&self, slot: &Slot, now_us: u64) -> bool {
        let heard = slot.used.load(Relaxed) <= self.heard;
        let quiet = slot.offered.load(Relaxed) == self.offered;
        heard && quiet && now_us > self.wanted_us + IDLE_US
    }
}

fn terms(slot: &Slot, now_us: u64) -> Terms {
    let numbers = slot.numbers.load(Relaxed);
    let left_ms = match numbers as u32 {
        0 => 0,
        end_ms => end_ms.wrapping_sub(milliseconds(now_us)).max(1),
    };
    Terms {
        emission_ns: slot.emission_ns.load(Relaxed),
        burst: (numbers >> 32) as u32,
        left_ms,
        near: (slot.parts.load(Relaxed) >> 16) as u16,
    }
}
