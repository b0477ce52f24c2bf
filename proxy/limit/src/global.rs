//! Limits that several nodes share: what a node and the owner of a key tell each other.
//!
//! A node keeps a [`Ledger`] of the shared keys it sees, and every [`SYNC_US`] a [`Clerk`] writes what
//! happened into [`Entry`]s for the owners of the keys. An [`Owner`] keeps one bucket a key, which may
//! fall below empty (debt), and answers with what the node may do until it asks again: tokens in
//! advance (a lease), how long to deny, what share of the requests to admit.
//!
//! Counts travel as totals since the node started, so that a message that is lost, repeated or late
//! counts neither twice nor not at all. Times travel as spans, never as moments: no two clocks are
//! compared. Tokens are charged when they are granted; a grant that is lost is lost to the nodes, never
//! granted twice.

mod clerk;
mod ledger;
mod owner;
mod wire;

pub use clerk::Clerk;
pub use ledger::{Ledger, Place, Stand};
pub use owner::{Held, Owner, Top};
pub use wire::{Batch, Reply, WIRE_TYPE, WireError};

use crate::key::KeyHash;

#[cfg(test)]
mod tests;

/// How often a node reports, microseconds.
pub const SYNC_US: u64 = 100_000;
/// How long leased tokens are good, microseconds.
pub const LEASE_US: u64 = 2 * SYNC_US;
/// A node that has not reported a key for so long does not count any more, microseconds.
pub const ACTIVE_US: u64 = 3 * SYNC_US + SYNC_US / 2;
/// Fewer tokens than this are not leased: asking for each request is cheaper than holding them back.
pub const PREFETCH_TOKENS_MIN: f32 = 4.0;
/// The whole of a share or of an admission probability.
pub const WHOLE: u16 = u16::MAX;

/// The numbers of a shared limit, as they travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// Time a token takes to come back, nanoseconds; of a quota that comes back all at once, its pace.
    pub emission_ns: u64,
    /// Tokens of a full bucket, or the quota.
    pub burst: u32,
    /// Until all of the quota is back, milliseconds; 0 for a bucket.
    pub left_ms: u32,
    /// From this share of the limit on it is counted exactly, in 1/65535; 0 for never.
    pub near: u16,
}

/// What happened to a key on a node, and what the node wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    /// The key.
    pub key: u64,
    /// The limit's numbers.
    pub terms: Terms,
    /// Another one whenever the node begins to count the key anew.
    pub life: u32,
    /// Tokens used without a grant in this life.
    pub used: u64,
    /// Those of them that no owner has acknowledged.
    pub unheard: u32,
    /// Over how long they were used and requests came, microseconds; 0 when nothing is reported and only tokens
    /// are wanted.
    pub span_us: u32,
    /// Since when `unheard` gathered, microseconds.
    pub late_us: u32,
    /// Tokens that requests wanted in that time, whether they got them or not.
    pub offered: u32,
    /// Leased tokens still unused.
    pub has: u32,
    /// Tokens wanted in advance.
    pub ask: u32,
    /// Tokens that requests wait for.
    pub must: u32,
}

/// What the owner says about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answer {
    /// The key.
    pub key: u64,
    /// The total that the entry named: all of it is accounted for.
    pub heard: u64,
    /// Tokens granted to requests that wait.
    pub granted: u32,
    /// Tokens granted in advance.
    pub leased: u32,
    /// Tokens left.
    pub left: u32,
    /// Until a token is there again, microseconds; 0 when one is.
    pub wait_us: u32,
    /// Which part of the requests to admit, in 1/65535.
    pub admit: u16,
    /// This node's part of the limit, in 1/65535; all nodes' parts add up to one at most.
    pub share: u16,
    /// The key is near its limit: it is to be counted exactly.
    pub exact: bool,
    /// The owner has no room for the key: the node's share of the limit holds.
    pub refused: bool,
}

impl Terms {
    /// Tokens a second.
    pub fn rate(&self) -> f64 {
        1e9 / self.emission_ns.max(1) as f64
    }

    /// Whether it is a quota that comes back all at once.
    pub fn is_quota(&self) -> bool {
        self.left_ms > 0
    }

    fn fill_ns(&self) -> u64 {
        self.emission_ns.saturating_mul(self.burst.into())
    }
}

/// A shared key of a request: which it is, and on what terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// The key; of a quota of the calendar another one in each period.
    pub key: KeyHash,
    /// The numbers.
    pub terms: Terms,
    /// Whether tokens are fetched in advance, however far the limit is.
    pub lease: bool,
}
