//! Rate limits: rules, keys, and the table of fixed size that holds every client's state.
//!
//! The crate decides; it does not read a clock, open a socket or take a lock. The caller compiles a
//! [`Rule`] once, hashes a request's key with [`Rule::key`], and asks [`Table::check`], which is the
//! entry type. It is not the place for counters shared between machines.
//!
//! **Invariant:** all limits of a request are checked before any of them is charged.
//! **Invariant:** memory is chosen at start and never grows, whatever the number of keys.
//! **Invariant:** a [`Permit`] exists only because a table made it.
//! **Invariant:** while no live key is evicted, no interleaving of threads admits more than one
//! thread alone would have.

/// Clients and routes that stand out.
pub mod anomaly;
mod bucket;
mod calendar;
mod check;
/// Limits that several nodes share.
pub mod global;
mod key;
mod quota;
mod rule;
mod table;

/// Fields and bodies of answers about limits.
pub mod answer;

pub use check::{Account, CHARGES_MAX, Charge, Denied, InFlight, Outcome, Permit};
pub use key::{
    Claims, IPV6_PREFIX_DEFAULT, KEY_PARTS_MAX, KeyError, KeyHash, KeyPart, Request, Secret,
};
pub use rule::{
    Algorithm, Condition, Cost, Fallback, Later, Missing, Mode, OnFailure, PERIOD_SECONDS_MAX,
    Period, QUOTA_MAX, Rate, Rule, RuleError, RuleOptions, StatusCost, Tiers,
};
pub use table::{SLOT_BYTES, Stats, Table};
