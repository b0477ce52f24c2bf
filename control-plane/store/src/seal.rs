//! Secrets at rest: AES-256-GCM with a key that is not in the database.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{Result, StoreError};

/// Bytes of the key.
pub const SEAL_KEY_BYTES: usize = 32;

/// Seals what goes into the database and opens what comes out. Each value is bound to its place, so
/// that one row's value does not open in another.
pub struct Seal(LessSafeKey);

impl Seal {
    /// A seal with this key.
    pub fn new(key: &[u8; SEAL_KEY_BYTES]) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key);
        let key = key.map_err(|_| StoreError::Refused("the sealing key cannot be used".into()))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    pub(crate) fn close(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        let failed = |_| StoreError::Refused("no randomness".into());
        getrandom::fill(&mut nonce).map_err(failed)?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(place.as_bytes());
        let closed =
            self.0.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed);
        closed.map_err(|_| StoreError::Refused("too large to be sealed".into()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let failed = || {
            let detail = "it was sealed with another key, or was changed";
            StoreError::corrupt(place, detail)
        };
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let mut plain = rest.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(place.as_bytes()), &mut plain);
        let length = opened.map_err(|_| failed())?.len();
        plain.truncate(length);
        Ok(plain)
    }

    pub(crate) fn close_text(&self, place: &str, plain: &str) -> Result<String> {
        self.close(place, plain.as_bytes()).map(|sealed| STANDARD_NO_PAD.encode(sealed))
    }

    pub(crate) fn open_text(&self, place: &str, sealed: &str) -> Result<String> {
        let bytes = STANDARD_NO_PAD.decode(sealed).map_err(|e| StoreError::corrupt(place, e))?;
        String::from_utf8(self.open(place, &bytes)?).map_err(|e| StoreError::corrupt(place, e))
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(redacted)")
    }
}
