//! The owner of keys: one bucket each, with debt, and who uses it how much.

use std::collections::{HashMap, VecDeque};

use super::{
    ACTIVE_US, Answer, Batch, Entry, LEASE_US, PREFETCH_TOKENS_MIN, SYNC_US, Terms, WHOLE,
};

/// A year of debt is the most, nanoseconds.
const DEBT_NS_MAX: u64 = 366 * 86_400 * 1_000_000_000;
/// After a start, buckets that were in use may be emptier than is known: so much of them is held back,
/// microseconds of their rate.
const LEARNING_US: u64 = 1_000_000;
/// How much of a new measurement goes into a node's rate.
const RATE_GAIN: f32 = 0.5;
/// A key that came near its limit is counted exactly for so long after it left it, microseconds.
const EXACT_US: u64 = 10_000_000;
/// Tokens leased in advance, as part of what comes in during a sync interval.
const LEASED_PART: f64 = 0.5;
/// Nodes that are told apart.
const NODES_MAX: usize = 4_096;
/// How much of a new measurement goes into what a node's share is worked out from: a share may have to
/// last, so it must not hang on the chance of one interval.
const STEADY_GAIN: f32 = 0.05;
/// Part of a limit that is shared out evenly, for nodes that had no use for the key yet.
const EVEN_PART: f32 = 0.1;
/// How long the share of a node is kept for it that fell silent: it goes on using it, microseconds.
const SILENT_US: u64 = 60_000_000;
/// A node that was alone decides alone for so long after it was heard first, microseconds.
const RETURN_US: u64 = 3 * SYNC_US;
/// How much of what is in the bucket beyond its half is let go in a second.
const SPARE_GAIN: f32 = 2.0;
/// Batches of a node that are answered again alike.
const REPLIES_KEPT: usize = 32;
/// Of so many entries at most.
const REPLY_ENTRIES_MAX: usize = 256;

/// Keeps the accounts of the keys that hash to it. Memory is bounded by `accounts_max`.
#[derive(Debug)]
pub struct Owner {
    accounts: HashMap<u64, Account>,
    accounts_max: usize,
    started_us: u64,
    swept_us: u64,
    nodes: HashMap<u64, Peer>,
    refused: u64,
}

/// A node, whatever keys it uses.
#[derive(Debug, Clone, Default)]
struct Peer {
    seen_us: u64,
    /// Batches that tokens were granted to: one that is sent again is not granted again.
    granted: VecDeque<(u64, Vec<Answer>)>,
}

#[derive(Debug, Clone)]
struct Account {
    terms: Terms,
    /// The theoretical arrival time of a bucket, or the end of a quota's period; nanoseconds.
    at_ns: u64,
    /// A bucket that is new to the owner is taken to be empty at first; nanoseconds.
    empty_until_ns: u64,
    /// What came back unused before the bucket was used again, from and to: it is not in the bucket any more, but
    /// a node that was alone meanwhile and reports later may have used just that. Nanoseconds.
    spare_ns: (u64, u64),
    /// Of a quota: what was used of it.
    used: u64,
    nodes: Vec<Node>,
    exact_until_us: u64,
    /// What of the limit silent nodes have, of one.
    lost: f32,
    denied: u64,
    changed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    id: u64,
    life: u32,
    total: u64,
    /// Tokens wanted a second.
    rate: f32,
    /// The same over a longer time.
    steady: f32,
    /// As it was last told, of one.
    share: f32,
    /// Up to when a silent node's share was charged, and how much of it; nanoseconds.
    charged_us: u64,
    charged_ns: u64,
    silent: bool,
    seen_us: u64,
    held: u32,
    held_until_us: u64,
}

/// An account as it is kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The key.
    pub key: u64,
    /// The numbers.
    pub terms: Terms,
    /// Arrival time of a bucket or end of a quota's period, nanoseconds of the owner's clock.
    pub at_ns: u64,
    /// Of a quota: what was used of it.
    pub used: u64,
}

/// A key among the most wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Top {
    /// The key.
    pub key: u64,
    /// Tokens wanted a second, by all nodes.
    pub rate: f64,
    /// Tokens a second that its limit has.
    pub limit: f64,
    /// Tokens left.
    pub left: u32,
    /// Nodes that use it.
    pub nodes: usize,
}

impl Owner {
    /// No accounts yet. Times are microseconds of one clock that never steps back.
    pub fn new(accounts_max: usize, now_us: u64) -> Self {
        Self {
            accounts: HashMap::new(),
            accounts_max: accounts_max.max(1),
            started_us: now_us,
            swept_us: now_us,
            nodes: HashMap::new(),
            refused: 0,
        }
    }

    /// Takes a node's batch in; one that came before is answered as it was.
    pub fn exchange_all(&mut self, batch: &Batch, now_us: u64) -> Vec<Answer> {
        let before = self.nodes.get(&batch.node).and_then(|peer| {
            peer.granted.iter().find(|(seq, _)| *seq == batch.seq).map(|(_, all)| all.clone())
        });
        if let Some(answers) = before {
            return answers;
        }
        self.note_node(batch.node, now_us);
        let answers: Vec<Answer> =
            batch.entries.iter().map(|entry| self.exchange(batch.node, entry, now_us)).collect();
        let granted = answers.iter().any(|answer| answer.granted > 0 || answer.leased > 0);
        if granted && answers.len() <= REPLY_ENTRIES_MAX {
            let peer = self.nodes.entry(batch.node).or_default();
            peer.granted.push_back((batch.seq, answers.clone()));
            if peer.granted.len() > REPLIES_KEPT {
                peer.granted.pop_front();
            }
        }
        answers
    }

    /// Takes a node's report of one key in and says what the node may do. A repeated or older report
    /// counts nothing twice.
    pub fn exchange(&mut self, node: u64, entry: &Entry, now_us: u64) -> Answer {
        self.note_node(node, now_us);
        if !self.accounts.contains_key(&entry.key) && !self.has_room(now_us) {
            self.refused += 1;
            let share = WHOLE / self.nodes.len().clamp(1, NODES_MAX) as u16;
            return Answer { key: entry.key, refused: true, share, ..Answer::default() };
        }
        let started_us = self.started_us;
        let account = self
            .accounts
            .entry(entry.key)
            .or_insert_with(|| Account::new(entry.terms, started_us, now_us));
        let peers = &self.nodes;
        let seen_us = |id: u64| peers.get(&id).map_or(0, |peer| peer.seen_us);
        account.silence(seen_us, now_us);
        account.exchange(node, entry, peers.len(), now_us)
    }

    /// Takes `tokens` at once, for callers that are no nodes: all of them or none.
    pub fn take(&mut self, key: u64, terms: Terms, tokens: u32, now_us: u64) -> Answer {
        let entry = Entry { key, terms, must: tokens, offered: tokens, ..Entry::default() };
        if !self.accounts.contains_key(&key) && !self.has_room(now_us) {
            self.refused += 1;
            return Answer { key, refused: true, ..Answer::default() };
        }
        let started_us = self.started_us;
        let account =
            self.accounts.entry(key).or_insert_with(|| Account::new(terms, started_us, now_us));
        account.renew(&entry, now_us);
        let left = account.left(now_us);
        let granted = if tokens <= left { tokens } else { 0 };
        account.spend(granted.into(), now_us);
        let enough = granted == tokens && left > 0;
        let wait_us = if enough { 0 } else { account.wait_us(tokens, now_us) };
        Answer { key, granted, left: left - granted, wait_us, ..Answer::default() }
    }

    /// Nodes that reported lately.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Accounts kept.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether no account is kept.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Keys turned away for want of room since the start.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The most wanted keys, the most wanted first.
    pub fn top(&self, count: usize, now_us: u64) -> Vec<Top> {
        let mut all: Vec<Top> = self
            .accounts
            .iter()
            .map(|(key, account)| Top {
                key: *key,
                rate: account.demand(now_us).0.into(),
                limit: account.terms.rate(),
                left: account.left(now_us),
                nodes: account.nodes.len(),
            })
            .filter(|top| top.rate > 0.0)
            .collect();
        all.sort_by(|a, b| b.rate.total_cmp(&a.rate));
        all.truncate(count);
        all
    }

    /// The accounts that changed since the last call and take longer than `fill_us` to fill: what a
    /// restart must not forget. Those that fill faster start empty instead.
    /// With `all` those that did not change too.
    pub fn changed(&mut self, fill_us: u64, all: bool, out: &mut Vec<Held>) {
        for (key, account) in &mut self.accounts {
            let slow = account.terms.is_quota() || account.terms.fill_ns() / 1000 > fill_us;
            if (std::mem::take(&mut account.changed) || all) && slow {
                let Account { terms, at_ns, used, .. } = *account;
                out.push(Held { key: *key, terms, at_ns, used });
            }
        }
    }

    /// Takes an account from disk, unless it is there already.
    pub fn restore(&mut self, held: &Held, now_us: u64) {
        let known = self.accounts.contains_key(&held.key);
        if known || held.at_ns / 1000 <= now_us || self.accounts.len() >= self.accounts_max {
            return;
        }
        let mut account = Account::new(held.terms, self.started_us, now_us);
        account.at_ns = held.at_ns;
        account.used = held.used;
        self.accounts.insert(held.key, account);
    }

    fn note_node(&mut self, node: u64, now_us: u64) {
        if self.nodes.len() < NODES_MAX || self.nodes.contains_key(&node) {
            self.nodes.entry(node).or_default().seen_us = now_us;
        }
    }

    /// Forgets what means nothing any more, at most once a second.
    fn has_room(&mut self, now_us: u64) -> bool {
        const SWEEP_US: u64 = 1_000_000;
        if now_us >= self.swept_us + SWEEP_US {
            self.swept_us = now_us;
            self.accounts.retain(|_, account| !account.is_idle(now_us));
            self.nodes.retain(|_, peer| peer.seen_us + SILENT_US > now_us);
        }
        self.accounts.len() < self.accounts_max
    }
}

impl Account {
    fn new(terms: Terms, started_us: u64, now_us: u64) -> Self {
        let held_back_ns = terms.fill_ns().min(LEARNING_US * 1000);
        let (at_ns, empty_until_ns) = match terms.is_quota() {
            true => (now_us * 1000 + u64::from(terms.left_ms) * 1_000_000, 0),
            false => (0, started_us * 1000 + held_back_ns),
        };
        let (nodes, exact_until_us) = (Vec::new(), 0);
        Self {
            terms,
            at_ns,
            empty_until_ns,
            spare_ns: (0, 0),
            used: 0,
            nodes,
            exact_until_us,
            lost: 0.0,
            denied: 0,
            changed: true,
        }
    }

    fn exchange(&mut self, id: u64, entry: &Entry, peers: usize, now_us: u64) -> Answer {
        self.renew(entry, now_us);
        let used = self.note(id, entry, now_us);
        self.charge(used, entry.span_us.max(entry.late_us).into(), now_us);
        self.charge_ahead(id, entry, now_us);
        let granted = self.left(now_us).min(entry.must);
        self.spend(granted.into(), now_us);
        let leased = self.lease(id, entry, now_us);
        let share = self.share(id, peers, now_us);
        self.answer(entry, granted, leased, share, now_us)
    }

    /// A node that does not report at all goes on using its share, so that is charged as if it were used.
    fn silence(&mut self, seen_us: impl Fn(u64) -> u64, now_us: u64) {
        let mut lost_ns = 0;
        // Nobody may have been heard for longer: what came back meanwhile pays for it.
        let mut gone_us = ACTIVE_US;
        self.lost = 0.0;
        for node in &mut self.nodes {
            let seen_us = seen_us(node.id);
            node.silent = seen_us + ACTIVE_US <= now_us && seen_us + SILENT_US > now_us;
            if node.silent {
                let from_us = node.charged_us.max(seen_us);
                let span_us = now_us.saturating_sub(from_us);
                gone_us = gone_us.max(span_us);
                let span_ns = span_us * 1000;
                let part_ns = (span_ns as f32 * node.share) as u64;
                (node.charged_us, node.charged_ns) = (now_us, node.charged_ns + part_ns);
                lost_ns += part_ns;
                self.lost += node.share;
            }
        }
        if lost_ns > 0 && !self.terms.is_quota() {
            self.at_ns = self.at_ns.max((now_us - gone_us) * 1000) + lost_ns;
        }
    }

    /// A node's part of the limit. All parts add up to one at most.
    fn share(&mut self, id: u64, peers: usize, now_us: u64) -> f32 {
        let counts = |node: &&Node| node.silent || node.seen_us + 10 * ACTIVE_US > now_us;
        let steady: f32 = self.nodes.iter().filter(counts).map(|node| node.steady).sum();
        let even = EVEN_PART / peers.max(1) as f32;
        // Shares are given out one after the other while demand changes, and a key that falls quiet keeps
        // its last ones: nobody gets what others still hold.
        let others = self.nodes.iter().filter(counts).filter(|node| node.id != id);
        let held: f32 = others.map(|node| node.share).sum();
        let free = (1.0 - held - even * peers.saturating_sub(self.nodes.len()) as f32).max(0.0);
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) else { return even };
        let of_demand = if steady > 0.0 { node.steady / steady } else { 0.0 };
        node.share = ((1.0 - EVEN_PART) * of_demand + even).min(free);
        node.share
    }

    /// The numbers may have changed; a new period begins with nothing used.
    fn renew(&mut self, entry: &Entry, now_us: u64) {
        self.terms = entry.terms;
        if self.terms.is_quota() && self.at_ns <= now_us * 1000 {
            self.at_ns = now_us * 1000 + u64::from(self.terms.left_ms) * 1_000_000;
            self.used = 0;
        }
    }

    /// What the node used since its last report, and its rate.
    fn note(&mut self, id: u64, entry: &Entry, now_us: u64) -> u64 {
        if entry.span_us == 0 {
            return 0;
        }
        let measured = f64::from(entry.offered) * 1e6 / f64::from(entry.span_us.max(1_000));
        let measured = measured as f32;
        let known = self.nodes.iter_mut().find(|node| node.id == id);
        let Some(node) = known else {
            self.nodes.retain(|node| node.silent || node.seen_us + 10 * ACTIVE_US > now_us);
            let node = Node {
                id,
                life: entry.life,
                total: entry.used,
                rate: measured,
                steady: measured,
                share: 0.0,
                charged_us: now_us,
                charged_ns: 0,
                silent: false,
                seen_us: now_us,
                held: entry.has,
                held_until_us: now_us + LEASE_US,
            };
            self.nodes.push(node);
            return entry.unheard.into();
        };
        node.rate += (measured - node.rate) * RATE_GAIN;
        let weight = STEADY_GAIN * (entry.span_us as f32 / SYNC_US as f32).clamp(1.0, 10.0);
        node.steady += (measured - node.steady) * weight;
        node.held = entry.has;
        node.seen_us = now_us;
        if node.life != entry.life {
            (node.life, node.total) = (entry.life, entry.used);
            return entry.unheard.into();
        }
        // A total below the last one: an older message came late.
        let used = entry.used.saturating_sub(node.total);
        node.total = node.total.max(entry.used);
        // What it used while it was silent was charged as it went.
        let paid = std::mem::take(&mut node.charged_ns) / self.terms.emission_ns.max(1);
        used.saturating_sub(paid)
    }

    /// Charges what was used already, into debt if need be. It was used over a span during which tokens
    /// came back too.
    fn charge(&mut self, tokens: u64, span_us: u64, now_us: u64) {
        if tokens == 0 {
            return;
        }
        self.changed = true;
        if self.terms.is_quota() {
            self.used += tokens;
            return;
        }
        let from_ns = now_us.saturating_sub(span_us) * 1000;
        let mut price_ns = self.terms.emission_ns.saturating_mul(tokens);
        if span_us > ACTIVE_US {
            price_ns -= self.take_spare(from_ns, price_ns);
        }
        if price_ns == 0 {
            return;
        }
        let at_ns = self.at_ns.max(from_ns).saturating_add(price_ns);
        self.at_ns = at_ns.min(now_us * 1000 + self.terms.fill_ns() + DEBT_NS_MAX);
    }

    /// From here on the bucket is used: what came back unused until now is set apart.
    fn note_spare(&mut self, now_us: u64) {
        if self.at_ns < now_us * 1000 {
            self.spare_ns = (self.at_ns, now_us * 1000);
        }
    }

    /// Pays, as far as it goes, with what came back unused after `from_ns`: as if the node had been heard before
    /// the others used the bucket again. The order in which nodes come back makes no debt.
    fn take_spare(&mut self, from_ns: u64, price_ns: u64) -> u64 {
        let (spare_from_ns, to_ns) = self.spare_ns;
        let paid_ns = to_ns.saturating_sub(spare_from_ns.max(from_ns)).min(price_ns);
        self.spare_ns.1 -= paid_ns;
        paid_ns
    }

    /// A node that was alone goes by its share until it has heard the owner a few times: what it uses until
    /// then, at the pace it says, is no longer there for the others.
    fn charge_ahead(&mut self, id: u64, entry: &Entry, now_us: u64) {
        let (unheard, late_us) = (u64::from(entry.unheard), u64::from(entry.late_us));
        if late_us <= ACTIVE_US || self.terms.is_quota() {
            return;
        }
        let ahead = unheard * RETURN_US / late_us;
        if ahead > 0 {
            self.note_spare(now_us);
        }
        self.charge(ahead, 0, now_us);
        if let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) {
            node.charged_ns += ahead.saturating_mul(self.terms.emission_ns);
        }
    }

    /// Charges tokens that are granted: from what is there now.
    fn spend(&mut self, tokens: u64, now_us: u64) {
        if tokens > 0 && !self.terms.is_quota() {
            self.note_spare(now_us);
            self.at_ns = self.arrival_ns(now_us * 1000);
            self.empty_until_ns = 0;
        }
        self.charge(tokens, 0, now_us);
    }

    /// Tokens in the bucket that are not out on lease.
    fn left(&self, now_us: u64) -> u32 {
        let held: u64 = self.leases(now_us).map(|node| u64::from(node.held)).sum();
        let burst = u64::from(self.terms.burst);
        let left = match self.terms.is_quota() {
            true => return burst.saturating_sub(self.used) as u32,
            false => {
                let now_ns = now_us * 1000;
                let horizon_ns = now_ns + self.terms.fill_ns();
                horizon_ns.saturating_sub(self.arrival_ns(now_ns)) / self.terms.emission_ns.max(1)
            }
        };
        let burst = (burst as f32 * (1.0 - self.lost).max(0.0)) as u64;
        left.min(burst.saturating_sub(held)) as u32
    }

    fn arrival_ns(&self, now_ns: u64) -> u64 {
        self.at_ns.max(self.empty_until_ns).max(now_ns)
    }

    fn leases(&self, now_us: u64) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.held > 0 && node.held_until_us > now_us)
    }

    /// Until so many tokens are there.
    fn wait_us(&self, tokens: u32, now_us: u64) -> u32 {
        let now_ns = now_us * 1000;
        let wait_ns = match self.terms.is_quota() {
            true => self.at_ns.saturating_sub(now_ns),
            false => {
                let price_ns = self.terms.emission_ns.saturating_mul(tokens.max(1).into());
                let after_ns = self.arrival_ns(now_ns).saturating_add(price_ns);
                after_ns.saturating_sub(now_ns + self.terms.fill_ns())
            }
        };
        // Tokens may be out on lease: they are back or used by then.
        u32::try_from(wait_ns.div_ceil(1000)).unwrap_or(u32::MAX).max(1_000)
    }

    fn lease(&mut self, id: u64, entry: &Entry, now_us: u64) -> u32 {
        if entry.ask == 0 {
            return 0;
        }
        let active = self.active(now_us).count().max(1) as f64;
        let per_sync = self.terms.rate() * SYNC_US as f64 / 1e6;
        let most = (LEASED_PART * per_sync / active).max(f64::from(PREFETCH_TOKENS_MIN));
        let most = (most as u32).min(self.terms.burst / 2);
        let leased = entry.ask.min(most.saturating_sub(entry.has)).min(self.left(now_us));
        self.spend(leased.into(), now_us);
        if let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) {
            node.held = entry.has + leased;
            node.held_until_us = now_us + LEASE_US + SYNC_US;
        }
        leased
    }

    fn active(&self, now_us: u64) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.seen_us + ACTIVE_US > now_us)
    }

    /// Tokens wanted a second by all active nodes, and how many they are.
    fn demand(&self, now_us: u64) -> (f32, usize) {
        self.active(now_us).fold((0.0, 0), |(sum, n), node| (sum + node.rate, n + 1))
    }

    fn answer(
        &mut self,
        entry: &Entry,
        granted: u32,
        leased: u32,
        share: f32,
        now_us: u64,
    ) -> Answer {
        let left = self.left(now_us);
        let limit = self.terms.rate() as f32;
        let (demand, _) = self.demand(now_us);
        if self.terms.near > 0 && demand > f32::from(self.terms.near) / f32::from(WHOLE) * limit {
            self.exact_until_us = now_us + EXACT_US;
        }
        self.denied += u64::from(entry.must - granted);
        // What silent nodes use is not there for the others.
        let limit = limit * (1.0 - self.lost).max(0.0);
        // Towards a bucket that is half full.
        let spare = left as f32 - self.terms.burst as f32 / 2.0;
        let target = (limit + spare * SPARE_GAIN).max(limit / 2.0);
        let admit = if demand <= target { 1.0 } else { target / demand };
        Answer {
            key: entry.key,
            heard: entry.used,
            granted,
            leased,
            left,
            wait_us: if left > 0 { 0 } else { self.wait_us(1, now_us) },
            admit: part(admit),
            share: part(share),
            exact: self.exact_until_us > now_us,
            refused: false,
        }
    }

    fn is_idle(&self, now_us: u64) -> bool {
        self.at_ns <= now_us * 1000
            && self.active(now_us).next().is_none()
            && !self.nodes.iter().any(|node| node.silent)
    }
}

/// Rounded down: parts must not add up to more than the whole.
fn part(of_one: f32) -> u16 {
    (of_one.clamp(0.0, 1.0) * f32::from(WHOLE)) as u16
}
