//! Random numbers for modules: the operating system's, or a seeded sequence for tests.

/// A source of bytes.
#[derive(Clone, Debug)]
pub(crate) enum Random {
    /// The operating system's.
    System,
    /// SplitMix64 from a seed.
    Seeded(u64),
}

impl Random {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        seed.map_or(Self::System, Self::Seeded)
    }

    /// Fills `out`; answers `false` when the operating system has no random numbers.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> bool {
        match self {
            Self::System => getrandom::fill(out).is_ok(),
            Self::Seeded(state) => {
                for chunk in out.chunks_mut(8) {
                    chunk.copy_from_slice(&next(state).to_le_bytes()[..chunk.len()]);
                }
                true
            }
        }
    }
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
