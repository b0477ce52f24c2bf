//! The clients of one limit: who stands out, and what becomes of them.
//!
//! LIFECYCLE of a client that stands out.
//!
//! ```text
//! one bucket above z ─▶ observed ──3 of 5──▶ found ─▶ shadow ──time is up, room──▶ tightened ──time is up──▶ released
//!                          │                   │        │ below z/2 for a while       │ the same
//!                          └─ 5 below ─▶ gone  └────────┴────────────────────────────┴──────────────────▶ released
//! ```
//!
//! Whoever is released and goes on is found again, and is in shadow again first.

use std::collections::HashMap;

use super::BUCKET_US;
use super::decay::{Decay, Seen};
use super::series::{Population, Series};
use crate::key::KeyHash;

#[cfg(test)]
mod tests;

/// Most clients of a limit that stand out at the same time; more are left alone: that is no matter of single clients.
pub const CLIENTS_FOUND_MAX: usize = 256;
/// How many of the last buckets must be above the threshold.
const FLAGS_MIN: u32 = 3;
const FLAGS_OF: u8 = 0b1_1111;
/// Spread of the logarithm of rates at least: with a z of 6 that is eight times the fastest of a hundred.
const LN_SPREAD_MIN: f64 = 0.35;
/// Spread of a client's own rate at least, as a share of it.
const OWN_SPREAD_MIN: f64 = 0.15;
/// Share of failures that is usual everywhere.
const SHARE_USUAL_MIN: f64 = 0.02;
/// Share of a new bucket in what is usual of all clients.
const LEARN_SHARE: f64 = 0.03;
/// The slowest rate that a client is tightened to, requests a second.
const RATE_TO_MIN: f64 = 1.0 / 60.0;
/// Seconds that a rate looks back.
const RATE_SECONDS: f64 = 6.0;

/// What is done about clients that stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// They are listed.
    Observe,
    /// What a tighter limit would deny is counted.
    Shadow,
    /// After that the tighter limit holds for a while.
    Tighten,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Requests a second.
    Rate,
    /// Share of the answers with a status of 400 or more.
    Failed,
    /// Share of the requests that the limit denies.
    Denied,
}

/// How a limit's clients are watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What is looked at.
    pub signals: Vec<Signal>,
    /// What is done at most.
    pub action: Action,
    /// How many usual deviations above what is usual a client stands out.
    pub z: f64,
    /// Slower clients do not stand out by their rate, requests a second.
    pub rate_min: f64,
    /// The limit's own rate, requests a second.
    pub rate_limit: f64,
    /// Fewer requests of the last minutes say nothing of shares.
    pub requests_min: f64,
    /// Smaller shares do not stand out, 0 to 1.
    pub share_min: f64,
    /// Clients are tightened to this share of the rate at which they were found, 0 to 1.
    pub to: f64,
    /// How long a client stays in shadow, microseconds.
    pub shadow_us: u64,
    /// How long it is tightened at most, microseconds.
    pub tighten_us: u64,
    /// How long it must keep quiet to be released before, microseconds.
    pub calm_us: u64,
    /// At the beginning nobody stands out for so long, microseconds.
    pub warm_up_us: u64,
    /// Share of the active clients that are tightened at the same time at most, 0 to 1; always one.
    pub clients_max: f64,
}

/// How far it has come with a client that stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It is listed.
    Observed,
    /// What a tighter limit would deny is counted.
    Shadow,
    /// The tighter limit holds.
    Tightened,
}

/// A client that stands out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Its key.
    pub key: KeyHash,
    /// By what.
    pub signal: Signal,
    /// How far, in usual deviations.
    pub z: f64,
    /// Its requests a second.
    pub rate: f64,
    /// With [`Signal::Rate`] the usual rate, otherwise the usual share.
    pub usual: f64,
    /// Its share of failures or denials; 0 with [`Signal::Rate`].
    pub share: f64,
    /// How far it has come.
    pub stage: Stage,
    /// Whether it stood out often enough, or only just.
    pub sure: bool,
    /// Since when, microseconds of the caller's clock.
    pub since_us: u64,
    /// When its stage ends, where it has an end.
    pub until_us: Option<u64>,
    /// The rate it is tightened to, requests a second.
    pub rate_to: f64,
}

/// Something became of a client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// It stands out.
    Found(Found),
    /// What a tighter limit would deny is counted from now on.
    Shadowed(Found),
    /// The tighter limit holds from now on.
    Tightened(Found),
    /// It is not tightened, because as many are as may be at the same time.
    HeldBack(Found),
    /// It is like all others again.
    Released(Found, Why),
}

/// Why a client is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It keeps quiet.
    Calm,
    /// Its time is up.
    Expired,
}

/// What is usual of the clients of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usual {
    /// Requests a second of the client in the middle.
    pub rate: f64,
    /// Share of failures.
    pub failed: f64,
    /// Share of denials.
    pub denied: f64,
    /// Different clients of the last minutes.
    pub clients: f64,
    /// Whether enough was seen for anybody to stand out.
    pub warm: bool,
}

/// One bucket of traffic.
pub struct Bucket<'b> {
    /// Microseconds of a clock that never steps back.
    pub now_us: u64,
    /// The clients.
    pub decay: &'b mut Decay,
    /// How many different clients there were in the last minutes.
    pub clients: f64,
    /// Clients that never stand out.
    pub exempt: &'b dyn Fn(KeyHash) -> bool,
}

/// Watches the clients of one limit.
#[derive(Debug)]
pub struct Watch {
    settings: Settings,
    began_us: u64,
    buckets: u64,
    ln_rate: Population,
    usual: Usual,
    past: HashMap<KeyHash, Series>,
    found: HashMap<KeyHash, Followed>,
}

#[derive(Debug)]
struct Followed {
    found: Found,
    /// One bit for each of the last buckets, the newest lowest.
    flags: u8,
    calm_since_us: Option<u64>,
    held_back: bool,
}

/// What all clients together did.
#[derive(Default)]
struct Sum {
    passed: f64,
    requests: f64,
    failed: f64,
    denied: f64,
}

#[derive(Clone, Copy)]
struct Score {
    signal: Signal,
    z: f64,
    usual: f64,
    share: f64,
}

// === impl Watch ===

impl Watch {
    /// Watches from `now_us` on.
    pub fn new(settings: Settings, now_us: u64) -> Self {
        Self {
            settings,
            began_us: now_us,
            buckets: 0,
            ln_rate: Population::default(),
            usual: Usual::default(),
            past: HashMap::new(),
            found: HashMap::new(),
        }
    }

    /// Goes on with other settings; what was learned stays.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The clients that stand out, in no order.
    pub fn found(&self) -> impl Iterator<Item = &Found> {
        self.found.values().map(|followed| &followed.found)
    }

    /// What is usual.
    pub fn usual(&self) -> Usual {
        self.usual
    }

    /// Lets a client go at once; whether it stood out.
    pub fn release(&mut self, key: KeyHash) -> bool {
        self.found.remove(&key).is_some()
    }

    /// Takes the next bucket in and decides.
    pub fn turn(&mut self, bucket: &mut Bucket<'_>) -> Vec<Event> {
        let sum = self.learn(bucket);
        let warm_us = self.began_us.saturating_add(self.settings.warm_up_us);
        self.usual.warm = bucket.now_us >= warm_us;
        self.past.retain(|key, _| bucket.decay.get(*key).is_some());
        let keys: Vec<_> = bucket.decay.keys().collect();
        for (key, seen) in keys {
            if !self.found.contains_key(&key) && !(bucket.exempt)(key) {
                self.consider(key, &seen, &sum, bucket.now_us);
            }
        }
        self.follow_all(bucket, &sum)
    }

    /// Learns from everybody who does not stand out.
    fn learn(&mut self, bucket: &Bucket<'_>) -> Sum {
        let mut sum = Sum::default();
        let mut rates = Vec::new();
        for (key, seen) in bucket.decay.keys() {
            if self.found.contains_key(&key) {
                continue;
            }
            sum.add(&seen);
            if seen.rate >= RATE_TO_MIN {
                rates.push(seen.rate.ln());
            }
        }
        self.usual.clients = bucket.clients.max(rates.len() as f64);
        self.leave_out(&mut rates);
        let Some(now) = Population::of(&mut rates) else { return sum };
        self.buckets += 1;
        let share = LEARN_SHARE.max(1.0 / self.buckets as f64);
        self.ln_rate.approach(&now, share);
        self.usual.rate = self.ln_rate.median.exp();
        self.usual.failed += (sum.failed_share() - self.usual.failed) * share;
        self.usual.denied += (sum.denied_share() - self.usual.denied) * share;
        sum
    }

    /// Who is half-way to standing out teaches nothing, as long as that are few: when one in five is, all have changed.
    fn leave_out(&self, ln_rates: &mut Vec<f64>) {
        let ordinary = |rate: &f64| {
            !self.usual.warm || self.ln_rate.z(*rate, LN_SPREAD_MIN) < self.settings.z / 2.0
        };
        let few = ln_rates.iter().filter(|rate| !ordinary(rate)).count() * 5 < ln_rates.len();
        if few {
            ln_rates.retain(ordinary);
        }
    }

    /// A client that did not stand out so far.
    fn consider(&mut self, key: KeyHash, seen: &Seen, sum: &Sum, now_us: u64) {
        let score =
            if self.usual.warm { self.score(key, seen, sum, Stage::Observed) } else { None };
        let z = score.map_or(0.0, |score| score.z);
        if z < self.settings.z / 2.0 {
            self.past.entry(key).or_insert_with(Series::new).push(seen.rate);
        }
        let Some(score) = score.filter(|_| z >= self.settings.z) else { return };
        if self.found.len() < CLIENTS_FOUND_MAX {
            let found = Found {
                key,
                signal: score.signal,
                z: score.z,
                rate: seen.rate,
                usual: score.usual,
                share: score.share,
                stage: Stage::Observed,
                sure: false,
                since_us: now_us,
                until_us: None,
                rate_to: 0.0,
            };
            let followed = Followed { found, flags: 0, calm_since_us: None, held_back: false };
            self.found.insert(key, followed);
        }
    }

    /// Everybody who stands out.
    fn follow_all(&mut self, bucket: &mut Bucket<'_>, sum: &Sum) -> Vec<Event> {
        let mut events = Vec::new();
        let mut keys: Vec<_> = self.found.keys().copied().collect();
        keys.sort_unstable_by_key(|key| key.0);
        let tightened = self.found().filter(|found| found.stage == Stage::Tightened).count();
        let room = (self.usual.clients * self.settings.clients_max).floor().max(1.0) as usize;
        let mut room = room.saturating_sub(tightened);
        for key in keys {
            let seen = bucket.decay.get(key).unwrap_or_default();
            let Some(mut followed) = self.found.remove(&key) else { continue };
            let score = match (bucket.exempt)(key) {
                true => None,
                false => self.score(key, &seen, sum, followed.found.stage),
            };
            let goes_on =
                followed.turn(&self.settings, &seen, score, bucket.now_us, &mut room, &mut events);
            if goes_on {
                self.found.insert(key, followed);
            } else {
                bucket.decay.pardon(key);
            }
        }
        events
    }

    /// By what a client stands out most, if at all.
    fn score(&self, key: KeyHash, seen: &Seen, sum: &Sum, stage: Stage) -> Option<Score> {
        let scores = self.settings.signals.iter().filter_map(|signal| match signal {
            Signal::Rate => self.rate_score(key, seen),
            Signal::Failed => self.share_score(*signal, seen, sum),
            // A tighter limit denies: that is no news.
            Signal::Denied if stage == Stage::Tightened => None,
            Signal::Denied => self.share_score(*signal, seen, sum),
        });
        scores.max_by(|a, b| a.z.total_cmp(&b.z))
    }

    /// Above the fastest of the others, and beside its own past: who was always fast does not stand out.
    fn rate_score(&self, key: KeyHash, seen: &Seen) -> Option<Score> {
        let enough = seen.rate >= self.settings.rate_min
            && seen.rate * RATE_SECONDS >= self.settings.requests_min;
        if !enough || self.buckets == 0 {
            return None;
        }
        let mut z = self.ln_rate.z(seen.rate.ln(), LN_SPREAD_MIN);
        if let Some(own) = self.past.get(&key).and_then(Series::centre) {
            let floor = (OWN_SPREAD_MIN * own.at).max((own.at / RATE_SECONDS).sqrt());
            z = z.min(own.z(seen.rate, floor));
        }
        Some(Score { signal: Signal::Rate, z, usual: self.usual.rate, share: 0.0 })
    }

    /// How unlikely so many failures are for a client like the others. What is usual is what the others do now or what
    /// they always did, whichever is more: when an origin breaks, nobody stands out.
    fn share_score(&self, signal: Signal, seen: &Seen, sum: &Sum) -> Option<Score> {
        let others = sum.without(seen);
        let (of, part, now, always) = match signal {
            Signal::Denied => {
                (seen.requests, seen.denied, others.denied_share(), self.usual.denied)
            }
            _ => (seen.passed(), seen.failed, others.failed_share(), self.usual.failed),
        };
        if of < self.settings.requests_min || part < self.settings.share_min * of {
            return None;
        }
        let usual = now.max(always).clamp(SHARE_USUAL_MIN, 1.0 - SHARE_USUAL_MIN);
        let share = (part / of).min(1.0);
        let z = (share - usual) / (usual * (1.0 - usual) / of).sqrt();
        Some(Score { signal, z, usual, share })
    }
}

// === impl Followed ===

impl Followed {
    /// The next bucket of a client that stands out; false when it does no more.
    fn turn(
        &mut self,
        settings: &Settings,
        seen: &Seen,
        score: Option<Score>,
        now_us: u64,
        room: &mut usize,
        events: &mut Vec<Event>,
    ) -> bool {
        let z = score.map_or(0.0, |score| score.z);
        self.flags = (self.flags << 1 | u8::from(z >= settings.z)) & FLAGS_OF;
        self.found.rate = seen.rate;
        self.found.z = z;
        if let Some(score) = score.filter(|score| score.z >= settings.z) {
            self.found.signal = score.signal;
            self.found.usual = score.usual;
            self.found.share = score.share;
        }
        if self.is_calm(settings, z, now_us) {
            if self.found.sure {
                events.push(Event::Released(self.found, Why::Calm));
            }
            return false;
        }
        if !self.found.sure {
            if self.flags.count_ones() >= FLAGS_MIN {
                self.begin(settings, now_us, events);
            }
            return true;
        }
        match self.found.until_us {
            Some(until_us) if now_us >= until_us => self.end_stage(settings, now_us, room, events),
            _ => true,
        }
    }

    fn is_calm(&mut self, settings: &Settings, z: f64, now_us: u64) -> bool {
        if z >= settings.z / 2.0 {
            self.calm_since_us = None;
            return false;
        }
        let since_us = *self.calm_since_us.get_or_insert(now_us);
        // Nobody is sure yet: it was a short peak.
        let patience_us = if self.found.sure { settings.calm_us } else { 5 * BUCKET_US };
        now_us - since_us >= patience_us
    }

    /// It stood out often enough.
    fn begin(&mut self, settings: &Settings, now_us: u64, events: &mut Vec<Event>) {
        let found = &mut self.found;
        found.sure = true;
        let least = if found.signal == Signal::Rate { found.usual } else { RATE_TO_MIN };
        let most = settings.rate_limit.max(RATE_TO_MIN);
        found.rate_to = (settings.to * found.rate).max(least).max(RATE_TO_MIN).min(most);
        events.push(Event::Found(*found));
        if settings.action == Action::Observe {
            return;
        }
        found.stage = Stage::Shadow;
        let long_us = if settings.action == Action::Shadow {
            settings.tighten_us
        } else {
            settings.shadow_us
        };
        found.until_us = Some(now_us + long_us);
        events.push(Event::Shadowed(*found));
    }

    fn end_stage(
        &mut self,
        settings: &Settings,
        now_us: u64,
        room: &mut usize,
        events: &mut Vec<Event>,
    ) -> bool {
        let goes_further = self.found.stage == Stage::Shadow && settings.action == Action::Tighten;
        if !goes_further {
            events.push(Event::Released(self.found, Why::Expired));
            return false;
        }
        if self.flags.count_ones() < FLAGS_MIN {
            return true;
        }
        if *room == 0 {
            if !std::mem::replace(&mut self.held_back, true) {
                events.push(Event::HeldBack(self.found));
            }
            return true;
        }
        *room -= 1;
        self.found.stage = Stage::Tightened;
        self.found.until_us = Some(now_us + settings.tighten_us);
        events.push(Event::Tightened(self.found));
        true
    }
}

// === impl Sum ===

impl Sum {
    fn add(&mut self, seen: &Seen) {
        self.passed += seen.passed();
        self.requests += seen.requests;
        self.failed += seen.failed;
        self.denied += seen.denied;
    }

    /// The others; a client that stands out was not added.
    fn without(&self, seen: &Seen) -> Self {
        let less = |all: f64, own: f64| (all - own).max(0.0);
        Self {
            passed: less(self.passed, seen.passed()),
            requests: less(self.requests, seen.requests),
            failed: less(self.failed, seen.failed),
            denied: less(self.denied, seen.denied),
        }
    }

    fn failed_share(&self) -> f64 {
        (self.failed / self.passed.max(1.0)).min(1.0)
    }

    fn denied_share(&self) -> f64 {
        (self.denied / self.requests.max(1.0)).min(1.0)
    }
}

impl Seen {
    fn passed(&self) -> f64 {
        (self.requests - self.denied).max(self.failed)
    }
}

impl Action {
    /// The word in settings and pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Shadow => "shadow",
            Self::Tighten => "tighten",
        }
    }
}

impl Signal {
    /// The word in settings, logs and pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Failed => "failed",
            Self::Denied => "denied",
        }
    }
}

impl Stage {
    /// The word in logs and pages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observed => "observed",
            Self::Shadow => "shadow",
            Self::Tightened => "tightened",
        }
    }
}

impl Why {
    /// The word in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Expired => "expired",
        }
    }
}
