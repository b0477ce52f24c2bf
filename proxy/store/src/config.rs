//! The store's limits.

use tidegate_cache::KeySeed;

/// Limits of a [`Store`](crate::Store).
#[derive(Clone, Debug)]
pub struct Config {
    /// Capacity of the RAM tier in bytes, heads and bookkeeping included.
    pub ram_bytes: u64,
    /// The largest body that is kept, in bytes.
    pub object_bytes_max: u64,
    /// Bytes of all bodies that are being kept while they are filled; beyond it new ones only pass through.
    pub fills_bytes_max: u64,
    /// Bytes of all coded forms of stored responses; beyond it no more of them are kept.
    pub forms_bytes_max: u64,
    /// How many bytes a fill that is not kept runs ahead of the client that caused it.
    pub window_bytes: u64,
    /// How long a key whose answer could not be shared is fetched without waiting, in milliseconds.
    pub hit_for_miss_ms: u64,
    /// Seed of the keys; random for each node, kept with a disk tier.
    pub seed: KeySeed,
}

const MIB: u64 = 1 << 20;

impl Config {
    /// The usual limits around a RAM tier of `ram_bytes`.
    pub fn new(ram_bytes: u64, seed: KeySeed) -> Self {
        Self {
            ram_bytes,
            object_bytes_max: (ram_bytes / 4).clamp(64 << 10, 64 * MIB),
            fills_bytes_max: (ram_bytes / 2).max(16 * MIB),
            forms_bytes_max: ram_bytes / 4,
            window_bytes: MIB,
            hit_for_miss_ms: 10_000,
            seed,
        }
    }
}
