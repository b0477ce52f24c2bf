//! What each limit has decided on this node, for its operator.
//!
//! A decision costs one addition in a cache line of the worker's own. Tallies go by the limit's
//! name and outlive configurations, as its counts do. Of the keys that are denied most a few are kept, by
//! their hash: the key itself may be a secret.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use serde_json::{Value, json};
use tidegate_limit::{KeyHash, Mode, Rule};
use tidegate_telemetry::{Counter, Gauge};

use crate::{Edge, running::Running};

/// Threads that count in a line of their own; all others share the last one.
const THREADS: usize = 32;
/// Limits whose tallies are kept, those of past configurations among them.
const TALLIES_MAX: usize = 4_096;
/// Denied keys that are followed.
const DENIED_KEYS: usize = 128;
/// Denied keys that a page lists unless it is asked for more.
const DENIED_LISTED: usize = 20;

/// What came of one limit's part in a request.
#[derive(Clone, Copy)]
pub(crate) enum Word {
    Allowed,
    Denied,
    /// It would have been denied, were the limit enforced; counted beside [`Word::Allowed`].
    Shadowed,
    /// Decided without the shared counts; counted beside one of the others.
    Degraded,
}

/// How often each [`Word`] came of a limit.
pub(crate) struct Tally([Stripe; THREADS + 1]);

#[repr(align(64))]
struct Stripe([AtomicU64; 4]);

/// The tallies of a node.
#[derive(Default)]
pub(crate) struct Tallies {
    by_name: Mutex<HashMap<String, Arc<Tally>>>,
    denied: Mutex<Vec<DeniedKey>>,
    /// Live keys that were evicted, as far as the metric says so.
    evicted: AtomicU64,
}

struct DeniedKey {
    limit: Arc<str>,
    key: u64,
    count: u64,
}

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The stripe of this thread.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT.fetch_add(1, Relaxed).min(THREADS));
        }
        stripe.get()
    })
}

// === impl Tally ===

impl Default for Tally {
    fn default() -> Self {
        Self([const { Stripe([const { AtomicU64::new(0) }; 4]) }; THREADS + 1])
    }
}

impl Tally {
    pub(crate) fn add(&self, word: Word) {
        let at = stripe();
        let cell = &self.0[at].0[word as usize];
        match at < THREADS {
            // Nobody else writes here.
            true => cell.store(cell.load(Relaxed) + 1, Relaxed),
            false => _ = cell.fetch_add(1, Relaxed),
        }
    }

    fn count(&self, word: Word) -> u64 {
        self.0.iter().map(|stripe| stripe.0[word as usize].load(Relaxed)).sum()
    }
}

// === impl Tallies ===

impl Tallies {
    /// The tally of the limit of this name.
    pub(crate) fn of(&self, name: &str) -> Arc<Tally> {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tally) = by_name.get(name) {
            return tally.clone();
        }
        if by_name.len() >= TALLIES_MAX {
            by_name.retain(|_, tally| Arc::strong_count(tally) > 1);
        }
        by_name.entry(name.to_owned()).or_default().clone()
    }

    /// Notes a denied key (space-saving: the rarest makes room, and its count is taken over). A denial
    /// that meets another at the same moment is left out: nobody waits.
    pub(super) fn deny(&self, rule: &Rule, key: KeyHash) {
        let Ok(mut denied) = self.denied.try_lock() else { return };
        let found = denied.iter_mut().find(|it| it.key == key.0 && *it.limit == *rule.name());
        if let Some(known) = found {
            known.count += 1;
            return;
        }
        let new = |count| DeniedKey { limit: rule.name().into(), key: key.0, count };
        if denied.len() < DENIED_KEYS {
            return denied.push(new(1));
        }
        if let Some(rarest) = denied.iter_mut().min_by_key(|it| it.count) {
            *rarest = new(rarest.count + 1);
        }
    }

    fn top_denied(&self, count: usize) -> Vec<Value> {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<&DeniedKey> = denied.iter().collect();
        all.sort_by_key(|it| std::cmp::Reverse(it.count));
        let line = |it: &&DeniedKey| json!({ "limit": &*it.limit, "key": format!("{:016x}", it.key), "denied": it.count });
        all.iter().take(count).map(line).collect()
    }
}

/// The figures of the limit table that are read when somebody asks.
pub(crate) fn measure(edge: &Edge) -> tidegate_limit::Stats {
    let node = &edge.node;
    let stats = node.limit_table.stats(node.clock.now().mono_us);
    Gauge::LimitKeys.set(i64::try_from(stats.live).unwrap_or(i64::MAX));
    let before = node.tallies.evicted.swap(stats.evicted_live, Relaxed);
    Counter::LimitEvictions.add(stats.evicted_live.saturating_sub(before));
    stats
}

/// `GET /v1/limits`: each limit with what it decided, and the keys denied most.
pub(crate) fn page(edge: &Edge, query: &str) -> Value {
    let node = &edge.node;
    let running = node.running.load();
    let top = query.split('&').find_map(|pair| pair.strip_prefix("top=")?.parse().ok());
    let stats = measure(edge);
    json!({
        "node": node.name,
        "revision": running.snapshot.revision,
        "limits": running.snapshot.limits.iter().zip(&running.tallies)
            .map(|(rule, tally)| line(rule, tally)).collect::<Vec<_>>(),
        "denied_most": node.tallies.top_denied(top.unwrap_or(DENIED_LISTED)),
        "table": {
            "slots": stats.slots, "keys": stats.live, "evicted": stats.evicted_live,
            "bytes": stats.bytes,
        },
        "stores_alone": node.shared.alone(),
    })
}

fn line(rule: &Rule, tally: &Tally) -> Value {
    let options = rule.options();
    json!({
        "name": rule.name(),
        "mode": match rule.mode() {
            Mode::Local => "local",
            Mode::Approx => "approx",
            Mode::Lease => "lease",
            Mode::Strict => "strict",
        },
        "key": rule.key_parts().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "enabled": options.enabled,
        "enforce_percent": f64::from(options.enforce_per_mille) / 10.0,
        "allowed": tally.count(Word::Allowed),
        "denied": tally.count(Word::Denied),
        "shadow_denied": tally.count(Word::Shadowed),
        "degraded": tally.count(Word::Degraded),
    })
}

/// The tallies of a configuration's limits, in their order.
pub(crate) fn of_all<'r>(
    tallies: &Tallies,
    limits: impl Iterator<Item = &'r Rule>,
) -> Box<[Arc<Tally>]> {
    limits.map(|rule| tallies.of(rule.name())).collect()
}

impl Running {
    pub(crate) fn tally(&self, index: tidegate_snapshot::LimitIndex) -> &Tally {
        &self.tallies[index.0 as usize]
    }
}
