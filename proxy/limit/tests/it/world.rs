//! Nodes, an owner and a network between them, in steps of a millisecond. Everything is drawn from one
//! seed; the ledger, the clerk, the owner and the table are the real ones.

use std::collections::VecDeque;

use tidegate_limit::{
    Algorithm, Charge, KeyHash, Mode, Rate, Rule, RuleOptions, Secret, Table,
    global::{
        ACTIVE_US, Answer, Batch, Clerk, Entry, Ledger, Owner, Reply, SYNC_US, Shared, Stand, WHOLE,
    },
};

pub(crate) const STEP_US: u64 = 1_000;
const START_US: u64 = 1_795_000_000_000_000;
/// This many exchanges in a row must fail before the owner counts as gone.
const FAILURES_MAX: u32 = 3;

/// And so many must succeed before it counts again.
const SUCCESSES_MIN: u32 = 4;
/// Asks of a node under way at the same time.
const ASKS_MAX: usize = 8;

/// One cell of the matrix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell {
    pub(crate) mode: Mode,
    /// Tokens a second; the burst is a tenth.
    pub(crate) limit: u64,
    pub(crate) nodes: usize,
    pub(crate) load: f64,
    /// Exponent of Zipf over the nodes.
    pub(crate) skew: f64,
    pub(crate) pattern: Pattern,
    pub(crate) fault: Fault,
    pub(crate) rtt_ms: u64,
    pub(crate) seconds: u64,
    pub(crate) near: u16,
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    Steady,
    /// A twentieth of the limit for two seconds, then the load.
    Step,
    /// The double load every other sync interval.
    Square,
    /// A second's load at once around every full second.
    Boundary,
    /// So many keys, each with the limit of its own; the load is that of the busiest.
    Keys(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    OwnerRestart,
    OwnerDown,
    OneCut,
    HalfCut,
    ClockSkew,
    Loss,
    Duplicates,
}

/// What came of a cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Admitted beyond what one bucket for all would have, of that; in percent.
    pub(crate) mean: f64,
    /// The worst second above limit and burst, of the limit; in percent.
    pub(crate) worst: f64,
    /// The same, without the first second.
    pub(crate) later: f64,
    /// The same, within the time of a cut.
    pub(crate) during: f64,
    /// Denied though one bucket for all would not have, of what was offered; in percent.
    pub(crate) false_deny: f64,
    /// Calls to the owner a second.
    pub(crate) calls: f64,
    /// Requests a second.
    pub(crate) offered: f64,
    /// Fairness among the nodes (Jain), 1 is best.
    pub(crate) fairness: f64,
}

struct Node {
    ledger: Ledger,
    clerk: Clerk,
    table: Table,
    /// What its clock is ahead.
    ahead_us: i64,
    next_us: u64,
    failures: u32,
    successes: u32,
    /// Since when the owner is gone for it.
    alone_since_us: Option<u64>,
    heard_us: u64,
    heard_nodes: usize,
    waiting: Vec<(KeyHash, u64)>,
    asking: usize,
    offered: u64,
    admitted: u64,
}

enum Message {
    Report { node: usize, batch: Vec<u8>, ask: Option<Asked>, late_us: u64 },
    Answer { node: usize, reply: Option<Vec<u8>>, ask: Option<Asked> },
    Again { node: usize, batch: Vec<u8>, ask: Asked },
}

#[derive(Clone)]
struct Asked {
    requests: Vec<(KeyHash, u64)>,
    again: bool,
}

pub(crate) struct World {
    cell: Cell,
    rng: Rng,
    now_us: u64,
    nodes: Vec<Node>,
    owner: Option<Owner>,
    rule: Rule,
    oracle: Table,
    network: VecDeque<(u64, Message)>,
    admitted: Vec<u32>,
    first_key: Vec<u32>,
    ideal: u64,
    calls: u64,
}

/// SplitMix64.
pub(crate) struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn one(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Arrivals of a Poisson process in a step.
    fn poisson(&mut self, mean: f64) -> u32 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.one(), 0);
        while product > limit {
            product *= self.one();
            count += 1;
        }
        count
    }
}

impl World {
    pub(crate) fn new(cell: Cell) -> Self {
        let rng = Rng(cell.seed);
        let rate = Rate::per_second(cell.limit);
        let algorithm = Algorithm::TokenBucket { rate, burst: (cell.limit / 10).max(1) as u32 };
        let mut options = RuleOptions::new("shared", vec![], algorithm);
        options.mode = cell.mode;
        options.near = cell.near;
        let secret = || Secret::new([7; 16]);
        let keys = if let Pattern::Keys(keys) = cell.pattern { keys } else { 1 };
        let node = |n: usize| {
            let ledger = Ledger::new(keys * 4);
            Node {
                clerk: Clerk::new(&ledger),
                ledger,
                table: Table::new(keys * 4, secret()),
                ahead_us: match cell.fault {
                    Fault::ClockSkew => (n as i64 % 3 - 1) * 200_000,
                    _ => 0,
                },
                next_us: START_US + n as u64 * SYNC_US / cell.nodes as u64,
                failures: 0,
                successes: 0,
                alone_since_us: None,
                heard_us: START_US,
                heard_nodes: cell.nodes,
                waiting: Vec::new(),
                asking: 0,
                offered: 0,
                admitted: 0,
            }
        };
        // The owner runs for a while already.
        let owner = Owner::new(1 << 20, START_US - 10_000_000);
        Self {
            rng,
            now_us: START_US,
            nodes: (0..cell.nodes).map(node).collect(),
            owner: Some(owner),
            rule: Rule::new(options).unwrap(),
            oracle: Table::new(keys * 4, secret()),
            network: VecDeque::new(),
            admitted: Vec::new(),
            first_key: Vec::new(),
            ideal: 0,
            calls: 0,
            cell,
        }
    }

    pub(crate) fn run(mut self) -> Figures {
        let weights: Vec<f64> =
            (1..=self.cell.nodes).map(|n| (n as f64).powf(-self.cell.skew)).collect();
        let sum: f64 = weights.iter().sum();
        let steps = self.cell.seconds * 1_000_000 / STEP_US;
        for step in 0..steps {
            self.admitted.push(0);
            self.first_key.push(0);
            self.faults(step);
            self.deliver();
            let rate = self.rate(step);
            // Who comes first must not be the same every time.
            let nodes = self.cell.nodes;
            let first = self.rng.next() as usize % nodes;
            for n in (0..nodes).map(|n| (n + first) % nodes) {
                let weight = weights[n];
                let mean = rate * weight / sum * STEP_US as f64 / 1e6;
                for _ in 0..self.rng.poisson(mean) {
                    self.arrive(n);
                }
                self.sync(n);
                self.ask(n);
            }
            self.now_us += STEP_US;
        }
        self.figures()
    }

    fn rate(&self, step: u64) -> f64 {
        let (load, limit) = (self.cell.load, self.cell.limit as f64);
        let ms = step * STEP_US / 1000;
        let factor = match self.cell.pattern {
            Pattern::Steady => 1.0,
            Pattern::Step if ms < 2_000 => return limit * 0.05,
            Pattern::Step => 1.0,
            Pattern::Square => f64::from(u8::from((ms / 100).is_multiple_of(2))) * 2.0,
            Pattern::Boundary => f64::from(u8::from(ms % 1000 >= 950 || ms % 1000 < 50)) * 10.0,
            // The busiest of n keys of Zipf 1 has one part in about ln n.
            Pattern::Keys(keys) => (keys as f64).ln() + 0.58,
        };
        limit * load * factor
    }

    fn faults(&mut self, step: u64) {
        let ms = step * STEP_US / 1000;
        let owner = || Owner::new(1 << 20, START_US + ms * 1000);
        match self.cell.fault {
            Fault::OwnerRestart if ms == 3_000 => self.owner = Some(owner()),
            Fault::OwnerDown if ms == 3_000 => self.owner = None,
            // It comes back without anything kept, as after a crash.
            Fault::OwnerDown if ms == self.cell.seconds * 1000 - 3_000 => {
                self.owner = Some(owner());
            }
            _ => {}
        }
    }

    fn is_cut(&self, node: usize) -> bool {
        let ms = (self.now_us - START_US) / 1000;
        let during = (3_000..self.cell.seconds * 1000 - 3_000).contains(&ms);
        during
            && match self.cell.fault {
                Fault::OneCut => node == 0,
                Fault::HalfCut => node.is_multiple_of(2),
                _ => false,
            }
    }

    fn key(&mut self) -> (KeyHash, bool) {
        let Pattern::Keys(keys) = self.cell.pattern else { return (hash(0), true) };
        // Zipf 1 by inversion.
        let n = (((keys as f64) + 0.5).powf(self.rng.one()) - 0.5) as u64;
        (hash(n), n == 0)
    }

    fn arrive(&mut self, n: usize) {
        let (key, first) = self.key();
        let charge = [Charge { rule: &self.rule, key, cost: 1 }];
        self.ideal += u64::from(self.oracle.check(&charge, self.now_us).is_ok());
        let now_us = self.now_us.saturating_add_signed(self.nodes[n].ahead_us);
        let shared = self.rule.shared(key, now_us).unwrap();
        let node = &mut self.nodes[n];
        node.offered += 1;
        match decide(node, &self.rule, &shared, now_us) {
            Stand::Go => self.admit(n, first),
            Stand::No(_) => {}
            Stand::Ask => node.waiting.push((key, self.now_us)),
        }
    }

    fn admit(&mut self, n: usize, first: bool) {
        *self.admitted.last_mut().unwrap() += 1;
        *self.first_key.last_mut().unwrap() += u32::from(first);
        self.nodes[n].admitted += 1;
    }

    /// The report that is due.
    fn sync(&mut self, n: usize) {
        if self.now_us < self.nodes[n].next_us {
            return;
        }
        let jitter_us = (self.rng.one() * 0.4 - 0.2) * SYNC_US as f64;
        let node = &mut self.nodes[n];
        node.next_us += SYNC_US.saturating_add_signed(jitter_us as i64);
        let now_us = self.now_us.saturating_add_signed(node.ahead_us);
        let mut entries = Vec::new();
        node.clerk.collect(&node.ledger, now_us, node.heard_nodes, &mut entries);
        // Also without news: the owner must know that the node is there, and the node that the owner is.
        self.send(n, entries, None);
    }

    fn ask(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        if node.asking >= ASKS_MAX || node.waiting.is_empty() {
            return;
        }
        node.asking += 1;
        let requests = std::mem::take(&mut node.waiting);
        let mut entries: Vec<Entry> = Vec::new();
        for (key, _) in &requests {
            match entries.iter_mut().find(|entry| entry.key == key.0) {
                Some(entry) => entry.must += 1,
                None => {
                    let now_us = self.now_us.saturating_add_signed(node.ahead_us);
                    let terms = self.rule.shared(*key, now_us).unwrap().terms;
                    entries.push(Entry { key: key.0, terms, must: 1, ..Entry::default() });
                }
            }
        }
        self.send(n, entries, Some(Asked { requests, again: false }));
    }

    fn send(&mut self, n: usize, entries: Vec<Entry>, ask: Option<Asked>) {
        let batch = Batch { node: n as u64 + 1, seq: self.rng.next(), entries }.encode();
        self.transmit(n, batch, ask);
    }

    /// Over a network that may lose or repeat it.
    fn transmit(&mut self, n: usize, batch: Vec<u8>, ask: Option<Asked>) {
        self.calls += 1;
        let half_us = self.cell.rtt_ms * 500;
        let deadline_us = (3 * self.cell.rtt_ms * 1000).max(20_000);
        let lost = |rng: &mut Rng| self.cell.fault == Fault::Loss && rng.one() < 0.05;
        if self.owner.is_none() || self.is_cut(n) || lost(&mut self.rng) || lost(&mut self.rng) {
            // What is lost on the way back was counted all the same.
            if self.owner.is_some() && !self.is_cut(n) && self.rng.one() < 0.5 {
                let batch = batch.clone();
                self.post(half_us, Message::Report { node: n, batch, ask: None, late_us: 0 });
            }
            match ask {
                // Requests that wait are asked for once more.
                Some(ask) if !ask.again => {
                    let ask = Asked { again: true, ..ask };
                    self.post(deadline_us / 2, Message::Again { node: n, batch, ask });
                }
                ask => self.post(deadline_us / 2, Message::Answer { node: n, reply: None, ask }),
            }
            return;
        }
        if self.cell.fault == Fault::Duplicates && self.rng.one() < 0.2 {
            let batch = batch.clone();
            self.post(half_us, Message::Report { node: n, batch, ask: None, late_us: 0 });
        }
        self.post(half_us, Message::Report { node: n, batch, ask, late_us: half_us.max(1) });
    }

    fn post(&mut self, delay_us: u64, message: Message) {
        let at_us = self.now_us + delay_us;
        let place = self.network.partition_point(|(due_us, _)| *due_us <= at_us);
        self.network.insert(place, (at_us, message));
    }

    fn deliver(&mut self) {
        while self.network.front().is_some_and(|(due_us, _)| *due_us <= self.now_us) {
            let Some((_, message)) = self.network.pop_front() else { return };
            match message {
                Message::Report { node, batch, ask, late_us } => {
                    let reply = self.own(&batch);
                    if late_us > 0 {
                        self.post(late_us, Message::Answer { node, reply, ask });
                    }
                }
                Message::Again { node, batch, ask } => self.transmit(node, batch, Some(ask)),
                Message::Answer { node, reply, ask } => self.hear(node, reply.as_deref(), ask),
            }
        }
    }

    fn own(&mut self, batch: &[u8]) -> Option<Vec<u8>> {
        let batch = Batch::decode(batch).unwrap();
        let now_us = self.now_us;
        let owner = self.owner.as_mut()?;
        let answers = owner.exchange_all(&batch, now_us);
        let nodes = owner.nodes() as u16;
        Some(Reply { secret: [0; 16], nodes, epoch: 1, answers }.encode())
    }

    fn hear(&mut self, n: usize, reply: Option<&[u8]>, ask: Option<Asked>) {
        let reply = reply.map(|bytes| Reply::decode(bytes).unwrap());
        let node = &mut self.nodes[n];
        let now_us = self.now_us.saturating_add_signed(node.ahead_us);
        match &reply {
            Some(reply) => {
                node.failures = 0;
                // An owner that has just come back does not know yet who else is there.
                node.successes += 1;
                if node.successes >= SUCCESSES_MIN {
                    node.alone_since_us = None;
                }
                node.heard_us = now_us;
                node.heard_nodes = usize::from(reply.nodes).max(1);
                for answer in &reply.answers {
                    node.ledger.hear(answer, now_us);
                    if ask.is_none() {
                        node.clerk.hear(&node.ledger, answer, now_us);
                    }
                }
            }
            None => {
                node.failures += 1;
                node.successes = 0;
                if node.failures >= FAILURES_MAX {
                    // Until then the owner had not given the node up.
                    let given_up_us = node.heard_us + ACTIVE_US;
                    node.alone_since_us.get_or_insert(now_us.max(given_up_us));
                }
            }
        }
        let Some(ask) = ask else { return };
        self.nodes[n].asking -= 1;
        self.settle(n, &ask, reply.as_ref(), now_us);
    }

    /// Gives the granted tokens to the requests in the order they came.
    fn settle(&mut self, n: usize, ask: &Asked, reply: Option<&Reply>, now_us: u64) {
        let mut granted: Vec<Answer> = reply.map(|reply| reply.answers.clone()).unwrap_or_default();
        for (key, _) in &ask.requests {
            let first = *key == hash(0);
            match granted.iter_mut().find(|answer| answer.key == key.0) {
                Some(answer) if answer.granted > 0 => {
                    answer.granted -= 1;
                    self.admit(n, first);
                }
                Some(_) => {}
                None => {
                    let shared = self.rule.shared(*key, now_us).unwrap();
                    if alone(&self.nodes[n], &shared, now_us) == Stand::Go {
                        self.admit(n, first);
                    }
                }
            }
        }
    }

    fn figures(&self) -> Figures {
        let window = 1_000_000 / STEP_US as usize;
        let bound = self.cell.limit as f64 + (self.cell.limit / 10).max(1) as f64;
        let over = |from: usize, to: usize| {
            let steps = &self.first_key[from..to];
            let mut sum: u32 = steps.iter().take(window).sum();
            let mut most = sum;
            for at in window..steps.len() {
                sum = sum + steps[at] - steps[at - window];
                most = most.max(sum);
            }
            (f64::from(most) - bound) / self.cell.limit as f64 * 100.0
        };
        let admitted: u64 = self.admitted.iter().map(|n| u64::from(*n)).sum();
        let offered: u64 = self.nodes.iter().map(|node| node.offered).sum();
        let ideal = self.ideal.max(1) as f64;
        let seconds = self.cell.seconds as f64;
        let whole = self.cell.limit as f64 * seconds + bound - self.cell.limit as f64;
        let most = match self.cell.pattern {
            Pattern::Keys(_) | Pattern::Step => ideal,
            _ => whole.min(offered as f64),
        };
        let shares: Vec<f64> = self
            .nodes
            .iter()
            .filter(|node| node.offered > 0)
            .map(|node| node.admitted as f64 / node.offered as f64)
            .collect();
        let squares: f64 = shares.iter().map(|x| x * x).sum();
        let sum: f64 = shares.iter().sum();
        Figures {
            mean: (admitted as f64 - most) / most * 100.0,
            worst: over(0, self.first_key.len()),
            later: over(window, self.first_key.len()),
            during: match self.first_key.len() {
                len if len > 8 * window => over(3 * window, len - 3 * window),
                _ => 0.0,
            },
            false_deny: (ideal - admitted as f64).max(0.0) / offered.max(1) as f64 * 100.0,
            calls: self.calls as f64 / seconds,
            offered: offered as f64 / seconds,
            fairness: sum * sum / (shares.len().max(1) as f64 * squares.max(1e-9)),
        }
    }
}

/// What the edge does with one shared limit.
fn decide(node: &Node, rule: &Rule, shared: &Shared, now_us: u64) -> Stand {
    if node.alone_since_us.is_some() {
        if let Some(place) = node.ledger.place(shared, now_us) {
            place.wanted(1);
        }
        return alone(node, shared, now_us);
    }
    let mode = rule.mode();
    let Some(place) = node.ledger.place(shared, now_us) else {
        return alone(node, shared, now_us);
    };
    match place.look(mode, 1, now_us) {
        Stand::Go => {}
        other => return other,
    }
    if mode == Mode::Approx {
        let charge = [Charge { rule, key: shared.key, cost: 1 }];
        if node.table.check(&charge, now_us).is_err() {
            return Stand::No(1_000);
        }
    }
    if place.take(mode, 1, now_us) { Stand::Go } else { Stand::Ask }
}

/// Without the owner: what was leased, then this node's part.
fn alone(node: &Node, shared: &Shared, now_us: u64) -> Stand {
    let since_us = node.alone_since_us.unwrap_or(now_us);
    let place = node.ledger.place(shared, now_us);
    if let Some(place) = place
        && place.leased(1, now_us)
    {
        return Stand::Go;
    }
    let part = place.and_then(|place| place.share());
    let part = part.unwrap_or(WHOLE / node.heard_nodes as u16);
    match node.table.check_part(shared, part, since_us, 1, now_us) {
        Ok(()) => {
            if let Some(place) = place {
                place.used(1);
            }
            Stand::Go
        }
        Err(wait_us) => Stand::No(wait_us),
    }
}

fn hash(n: u64) -> KeyHash {
    let x = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    KeyHash((x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9))
}
