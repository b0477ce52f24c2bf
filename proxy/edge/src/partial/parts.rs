//! Which parts of which representations are stored. Only where to look: what is found there is judged anew.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tidegate_cache::{ByteRange, Extent, Key};

/// Representations that are remembered at most.
const FILES_MAX: usize = 8192;
/// Parts of one that are remembered at most; the oldest goes.
const PARTS_MAX: usize = 64;

/// The parts that are stored, by the key of their whole.
#[derive(Default)]
pub(crate) struct Parts(Mutex<HashMap<u128, File>>);

/// One representation.
struct File {
    total: u64,
    version: Option<Box<[u8]>>,
    /// In the order in which they came.
    parts: Vec<Part>,
}

#[derive(Clone, Copy)]
struct Part {
    range: ByteRange,
    key: Key,
}

/// A stored part, and what of it is wanted, counted from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) key: Key,
    pub(crate) range: ByteRange,
}

/// How a range is put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) total: u64,
    pub(crate) range: ByteRange,
    pub(crate) pieces: Vec<Piece>,
}

impl Parts {
    /// A part has been stored under a key of its own. One of another version takes the place of all that came before.
    pub(crate) fn add(&self, whole: Key, part: Key, extent: Extent) {
        let mut files = self.lock();
        if files.len() >= FILES_MAX && !files.contains_key(&whole.as_u128()) {
            files.clear();
        }
        let Extent { range, total, version } = extent;
        let file =
            files.entry(whole.as_u128()).or_insert_with(|| File::new(total, version.clone()));
        if file.total != total || file.version != version {
            *file = File::new(total, version);
        }
        file.parts.retain(|known| known.key != part);
        if file.parts.len() == PARTS_MAX {
            file.parts.remove(0);
        }
        file.parts.push(Part { range, key: part });
    }

    /// The length of a representation of which there were parts.
    pub(crate) fn total(&self, whole: Key) -> Option<u64> {
        self.lock().get(&whole.as_u128()).map(|file| file.total)
    }

    /// Forgets a representation.
    pub(crate) fn forget(&self, whole: Key) {
        self.lock().remove(&whole.as_u128());
    }

    /// The parts that hold what `wanted` means of a representation.
    pub(crate) fn cover(
        &self,
        whole: Key,
        wanted: impl FnOnce(u64) -> Option<ByteRange>,
    ) -> Option<Cover> {
        let files = self.lock();
        let file = files.get(&whole.as_u128())?;
        let range = wanted(file.total)?;
        Some(Cover { total: file.total, range, pieces: file.pieces(range)? })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u128, File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    const fn new(total: u64, version: Option<Box<[u8]>>) -> Self {
        Self { total, version, parts: Vec::new() }
    }

    /// Several parts are combined only where a strong entity tag says that they belong together (RFC 9111 §3.4).
    fn pieces(&self, range: ByteRange) -> Option<Vec<Piece>> {
        let (mut pieces, mut at) = (Vec::new(), range.start);
        while at < range.end {
            let part = self
                .parts
                .iter()
                .filter(|part| (part.range.start..part.range.end).contains(&at))
                .max_by_key(|part| part.range.end)?;
            let end = part.range.end.min(range.end);
            let start = part.range.start;
            pieces.push(Piece {
                key: part.key,
                range: ByteRange { start: at - start, end: end - start },
            });
            at = end;
        }
        (pieces.len() == 1 || self.version.is_some()).then_some(pieces)
    }
}

#[cfg(test)]
mod tests;
