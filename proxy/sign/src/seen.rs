//! Signatures of public keys that were verified before.
//!
//! A player asks for hundreds of segments with one token, and Ed25519, ECDSA and RSA cost tens of
//! microseconds each time, where a MAC costs less than one. What is remembered is a 128-bit keyed hash of
//! method, message and signature, under a secret of this process: to be taken for a good token, a forged one
//! would have to hit a remembered hash blindly. Only successes are remembered, per key, in a table of fixed
//! size that forgets by overwriting.

use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ring::rand::{SecureRandom, SystemRandom};
use siphasher::sip128::{Hasher128, SipHasher24};

#[cfg(test)]
mod tests;

/// Remembered signatures of one key; 16 bytes each.
const SLOTS: usize = 4096;
/// Slots in which one signature may stand, a cache line of them: with one each, a thousand tokens in turn would
/// overwrite each other all the time.
const WAYS: usize = 4;

/// The signatures of one key that were found good.
pub(crate) struct Seen {
    secret: Option<[u8; 16]>,
    sets: Box<[Set]>,
}

#[derive(Default)]
#[repr(align(64))]
struct Set([[AtomicU64; 2]; WAYS]);

/// The hash of a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64, u64);

impl Seen {
    /// Without random numbers from the system nothing is ever remembered.
    pub(crate) fn new() -> Self {
        let mut secret = [0; 16];
        let secret = SystemRandom::new().fill(&mut secret).is_ok().then_some(secret);
        let sets = (0..SLOTS / WAYS).map(|_| Set::default()).collect();
        Self { secret, sets }
    }

    /// Whether this was found good before; if not, whether it is good now.
    pub(crate) fn or_verify(
        &self,
        method: u8,
        message: &[u8],
        signed: &[u8],
        verify: impl FnOnce() -> bool,
    ) -> bool {
        let Some(mark) = self.mark(method, message, signed) else { return verify() };
        let Set(ways) = &self.sets[mark.0 as usize % self.sets.len()];
        let held =
            |[first, second]: &[AtomicU64; 2]| Mark(first.load(Relaxed), second.load(Relaxed));
        if ways.iter().any(|way| held(way) == mark) {
            return true;
        }
        let good = verify();
        if good {
            let free = ways.iter().find(|[_, second]| second.load(Relaxed) == 0);
            let [first, second] = free.unwrap_or(&ways[(mark.1 >> 32) as usize % WAYS]);
            // Two threads may mix their halves: then the slot holds nothing that anybody can send.
            first.store(mark.0, Relaxed);
            second.store(mark.1, Relaxed);
        }
        good
    }

    fn mark(&self, method: u8, message: &[u8], signed: &[u8]) -> Option<Mark> {
        let mut hasher = SipHasher24::new_with_key(self.secret.as_ref()?);
        hasher.write_u8(method);
        hasher.write_u64(message.len() as u64);
        hasher.write(message);
        hasher.write(signed);
        let hash = hasher.finish128();
        // Empty slots are zero, so a mark never is.
        Some(Mark(hash.h1, hash.h2 | 1))
    }
}
