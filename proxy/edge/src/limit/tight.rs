//! Tighter limits for clients that stand out, for a while.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use tidegate_limit::{
    Algorithm, Charge, Cost, KeyHash, Mode, Rate, Rule, RuleOptions, Table, anomaly::Stage,
};
use tidegate_telemetry::Counter;

use super::watch::Watched;

/// Sets the bucket of a tighter limit apart from the limit's own: what was used up there is not held against the client
/// once it is released.
const APART: u64 = 0x7c1b_4e5d_93a2_6f08;
/// Seconds that a tighter limit's burst is worth.
const BURST_S: f64 = 2.0;

/// The clients, by their keys in order.
#[derive(Default)]
pub(super) struct Tight {
    pub(super) clients: Vec<Client>,
}

/// A client with a tighter limit.
pub(super) struct Client {
    pub(super) key: KeyHash,
    pub(super) stage: Stage,
    rule: Rule,
    cost: u32,
    /// It ends then, also if nobody takes it away.
    pub(super) until_us: u64,
    pub(super) tally: Arc<Tally>,
}

/// What became of its requests.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) would_deny: AtomicU64,
    pub(super) denied: AtomicU64,
}

// === impl Tight ===

impl Tight {
    fn find(&self, key: KeyHash) -> Option<&Client> {
        let at = self.clients.binary_search_by_key(&key.0, |client| client.key.0).ok()?;
        Some(&self.clients[at])
    }

    /// The charge as it is; the tighter one, where that holds.
    pub(super) fn in_place_of<'o>(&'o self, charge: Charge<'o>, now_us: u64) -> Charge<'o> {
        match self.find(charge.key) {
            Some(client) if client.stage == Stage::Tightened && now_us < client.until_us => {
                Charge { rule: &client.rule, key: apart(charge.key), cost: charge.cost }
            }
            _ => charge,
        }
    }

    /// A request has passed: counts whether it would have under limits in shadow.
    pub(super) fn passed(&self, table: &Table, watched: Watched, now_us: u64) {
        for (_, key) in watched.iter() {
            let Some(client) = self.find(key) else { continue };
            if client.stage != Stage::Shadow || now_us >= client.until_us {
                continue;
            }
            let charge = Charge { rule: &client.rule, key: apart(key), cost: client.cost };
            let passes = table.check(&[charge], now_us);
            if passes.is_ok_and(|permit| permit.outcomes().iter().any(|outcome| outcome.shadowed)) {
                client.tally.would_deny.fetch_add(1, Relaxed);
                Counter::AnomalyWouldDeny.inc();
            }
        }
    }

    /// A limit has denied: counts it if it was a tighter one.
    pub(super) fn denied(&self, watched: Watched, denied: KeyHash) {
        let tightened = watched.iter().find(|(_, key)| apart(*key) == denied);
        if let Some(client) = tightened.and_then(|(_, key)| self.find(key)) {
            client.tally.denied.fetch_add(1, Relaxed);
            Counter::AnomalyDenied.inc();
        }
    }
}

fn apart(key: KeyHash) -> KeyHash {
    KeyHash(key.0 ^ APART)
}

// === impl Client ===

impl Client {
    /// `rate` is in requests a second. `None` when the numbers make no rule.
    pub(super) fn new(
        key: KeyHash,
        stage: Stage,
        rate: f64,
        until_us: u64,
        limit: &Rule,
        tally: Arc<Tally>,
    ) -> Option<Self> {
        let per_minute = (rate * 60.0).round().max(1.0) as u64;
        let burst = (rate * BURST_S).ceil().max(1.0) as u32;
        let algorithm = Algorithm::TokenBucket {
            rate: Rate { count: per_minute, period_us: 60_000_000 },
            burst,
        };
        let was = limit.options();
        // Only a bucket can be counted on all nodes together.
        let shared =
            matches!(was.algorithm, Algorithm::TokenBucket { .. }) && stage == Stage::Tightened;
        let options = RuleOptions {
            algorithm,
            tiers: None,
            mode: if shared { was.mode } else { Mode::Local },
            // A limit in shadow itself stays there, whoever stands out.
            enforce_per_mille: if stage == Stage::Tightened { was.enforce_per_mille } else { 0 },
            ..was.clone()
        };
        let cost = match options.cost {
            Cost::Fixed(cost) => cost,
            Cost::Header(_) | Cost::Later(_) => 1,
        };
        Some(Self { key, stage, rule: Rule::new(options).ok()?, cost, until_us, tally })
    }
}
