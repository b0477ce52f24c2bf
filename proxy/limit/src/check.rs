//! All limits of a request: every one is asked before any is charged.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::bucket::Bucket;
use crate::global::Shared;
use crate::key::KeyHash;
use crate::quota::{Cells, Quota, Verdict, uses};
use crate::rule::Rule;
use crate::table::{Table, nanoseconds};

#[cfg(test)]
mod tests;

/// Most limits of one request whose outcomes a [`Permit`] lists.
pub const CHARGES_MAX: usize = 8;

/// One limit that applies to a request.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// The limit.
    pub rule: &'a Rule,
    /// The request's key under it.
    pub key: KeyHash,
    /// Tokens, usually `rule.cost(..)`; 0 charges nothing, but asks whether anything is left.
    pub cost: u32,
}

/// A key's account under a rule, to charge it when the request and the rule are out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub(crate) quota: Quota,
    pub(crate) key: KeyHash,
}

/// How one limit stands after a request was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The largest number of requests that can pass at once.
    pub limit: u32,
    /// Requests left.
    pub remaining: u32,
    /// Time until all of the quota is back, microseconds.
    pub reset_us: u64,
    /// The limit would have denied the request, were it enforced.
    pub shadowed: bool,
    /// How long the request must wait before it goes on, microseconds (leaky buckets only).
    pub delay_us: u64,
}

/// A request passed all its limits and was charged.
#[derive(Debug)]
#[must_use = "a request that was charged should be served, and released when it holds a place"]
pub struct Permit {
    outcomes: SmallVec<[Outcome; CHARGES_MAX]>,
    /// Cells of the places it holds.
    held: SmallVec<[u64; 2]>,
}

/// A permit that gives its places back by itself, however the request ends.
#[derive(Debug)]
pub struct InFlight {
    table: Arc<Table>,
    permit: Option<Permit>,
}

/// A request was denied by one limit and charged by none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// Which of the charges.
    pub index: usize,
    /// Until the same request would pass, microseconds; `u64::MAX` when it never will, because it
    /// costs more than the limit allows at once.
    pub retry_after_us: u64,
    /// The largest number of requests that can pass at once.
    pub limit: u32,
    /// Requests left; not zero when the request cost more than that.
    pub remaining: u32,
}

impl Table {
    /// Asks every limit, then charges every limit. `now_us` is microseconds since the Unix epoch, from
    /// a clock that never steps back (calendar quotas need the epoch, all the others only the order).
    ///
    /// # Errors
    /// [`Denied`] names the limit with the longest wait; no limit was charged then.
    pub fn check(&self, charges: &[Charge<'_>], now_us: u64) -> Result<Permit, Denied> {
        let now_ns = nanoseconds(now_us);
        if charges.len() > 1 {
            self.ask(charges, now_ns)?;
        }
        let mut permit = Permit::new();
        for (index, charge) in charges.iter().enumerate() {
            match self.charge(charge, now_ns) {
                Ok(outcome) => permit.push(charge, outcome),
                Err(verdict) if !charge.rule.enforced(charge.key) => {
                    permit.push_shadowed(charge, verdict);
                }
                Err(verdict) => {
                    self.give_back(&charges[..index], &permit, now_ns);
                    return Err(denied(index, charge, verdict));
                }
            }
        }
        Ok(permit)
    }

    /// Asks every limit and charges none.
    ///
    /// # Errors
    /// [`Denied`] names the limit with the longest wait.
    pub fn would_pass(&self, charges: &[Charge<'_>], now_us: u64) -> Result<(), Denied> {
        self.ask(charges, nanoseconds(now_us))
    }

    /// How a limit stands, without charging it.
    pub fn peek(&self, rule: &Rule, key: KeyHash, now_us: u64) -> Outcome {
        let now_ns = nanoseconds(now_us);
        let quota = rule.quota();
        let Cells { own, before } = quota.cells(key, now_ns);
        let before = before.map_or(0, |cell| self.read(cell, now_ns));
        outcome(quota, quota.decide(self.read(own, now_ns), before, now_ns, 0))
    }

    /// Charges what became known only after the answer, into debt if need be.
    pub fn settle(&self, account: &Account, cost: u32, now_us: u64) {
        if cost == 0 {
            return;
        }
        let now_ns = nanoseconds(now_us);
        let Account { quota, key } = account;
        let cell = quota.cells(*key, now_ns).own;
        let debit = |word| Ok::<_, std::convert::Infallible>(quota.debit(word, now_ns, cost));
        let Ok(()) = self.update(cell, now_ns, debit);
    }

    /// Charges a part of a shared limit (in 1/65535 of it) on this node alone, whose bucket was empty at
    /// `since_us`: the parts of all nodes together never let more pass than the limit.
    ///
    /// # Errors
    /// The microseconds until as much passes.
    pub fn check_part(
        &self,
        shared: &Shared,
        part: u16,
        since_us: u64,
        cost: u32,
        now_us: u64,
    ) -> Result<(), u64> {
        let bucket = Bucket::part(&shared.terms, part);
        let now_ns = nanoseconds(now_us);
        let empty_ns = nanoseconds(since_us).saturating_add(bucket.fill_ns());
        // A bucket of its own: the node's own bucket for the key goes on beside it.
        let cell = shared.key.0 ^ 0x9e6c_63d0_76cc_4791;
        // More than the burst of a part is paid afterwards.
        let now_cost = cost.min(bucket.burst);
        self.update(cell, now_ns, |word| {
            match bucket.decide(word.max(empty_ns), now_ns, now_cost) {
                Verdict::Go { word, .. } => {
                    let rest = bucket.price_ns(cost - now_cost);
                    Ok((word + rest).min(now_ns + (1 << 58)))
                }
                Verdict::No { wait_ns, .. } => Err(wait_ns.div_ceil(1000)),
            }
        })
    }

    /// Counts one use of a thing that may be used `uses_max` times until `until_us`, such as a signed
    /// token by its id; false when it was used up. Both times are of the same clock as everywhere.
    pub fn spend(&self, thing: &[u8], uses_max: u32, until_us: u64, now_us: u64) -> bool {
        let (now_ns, until_ns) = (nanoseconds(now_us), nanoseconds(until_us));
        let used = |word| uses(word, uses_max, until_ns).ok_or(());
        self.update(self.cell_of(thing), now_ns, used).is_ok()
    }

    /// Gives back the places that a permit holds under limits of concurrency.
    pub fn release(&self, permit: Permit) {
        for cell in permit.held {
            self.amend(cell, |word| word - u64::from(word as u32 > 0));
        }
    }

    fn ask(&self, charges: &[Charge<'_>], now_ns: u64) -> Result<(), Denied> {
        let denials = charges.iter().enumerate().filter_map(|(index, charge)| {
            let verdict = self.verdict(charge, now_ns);
            let no = matches!(verdict, Verdict::No { .. }) && charge.rule.enforced(charge.key);
            no.then(|| denied(index, charge, verdict))
        });
        match denials.max_by_key(|denied| denied.retry_after_us) {
            Some(denied) => Err(denied),
            None => Ok(()),
        }
    }

    fn verdict(&self, charge: &Charge<'_>, now_ns: u64) -> Verdict {
        let quota = charge.rule.quota();
        let Cells { own, before } = quota.cells(charge.key, now_ns);
        let before = before.map_or(0, |cell| self.read(cell, now_ns));
        let word = self.read(own, now_ns);
        if charge.cost == 0 {
            let no = quota.decide(word, before, now_ns, 1);
            if matches!(no, Verdict::No { .. }) {
                return no;
            }
        }
        quota.decide(word, before, now_ns, charge.cost)
    }

    fn charge(&self, charge: &Charge<'_>, now_ns: u64) -> Result<Outcome, Verdict> {
        if charge.cost == 0 {
            return match self.verdict(charge, now_ns) {
                go @ Verdict::Go { .. } => Ok(outcome(charge.rule.quota(), go)),
                no @ Verdict::No { .. } => Err(no),
            };
        }
        let quota = charge.rule.quota();
        let Cells { own, before } = quota.cells(charge.key, now_ns);
        let before = before.map_or(0, |cell| self.read(cell, now_ns));
        let last = std::cell::Cell::new(Verdict::No { wait_ns: 0, left: 0 });
        self.update(own, now_ns, |word| {
            last.set(quota.decide(word, before, now_ns, charge.cost));
            match last.get() {
                Verdict::Go { word, .. } => Ok(word),
                no @ Verdict::No { .. } => Err(no),
            }
        })?;
        let delay_ns = match last.get() {
            Verdict::Go { word, .. } => quota.delay_ns(word, now_ns, charge.cost),
            Verdict::No { .. } => 0,
        };
        Ok(Outcome { delay_us: delay_ns.div_ceil(1000), ..outcome(quota, last.get()) })
    }

    fn give_back(&self, charged: &[Charge<'_>], permit: &Permit, now_ns: u64) {
        for (index, charge) in charged.iter().enumerate() {
            let shadowed = permit.outcomes.get(index).is_some_and(|outcome| outcome.shadowed);
            if charge.cost > 0 && !shadowed {
                let quota = charge.rule.quota();
                let cell = quota.cells(charge.key, now_ns).own;
                self.amend(cell, |word| quota.refund(word, charge.cost));
            }
        }
    }
}

impl InFlight {
    /// Keeps the permit's places until the value is dropped.
    pub fn new(table: Arc<Table>, permit: Permit) -> Self {
        Self { table, permit: Some(permit) }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.table.release(permit);
        }
    }
}

#[cfg(test)]
impl Table {
    pub(crate) fn verdict_for_test(&self, charge: &Charge<'_>, now_us: u64) -> Verdict {
        self.verdict(charge, now_us * 1000)
    }
}

impl Permit {
    /// How each limit stands, in the order of the charges.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// How long the request must wait before it goes on, microseconds: the longest of its limits'.
    pub fn delay_us(&self) -> u64 {
        self.outcomes().iter().map(|outcome| outcome.delay_us).max().unwrap_or(0)
    }

    /// Whether the permit must be given back with [`Table::release`].
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    fn new() -> Self {
        Self { outcomes: SmallVec::new(), held: SmallVec::new() }
    }

    fn push(&mut self, charge: &Charge<'_>, outcome: Outcome) {
        if charge.rule.quota().is_concurrency() && charge.cost > 0 {
            self.held.push(charge.key.0);
        }
        self.list(outcome);
    }

    fn push_shadowed(&mut self, charge: &Charge<'_>, verdict: Verdict) {
        let outcome = outcome(charge.rule.quota(), verdict);
        self.list(Outcome { shadowed: true, ..outcome });
    }

    fn list(&mut self, outcome: Outcome) {
        if self.outcomes.len() < CHARGES_MAX {
            self.outcomes.push(outcome);
        }
    }
}

fn outcome(quota: &Quota, verdict: Verdict) -> Outcome {
    let (remaining, reset_ns) = match verdict {
        Verdict::Go { left, reset_ns, .. } => (left, reset_ns),
        Verdict::No { left, wait_ns } => (left, wait_ns),
    };
    let reset_us = reset_ns.div_ceil(1000);
    Outcome { limit: quota.limit(), remaining, reset_us, shadowed: false, delay_us: 0 }
}

fn denied(index: usize, charge: &Charge<'_>, verdict: Verdict) -> Denied {
    let (wait_ns, remaining) = match verdict {
        Verdict::No { wait_ns, left } => (wait_ns, left),
        Verdict::Go { left, .. } => (0, left),
    };
    let retry_after_us = if wait_ns == u64::MAX { u64::MAX } else { wait_ns.div_ceil(1000) };
    Denied { index, retry_after_us, limit: charge.rule.quota().limit(), remaining }
}
