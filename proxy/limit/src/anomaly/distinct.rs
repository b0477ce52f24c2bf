//! How many different keys: HyperLogLog (Flajolet et al., AofA 2007) with 256 registers, about 6.5 % off.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::key::KeyHash;

/// Registers.
const REGISTERS: usize = 256;
/// Bits of a hash that choose the register.
const REGISTER_BITS: u32 = 8;

/// Counts different keys, in 256 bytes.
#[derive(Debug)]
pub struct Distinct([AtomicU8; REGISTERS]);

impl Default for Distinct {
    fn default() -> Self {
        Self([const { AtomicU8::new(0) }; REGISTERS])
    }
}

impl Distinct {
    /// Takes a key in; for one thread at a time.
    #[inline]
    pub fn add(&self, key: KeyHash) {
        // The low bits: places in a sketch go by the high ones.
        let register = &self.0[(key.0 % REGISTERS as u64) as usize];
        let rank =
            ((key.0 >> REGISTER_BITS) | 1 << (64 - REGISTER_BITS)).trailing_zeros() as u8 + 1;
        if register.load(Relaxed) < rank {
            register.store(rank, Relaxed);
        }
    }

    /// Moves what another one has seen into this one, which is not counted into by anybody else.
    pub fn take(&self, other: &Self) {
        for (mine, theirs) in self.0.iter().zip(&other.0) {
            mine.fetch_max(theirs.swap(0, Relaxed), Relaxed);
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.iter().for_each(|register| register.store(0, Relaxed));
    }

    /// How many different keys were seen.
    pub fn estimate(&self) -> f64 {
        let count = REGISTERS as f64;
        let ranks = || self.0.iter().map(|register| register.load(Relaxed));
        let sum: f64 = ranks().map(|rank| f64::powi(2.0, -i32::from(rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / count) * count * count / sum;
        let empty = ranks().filter(|rank| *rank == 0).count();
        match empty {
            // Linear counting, where few registers are in use.
            1.. if raw <= 2.5 * count => count * (count / empty as f64).ln(),
            _ => raw,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_within_a_fifth() {
        for keys in [1_u64, 10, 100, 1_000, 30_000, 1_000_000] {
            let distinct = Distinct::default();
            for n in 0..keys {
                let hash = crate::Secret::new([7; 16]).fingerprint(&n.to_le_bytes());
                distinct.add(KeyHash(hash));
                distinct.add(KeyHash(hash));
            }
            let ratio = distinct.estimate() / keys as f64;
            assert!((0.8..1.2).contains(&ratio), "{keys} keys: {ratio}");
        }
    }
}
