//! Counts of a store.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A snapshot of a store's counts; those that end in `_total` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Keys in RAM.
    pub keys: u64,
    /// Bytes in RAM, as weighed.
    pub bytes: u64,
    /// Capacity of the RAM tier in bytes.
    pub bytes_max: u64,
    /// Responses stored.
    pub stored_total: u64,
    /// Responses thrown out for room.
    pub evicted_total: u64,
    /// Responses taken out by a purge.
    pub purged_total: u64,
    /// Stored responses freshened by a 304.
    pub freshened_total: u64,
    /// Fills begun.
    pub fills_total: u64,
    /// Fills that broke off.
    pub fills_failed_total: u64,
    /// Requests that joined the fill of another.
    pub joined_total: u64,
    /// Fills running now.
    pub fills: u64,
    /// Bytes held by running fills.
    pub fills_bytes: u64,
    /// Readers failed because they fell too far behind.
    pub lagged_total: u64,
    /// Answers taken from a slower tier.
    pub recalled_total: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) stored: Count,
    pub(crate) evicted: Count,
    pub(crate) purged: Count,
    pub(crate) freshened: Count,
    pub(crate) fills: Count,
    pub(crate) fills_ended: Count,
    pub(crate) fills_failed: Count,
    pub(crate) joined: Count,
    pub(crate) lagged: Count,
    pub(crate) recalled: Count,
    pub(crate) fills_bytes: Count,
}

#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn inc(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Relaxed) + n
    }

    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
