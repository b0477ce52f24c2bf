//! What is pushed about limits beside the spec, and holds within the second: other numbers for single
//! keys, keys that are blocked or free, the keys that were given out at all, and switches that take a
//! limit into shadow or off.
//!
//! The table is called `limits`. Its operations:
//!
//! | key | value |
//! |---|---|
//! | `key/LIMIT/VALUE` | `{"rate":"100/s","burst":10}`, `{"at_once":5}`, `{"block":true}` or `{"free":true}` |
//! | `key/LIMIT/NAME` | the same with `"key":["VALUE","VALUE"]`, for a key of several parts |
//! | `known/LIMIT/HASH` | none: a key that was given out, by the SHA-256 of its value in hex |
//! | `switch/LIMIT` | `{"enforce_percent":0}`, `{"enabled":false}` or `{"tighten":false}` |
//! | `tight/LIMIT/HASH` | what the control plane has found about a client; see `tight.rs` |
//!
//! As long as a limit has `known` keys, requests with any other key are counted by their network (/24,
//! IPv6 /64) instead: making keys up is no way to a fresh bucket, and takes no room in the table.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tidegate_control_client::api::{Op, TableOp};
use tidegate_limit::{Algorithm, KeyHash, KeyPart, Rate, Request, Rule, RuleOptions, Table};
use tidegate_snapshot::{LimitIndex, Snapshot};
use tidegate_spec::units::parse_rate;

use super::stranger;

/// The name of the pushed table.
pub(crate) const TABLE: &str = "limits";
/// Entries kept; the table is refused beyond.
const ENTRIES_MAX: usize = 2_000_000;

/// Every entry as it was pushed. Configurations come and go; this stays.
#[derive(Default)]
pub(crate) struct Pushed {
    /// Whether anything was ever pushed.
    pub(crate) any: AtomicBool,
    entries: Mutex<BTreeMap<String, Value>>,
}

/// What the entries mean for the limits of one snapshot, by their place in it.
pub(crate) struct Overlay {
    limits: Vec<Option<Box<OverLimit>>>,
}

#[derive(Default)]
struct OverLimit {
    /// The limit as its switch has it.
    switched: Option<Rule>,
    /// Clients that stand out are listed and no more.
    never_tightens: bool,
    keys: HashMap<u64, OverKey>,
    /// First eight bytes of the hashes of all keys given out; empty: any key is good.
    known: HashSet<u64>,
}

enum OverKey {
    /// Other numbers, and what sets its bucket apart: what was used up under the old numbers is not
    /// held against the key under the new ones.
    Rule(Box<Rule>, u64),
    Blocked,
    Free,
}

/// What a limit means for a request.
pub(super) enum Found<'o> {
    Counts(&'o Rule, KeyHash),
    /// It does not apply.
    Free,
    Blocked(&'o Rule),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Entry {
    key: Option<Vec<String>>,
    rate: Option<String>,
    burst: Option<u32>,
    at_once: Option<u32>,
    block: bool,
    free: bool,
    enforce_percent: Option<u16>,
    enabled: Option<bool>,
    tighten: Option<bool>,
}

// === impl Pushed ===

impl Pushed {
    /// Forgets everything.
    pub(crate) fn reset(&self) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Takes operations in; call [`Self::lay_over`] afterwards.
    pub(crate) fn apply(&self, ops: &[TableOp]) -> Result<(), String> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        self.any.fetch_or(!ops.is_empty(), Relaxed);
        for op in ops {
            match op.op {
                Op::Delete => drop(entries.remove(&op.key)),
                Op::Put | Op::Change if entries.len() >= ENTRIES_MAX => {
                    return Err(format!("more than {ENTRIES_MAX} entries about limits"));
                }
                Op::Put | Op::Change => {
                    entries.insert(op.key.clone(), op.value.clone().unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    /// Works out what the entries mean for a snapshot. Entries that name no limit of it, or cannot be
    /// read, are left alone: the spec may still come, and one bad entry must not undo the others.
    pub(crate) fn lay_over(&self, snapshot: &Snapshot, table: &Table) -> Option<Overlay> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.is_empty() {
            return None;
        }
        let mut limits: Vec<Option<Box<OverLimit>>> = Vec::new();
        limits.resize_with(snapshot.limits.len(), || None);
        for (path, value) in entries.iter() {
            let mut words = path.splitn(3, '/');
            let (Some(kind), Some(name)) = (words.next(), words.next()) else { continue };
            let Some(at) = snapshot.limits.iter().position(|rule| rule.name() == name) else {
                continue;
            };
            let over = limits[at].get_or_insert_default();
            let rest = words.next().unwrap_or("");
            if let Err(problem) = over.add(kind, rest, value, &snapshot.limits[at], table) {
                tracing::warn!(entry = path, problem, "entry about a limit is left out");
            }
        }
        Some(Overlay { limits })
    }
}

// === impl Overlay ===

impl Overlay {
    /// Whether no client of a limit is tightened, whatever it does.
    pub(super) fn never_tightens(&self, index: LimitIndex) -> bool {
        let over = self.limits.get(index.0 as usize).and_then(Option::as_deref);
        over.is_some_and(|over| over.never_tightens)
    }

    /// The rule and key that count for a request.
    pub(super) fn rule<'o>(
        &'o self,
        index: LimitIndex,
        rule: &'o Rule,
        table: &Table,
        request: &Request<'_>,
    ) -> Found<'o> {
        let over = self.limits.get(index.0 as usize).and_then(Option::as_deref);
        let base = over.and_then(|over| over.switched.as_ref()).unwrap_or(rule);
        let Some(key) = table.key(base, request) else { return Found::Free };
        let tier = base.tier(request);
        let Some(over) = over else { return Found::Counts(tier, key) };
        match over.keys.get(&key.0) {
            Some(OverKey::Rule(rule, apart)) => {
                return Found::Counts(rule, KeyHash(key.0 ^ apart));
            }
            Some(OverKey::Free) => return Found::Free,
            Some(OverKey::Blocked) => return Found::Blocked(base),
            None => {}
        }
        if over.known.is_empty() || over.knows(base, request) {
            return Found::Counts(tier, key);
        }
        let network = KeyPart::ClientIp { v4: 24, v6: tidegate_limit::IPV6_PREFIX_DEFAULT };
        Found::Counts(base, stranger(table.part_key(base, &network, request)))
    }
}

// === impl OverLimit ===

impl OverLimit {
    fn add(
        &mut self,
        kind: &str,
        rest: &str,
        value: &Value,
        rule: &Rule,
        table: &Table,
    ) -> Result<(), String> {
        match kind {
            "known" => {
                let hash = rest.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
                self.known.insert(hash.ok_or("no SHA-256 in hex")?);
                return Ok(());
            }
            "key" | "switch" => {}
            _ => return Err("unknown kind of entry".into()),
        }
        let entry = Entry::deserialize(value).map_err(|error| error.to_string())?;
        if kind == "switch" {
            self.switched = Some(entry.switched(rule)?);
            self.never_tightens = entry.tighten == Some(false);
            return Ok(());
        }
        let values = entry.key.clone().unwrap_or_else(|| vec![rest.to_owned()]);
        let key = table.key_of(rule, &values).ok_or("the key has other parts")?;
        self.keys.insert(key.0, entry.over_key(rule)?);
        Ok(())
    }

    fn knows(&self, rule: &Rule, request: &Request<'_>) -> bool {
        // By the first part of the key that the request has.
        let mut known = None;
        for part in rule.key_parts() {
            part.each_value(request, &mut |value| {
                known.get_or_insert_with(|| self.known.contains(&first_half(value)));
            });
        }
        known.unwrap_or(false)
    }
}

/// The first eight bytes of the SHA-256.
fn first_half(bytes: &[u8]) -> u64 {
    let hash = Sha256::digest(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(first)
}

// === impl Entry ===

impl Entry {
    fn over_key(&self, rule: &Rule) -> Result<OverKey, String> {
        match (self.block, self.free) {
            (true, false) => Ok(OverKey::Blocked),
            (false, true) => Ok(OverKey::Free),
            (true, true) => Err("blocked and free at once".into()),
            (false, false) => {
                let algorithm = self.algorithm(rule.algorithm())?;
                let options = RuleOptions { algorithm, tiers: None, ..rule.options().clone() };
                let apart = first_half(format!("{algorithm:?}").as_bytes());
                let rule = Rule::new(options).map_err(|error| error.to_string())?;
                Ok(OverKey::Rule(Box::new(rule), apart))
            }
        }
    }

    fn switched(&self, rule: &Rule) -> Result<Rule, String> {
        let mut options = rule.options().clone();
        if let Some(percent) = self.enforce_percent {
            options.enforce_per_mille = percent.min(100) * 10;
        }
        options.enabled = self.enabled.unwrap_or(options.enabled);
        Rule::new(options).map_err(|error| error.to_string())
    }

    /// The limit's algorithm with the entry's numbers.
    fn algorithm(&self, was: Algorithm) -> Result<Algorithm, String> {
        let rate = match &self.rate {
            None => None,
            Some(text) => Some(parse_rate(text).ok_or("the rate is not of the form 50/s")?),
        };
        let rate = rate.map(|rate| Rate { count: rate.count, period_us: rate.per_us });
        let whole = |rate: Rate| u32::try_from(rate.count).unwrap_or(u32::MAX);
        Ok(match was {
            Algorithm::TokenBucket { rate: old, burst } => Algorithm::TokenBucket {
                rate: rate.unwrap_or(old),
                burst: self.burst.or(rate.map(whole)).unwrap_or(burst),
            },
            Algorithm::LeakyBucket { rate: old, queue } => {
                Algorithm::LeakyBucket { rate: rate.unwrap_or(old), queue }
            }
            Algorithm::SlidingWindow { rate: old } => {
                Algorithm::SlidingWindow { rate: rate.unwrap_or(old) }
            }
            Algorithm::Calendar { limit, period, utc_offset_s } => {
                Algorithm::Calendar { limit: rate.map_or(limit, whole), period, utc_offset_s }
            }
            Algorithm::Concurrency { limit, hold_us } => {
                Algorithm::Concurrency { limit: self.at_once.unwrap_or(limit), hold_us }
            }
        })
    }
}
