//! The one hash of a code, equal on every machine and in every version.

use std::hash::{Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

/// 128 bits that stand for a domain and a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) u128);

impl Fingerprint {
    pub(super) fn of(domain: &str, code: &str) -> Self {
        // The key is part of the filter's format: it is fixed for ever. A domain has no zero byte.
        let mut hasher = SipHasher13::new_with_keys(0x7469_6465_6761_7465, 0x6c69_6e6b_7300_0001);
        hasher.write(domain.as_bytes());
        hasher.write(&[0]);
        hasher.write(code.as_bytes());
        Self(hasher.finish128().as_u128())
    }
}

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Bytes in a fixed order: what std hashes for a number depends on the machine.
        state.write(&self.0.to_le_bytes());
    }
}
