//! A keyed permutation of `0..size`: consecutive numbers in, numbers without visible order out, no two
//! alike. An eight-round Feistel network over the next even number of bits, walked until the result falls
//! inside the range.

use siphasher::sip::SipHasher24;

const ROUNDS: u8 = 8;
/// The largest range: the two halves have at most 31 bits each.
pub(crate) const SIZE_MAX: u64 = 1 << 62;

/// A permutation of `0..size`, chosen by a key.
#[derive(Clone)]
pub(crate) struct Permutation {
    key: SipHasher24,
    size: u64,
    half_bits: u32,
}

impl Permutation {
    /// `size` is 2 to [`SIZE_MAX`]; outside, the nearest of the two is taken.
    pub(crate) fn new(key: &[u8; 16], size: u64) -> Self {
        let size = size.clamp(2, SIZE_MAX);
        let bits = u64::BITS - (size - 1).leading_zeros();
        Self { key: SipHasher24::new_with_key(key), size, half_bits: bits.div_ceil(2) }
    }

    /// Where `index` goes; `None` when it lies outside the range.
    pub(crate) fn of(&self, index: u64) -> Option<u64> {
        if index >= self.size {
            return None;
        }
        // The network permutes a range less than four times as large, so that a walk that starts inside
        // comes back inside, after less than four steps on average.
        let mut value = self.network(index);
        while value >= self.size {
            value = self.network(value);
        }
        Some(value)
    }

    fn network(&self, value: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (self.round(round, right) & mask));
        }
        (left << self.half_bits) | right
    }

    fn round(&self, round: u8, half: u64) -> u64 {
        let mut block = [0; 9];
        block[0] = round;
        block[1..].copy_from_slice(&half.to_le_bytes());
        self.key.hash(&block)
    }
}
