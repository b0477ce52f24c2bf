//! Space-Saving in lines: the keys with the largest counts, in fixed memory.
//!
//! LIFECYCLE. One thread counts ([`Sketch::add`]); another one drains it, after the first has been told to count
//! elsewhere. A count that comes in the middle of the draining may be lost or land in the next window: nothing else
//! can happen, because all cells are atomic.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};

use crate::key::KeyHash;

#[cfg(test)]
mod tests;

/// Places of a line.
const WAYS: usize = 8;
/// Lines that serve a worker of a busy node: 2,048 keys, 36 KiB.
pub const LINES_DEFAULT: usize = 256;

/// Counts the keys of a stream, the largest of them nearly exactly.
#[derive(Debug)]
pub struct Sketch {
    lines: Box<[Line]>,
}

/// Keys in one line of cache, their counts in the next.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line {
    keys: [AtomicU64; WAYS],
    /// The count in the high half, the part of it that may belong to other keys in the low half.
    counts: [AtomicU64; WAYS],
    tags: [AtomicU16; WAYS],
}

/// A key that a sketch has kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heavy {
    /// The key.
    pub key: KeyHash,
    /// Which limit it is of.
    pub tag: u16,
    /// At most so often it was seen.
    pub count: u64,
    /// So many of `count` may have been other keys.
    pub error: u64,
}

/// What a sketch has seen until it was drained; windows of sketches of one size can be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    heavy: Vec<Heavy>,
    /// For each line, how often a key that is not kept was seen at most.
    floors: Vec<u64>,
}

impl Heavy {
    /// At least so often the key was seen.
    pub fn sure(&self) -> u64 {
        self.count - self.error
    }
}

// === impl Sketch ===

impl Sketch {
    /// A sketch of `8 * lines` keys; 144 bytes a line.
    pub fn new(lines: usize) -> Self {
        Self { lines: (0..lines.max(1)).map(|_| Line::default()).collect() }
    }

    /// Counts a key once. Takes no lock and allocates nothing; for one thread at a time.
    #[inline]
    pub fn add(&self, key: KeyHash, tag: u16) {
        let word = word(key);
        let line = &self.lines[line_of(word, self.lines.len())];
        match line.keys.iter().position(|place| place.load(Relaxed) == word) {
            Some(at) => {
                let cell = &line.counts[at];
                cell.store(cell.load(Relaxed).wrapping_add(1 << 32), Relaxed);
            }
            None => line.take(word, tag),
        }
    }

    /// Takes everything out; the sketch is empty then.
    pub fn drain(&self) -> Window {
        let mut window = Window { heavy: Vec::new(), floors: Vec::with_capacity(self.lines.len()) };
        for line in &self.lines {
            window.floors.push(line.smallest().1 >> 32);
            for at in 0..WAYS {
                let (count, key) =
                    (line.counts[at].swap(0, Relaxed), line.keys[at].swap(0, Relaxed));
                if count > 0 {
                    let tag = line.tags[at].load(Relaxed);
                    let (count, error) = (count >> 32, count & u64::from(u32::MAX));
                    window.heavy.push(Heavy {
                        key: KeyHash(key),
                        tag,
                        count,
                        error: error.min(count),
                    });
                }
            }
        }
        window
    }
}

impl Line {
    /// The key takes the place of the one with the smallest count, and takes that over as its error.
    #[inline(never)]
    fn take(&self, word: u64, tag: u16) {
        let (at, smallest) = self.smallest();
        let before = smallest >> 32;
        self.keys[at].store(word, Relaxed);
        self.tags[at].store(tag, Relaxed);
        self.counts[at].store((before + 1) << 32 | before, Relaxed);
    }

    fn smallest(&self) -> (usize, u64) {
        let mut found = (0, u64::MAX);
        for (at, cell) in self.counts.iter().enumerate() {
            let count = cell.load(Relaxed);
            // By the count alone: of two keys that were seen equally often the first makes room.
            if count >> 32 < found.1 >> 32 {
                found = (at, count);
            }
        }
        found
    }
}

/// Zero stands for an empty place.
fn word(key: KeyHash) -> u64 {
    key.0.max(1)
}

/// Keys are keyed hashes: nobody can choose some that meet in one line.
fn line_of(word: u64, lines: usize) -> usize {
    ((u128::from(word) * lines as u128) >> 64) as usize
}

// === impl Window ===

impl Window {
    /// A window in which nothing was seen, of sketches with so many lines.
    pub fn empty(lines: usize) -> Self {
        Self { heavy: Vec::new(), floors: vec![0; lines.max(1)] }
    }

    /// The keys that were kept, in no order.
    pub fn heavy(&self) -> &[Heavy] {
        &self.heavy
    }

    /// How often a key was seen at most, whether it was kept or not.
    pub fn bound(&self, key: KeyHash) -> u64 {
        let kept = self.heavy.iter().find(|heavy| heavy.key.0 == word(key));
        kept.map_or_else(|| self.floor(key), |heavy| heavy.count)
    }

    /// How often a key that was not kept was seen at most.
    pub fn floor(&self, key: KeyHash) -> u64 {
        self.floors[line_of(word(key), self.floors.len())]
    }

    /// Adds what another sketch of the same size has seen of the same time. All bounds go on to hold: a key that only one
    /// of the two has kept may have been seen by the other as often as its line's smallest count.
    pub fn merge(&mut self, other: &Self) {
        debug_assert_eq!(self.floors.len(), other.floors.len(), "sketches of different sizes");
        // Each key with what the other window may have seen of it.
        let mut all: Vec<(Heavy, u64)> = Vec::with_capacity(self.heavy.len() + other.heavy.len());
        all.extend(self.heavy.iter().map(|heavy| (*heavy, other.floor(heavy.key))));
        all.extend(other.heavy.iter().map(|heavy| (*heavy, self.floor(heavy.key))));
        all.sort_unstable_by_key(|(heavy, _)| heavy.key.0);
        self.heavy = all
            .chunk_by(|(a, _), (b, _)| a.key == b.key)
            .map(|chunk| match chunk {
                [(a, _), (b, _), ..] => {
                    Heavy { count: a.count + b.count, error: a.error + b.error, ..*a }
                }
                [(a, floor)] => Heavy { count: a.count + floor, error: a.error + floor, ..*a },
                [] => Heavy { key: KeyHash(1), tag: 0, count: 0, error: 0 },
            })
            .collect();
        for (floor, more) in self.floors.iter_mut().zip(&other.floors) {
            *floor += more;
        }
    }

    /// Keeps the `keys` largest.
    pub fn cut(&mut self, keys: usize) {
        if self.heavy.len() <= keys {
            return;
        }
        self.heavy.sort_unstable_by_key(|heavy| std::cmp::Reverse(heavy.sure()));
        let lines = self.floors.len();
        for cut in self.heavy.drain(keys..) {
            let floor = &mut self.floors[line_of(cut.key.0, lines)];
            *floor = (*floor).max(cut.count);
        }
    }
}
