//! Session tickets: sealed with keys that follow from a secret and the clock, so that every process
//! that has the secret opens every ticket, and keys change without anybody doing anything.
//!
//! A key is HKDF-SHA256(secret, purpose, period); tickets of the period before and, for clocks that
//! are off, of the next one are opened too. A ticket: 16 bytes of key name, 12 of nonce, the rest
//! AES-256-GCM over the session, the name as associated data.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
    rand::{SecureRandom, SystemRandom},
};
use rustls::server::ProducesTickets;
use tidegate_snapshot::TicketSecret;

const NAME_BYTES: usize = 16;
/// The longest life a ticket may be said to have (RFC 8446 section 4.6.1).
const LIFETIME_S_MAX: u64 = 7 * 24 * 3600;
const SALT: &[u8] = b"tidegate session tickets 1";

/// Seals and opens tickets.
pub(crate) struct Tickets {
    roots: Vec<Prk>,
    /// Tickets for one purpose are worthless for another: whoever was verified against one
    /// authority does not resume under a second.
    purpose: Box<[u8]>,
    period_s: u64,
    now_unix_s: fn() -> u64,
    random: SystemRandom,
    keys: Mutex<Option<Arc<Keys>>>,
}

/// The keys around one period.
struct Keys {
    period: u64,
    /// The one for new tickets first.
    keys: Vec<Key>,
}

struct Key {
    name: [u8; NAME_BYTES],
    key: LessSafeKey,
}

struct NameLength;

// === impl Tickets ===

impl Tickets {
    pub(crate) fn new(
        secrets: &[TicketSecret],
        purpose: &str,
        period_s: u64,
        now_unix_s: fn() -> u64,
    ) -> Self {
        let salt = Salt::new(HKDF_SHA256, SALT);
        Self {
            roots: secrets.iter().map(|secret| salt.extract(secret.expose())).collect(),
            purpose: purpose.as_bytes().into(),
            period_s: period_s.max(1),
            now_unix_s,
            random: SystemRandom::new(),
            keys: Mutex::new(None),
        }
    }

    fn keys(&self) -> Arc<Keys> {
        let period = (self.now_unix_s)() / self.period_s;
        let mut held = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(keys) if keys.period == period => Arc::clone(keys),
            _ => Arc::clone(held.insert(Arc::new(self.derive(period)))),
        }
    }

    fn derive(&self, period: u64) -> Keys {
        let around = [period, period.wrapping_sub(1), period.wrapping_add(1)];
        let places = around.iter().flat_map(|period| self.roots.iter().map(move |r| (r, *period)));
        let keys = places.filter_map(|(root, period)| self.key(root, period)).collect();
        Keys { period, keys }
    }

    fn key(&self, root: &Prk, period: u64) -> Option<Key> {
        let period = period.to_be_bytes();
        let sealing: [&[u8]; 3] = [b"key", &period, &self.purpose];
        let key = root.expand(&sealing, &AES_256_GCM).ok()?;
        let mut name = [0; NAME_BYTES];
        root.expand(&[b"name", &period, &self.purpose], NameLength).ok()?.fill(&mut name).ok()?;
        Some(Key { name, key: LessSafeKey::new(UnboundKey::from(key)) })
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.period_s.min(LIFETIME_S_MAX)).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys();
        let key = keys.keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let head = NAME_BYTES + NONCE_LEN;
        let mut ticket = Vec::with_capacity(head + plain.len() + AES_256_GCM.tag_len());
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(&nonce);
        ticket.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(key.name), &mut ticket[head..])
            .ok()?;
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = cipher.split_at_checked(NAME_BYTES)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let keys = self.keys();
        let key = keys.keys.iter().find(|key| key.name == *name)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let length = key.key.open_in_place(nonce, Aad::from(key.name), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets({} secrets, every {} s)", self.roots.len(), self.period_s)
    }
}

impl KeyType for NameLength {
    fn len(&self) -> usize {
        NAME_BYTES
    }
}

#[cfg(test)]
mod tests;
