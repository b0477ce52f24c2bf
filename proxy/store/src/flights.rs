//! Which fills run.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tidegate_cache::Key;

use crate::flight::Shared;

/// The fills that run, by key, and their generations.
pub(crate) struct Flights {
    shards: Box<[Mutex<Shard>]>,
    generations: Mutex<BTreeMap<u64, usize>>,
}

/// The fills of a part of the keys. Whoever holds its lock may also change what is stored under these keys.
#[derive(Default)]
pub(crate) struct Shard {
    pub(crate) fills: HashMap<Key, Vec<Arc<Shared>>, KeyHash>,
    /// Raised by every purge of a key, so that a read from a slower tier that began before does not bring it back.
    pub(crate) purges: u64,
}

/// A key is a hash already.
#[derive(Clone, Copy, Default)]
pub(crate) struct KeyHash;

/// Takes the low half of a key.
#[derive(Default)]
pub(crate) struct KeyHasher(u64);

const SHARDS: usize = 64;

impl Default for Flights {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            generations: Mutex::default(),
        }
    }
}

impl Flights {
    pub(crate) fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        let index = (key.as_u128() >> 64) as usize % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a fill out.
    pub(crate) fn leave(&self, shared: &Arc<Shared>) {
        let mut shard = self.shard(shared.key);
        if let Some(flights) = shard.fills.get_mut(&shared.key) {
            flights.retain(|flight| !Arc::ptr_eq(flight, shared));
            if flights.is_empty() {
                shard.fills.remove(&shared.key);
            }
        }
    }

    pub(crate) fn began(&self, generation: u64) {
        *self.generations().entry(generation).or_default() += 1;
    }

    pub(crate) fn ended(&self, generation: u64) {
        let mut generations = self.generations();
        if let Some(count) = generations.get_mut(&generation) {
            *count -= 1;
            if *count == 0 {
                generations.remove(&generation);
            }
        }
    }

    /// The generation of the oldest fill that runs.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.generations().keys().next().copied()
    }

    fn generations(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BuildHasher for KeyHash {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher::default()
    }
}

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}
