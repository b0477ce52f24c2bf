//! Where counts live: one block of cells a thread, so that counting is never contended.
//!
//! LIFECYCLE. A thread takes a block at its first count, from the free list or fresh, and gives it
//! back when it ends; the block keeps its sums and the next thread counts on. Only the owner writes
//! a block, so a load and a store do; a reader may see a sum that is a few events old, never a torn
//! one. A thread whose destructors already run counts in the shared block, where adding is atomic.

use std::{
    cell::Cell,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{ConnectionFault, Counter, Phase, Reason, StatusClass};

/// First cell of the counters.
pub(crate) const COUNTERS: usize = 0;
/// First cell of the status classes.
pub(crate) const CLASSES: usize = COUNTERS + Counter::ALL.len();
/// First cell of the reasons.
pub(crate) const REASONS: usize = CLASSES + StatusClass::ALL.len();
/// First cell of the reasons why connections ended.
pub(crate) const CONNECTION_FAULTS: usize = REASONS + Reason::ALL.len();
/// First cell of the durations by phase.
pub(crate) const DURATIONS: usize = CONNECTION_FAULTS + ConnectionFault::ALL.len();
/// Cells of one phase: a bucket each and the sum in microseconds.
pub(crate) const DURATION_CELLS: usize = DURATION_SUM + 1;
/// The cell of the sum, after the buckets.
pub(crate) const DURATION_SUM: usize = BUCKETS;

/// Bucket `i` holds durations up to `16 << i` microseconds; the last one everything above 16 s.
pub(crate) const BUCKETS: usize = 22;
const BUCKET_FIRST_LOG2: u32 = 4;

const CELLS: usize = DURATIONS + Phase::ALL.len() * DURATION_CELLS;

/// Two cache lines, because processors fetch them in pairs.
#[repr(align(128))]
struct Block([AtomicU64; CELLS]);

static SHARED: Block = Block([const { AtomicU64::new(0) }; CELLS]);
static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks { all: Vec::new(), free: Vec::new() });

struct Blocks {
    all: Vec<&'static Block>,
    free: Vec<&'static Block>,
}

/// Gives the block back at the end of its thread.
struct Owned(&'static Block);

thread_local! {
    // Without a destructor of its own, so that reading it is one load.
    static MINE: Cell<Option<&'static Block>> = const { Cell::new(None) };
    static OWNED: Owned = Owned::take();
}

/// Adds to a cell of the calling thread.
#[inline]
pub(crate) fn add(cell: usize, n: u64) {
    match MINE.get() {
        Some(block) => {
            let sum = block.0[cell].load(Ordering::Relaxed).wrapping_add(n);
            block.0[cell].store(sum, Ordering::Relaxed);
        }
        None => add_first(cell, n),
    }
}

/// The sum of a cell over all threads.
pub(crate) fn sum(cell: usize) -> u64 {
    let shared = SHARED.0[cell].load(Ordering::Relaxed);
    let blocks = blocks();
    blocks.all.iter().fold(shared, |sum, b| sum.wrapping_add(b.0[cell].load(Ordering::Relaxed)))
}

/// The bucket of a duration in microseconds.
#[inline]
pub(crate) const fn bucket(duration_us: u64) -> usize {
    let log2 = u64::BITS - duration_us.saturating_sub(1).leading_zeros();
    let index = log2.saturating_sub(BUCKET_FIRST_LOG2) as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The upper bound of a bucket in microseconds, `None` for the last.
pub(crate) const fn bucket_bound_us(index: usize) -> Option<u64> {
    if index + 1 < BUCKETS { Some(1 << (BUCKET_FIRST_LOG2 as usize + index)) } else { None }
}

#[cold]
fn add_first(cell: usize, n: u64) {
    let block = OWNED.try_with(|owned| owned.0);
    if let Ok(block) = block {
        MINE.set(Some(block));
        return add(cell, n);
    }
    SHARED.0[cell].fetch_add(n, Ordering::Relaxed);
}

fn blocks() -> std::sync::MutexGuard<'static, Blocks> {
    BLOCKS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Owned {
    fn take() -> Self {
        let mut blocks = blocks();
        Self(blocks.free.pop().unwrap_or_else(|| {
            let fresh: &'static Block =
                Box::leak(Box::new(Block([const { AtomicU64::new(0) }; CELLS])));
            blocks.all.push(fresh);
            fresh
        }))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        MINE.set(None);
        blocks().free.push(self.0);
    }
}

#[cfg(test)]
mod tests;
