//! Keys.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::der;
use crate::encode;
use crate::jwk;
use crate::seen::Seen;

#[cfg(test)]
mod tests;

/// Fewest bytes of a secret that Tidegate makes or signs with itself.
pub(crate) const SECRET_BYTES_MIN: usize = 16;
/// Most bytes of a secret or key.
pub(crate) const SECRET_BYTES_MAX: usize = 8192;
/// Longest key id, bytes.
pub(crate) const KEY_ID_BYTES_MAX: usize = 64;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// A shared secret. Most formats hash it with SHA-256, older ones with what they prescribe.
    HmacSha256,
    /// A 32-byte Ed25519 seed (RFC 8032): signs and verifies.
    Ed25519,
    /// A 32-byte Ed25519 public key: verifies.
    Ed25519Public,
    /// An RSA public key of 2048 to 8192 bits, as `SubjectPublicKeyInfo` or PKCS#1, PEM or DER: verifies.
    RsaPublic,
    /// An uncompressed P-256 point (65 bytes) or a `SubjectPublicKeyInfo`, PEM or DER: verifies.
    EcdsaP256Public,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The id cannot stand in a token.
    #[error("key id {0:?} must be 1 to 64 letters, digits, hyphens or underscores")]
    Id(String),
    /// An unknown word for an algorithm.
    #[error(
        "algorithm {0:?} is not one of hmac-sha256, ed25519, ed25519-public, rsa-public, \
         ecdsa-p256-public"
    )]
    Algorithm(String),
    /// The bytes are no key of this kind.
    #[error("key {id:?} is not usable: {algorithm} needs {needs}")]
    Material {
        /// The key's id.
        id: String,
        /// The algorithm's word.
        algorithm: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A text that is no encoding of bytes.
    #[error("key {0:?} is neither PEM, a JWK of its algorithm, hex:..., utf8:... nor base64")]
    Text(String),
    /// The system gave no random numbers.
    #[error("no random numbers from the system")]
    Random,
}

/// A key with its id. `Debug` shows id and algorithm only.
#[derive(Clone)]
pub struct Key {
    id: Arc<str>,
    algorithm: Algorithm,
    pub(crate) material: Material,
    seen: Option<Arc<Seen>>,
}

#[derive(Clone)]
pub(crate) enum Material {
    Secret { bytes: Arc<[u8]>, sha256: hmac::Key },
    Ed25519 { public: Vec<u8>, pair: Option<Arc<Ed25519KeyPair>> },
    Rsa(Vec<u8>),
    EcdsaP256(Vec<u8>),
}

impl Key {
    /// A key from its bytes: the secret, seed or public key as [`Algorithm`] says.
    ///
    /// # Errors
    /// [`KeyError`] when the id or the bytes do not fit.
    pub fn new(id: &str, algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(1..=KEY_ID_BYTES_MAX).contains(&id.len()) || !id.bytes().all(plain) {
            return Err(KeyError::Id(id.to_owned()));
        }
        let material = Material::new(algorithm, bytes).ok_or_else(|| KeyError::Material {
            id: id.to_owned(),
            algorithm: algorithm.as_str(),
            needs: algorithm.needs(),
        })?;
        let seen = (algorithm != Algorithm::HmacSha256).then(|| Arc::new(Seen::new()));
        Ok(Self { id: id.into(), algorithm, material, seen })
    }

    /// A key from text: PEM, a JWK (RFC 7517) whose type is the algorithm's, `hex:...`, `utf8:...` (the bytes of the text itself), or base64 of either
    /// alphabet.
    ///
    /// # Errors
    /// [`KeyError`] when the text, the id or the bytes do not fit.
    pub fn from_text(id: &str, algorithm: Algorithm, text: &str) -> Result<Self, KeyError> {
        let bytes = match text.trim_start().starts_with('{') {
            true => jwk::bytes(algorithm, text),
            false => encode::key_text(text),
        };
        let bytes = bytes.ok_or_else(|| KeyError::Text(id.to_owned()))?;
        Self::new(id, algorithm, &bytes)
    }

    /// Fresh random bytes for an algorithm that has a secret, to be given to [`Key::new`].
    ///
    /// # Errors
    /// [`KeyError::Random`] when the system has none, [`KeyError::Material`] for a public key.
    pub fn generate(algorithm: Algorithm) -> Result<[u8; 32], KeyError> {
        if !matches!(algorithm, Algorithm::HmacSha256 | Algorithm::Ed25519) {
            let (algorithm, needs) =
                (algorithm.as_str(), "to be given; only secrets are generated");
            return Err(KeyError::Material { id: String::new(), algorithm, needs });
        }
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Random)?;
        Ok(bytes)
    }

    /// The key's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn shared_id(&self) -> &Arc<str> {
        &self.id
    }

    /// What the key is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether tokens can be made with it.
    pub fn can_sign(&self) -> bool {
        match &self.material {
            Material::Secret { bytes, .. } => bytes.len() >= SECRET_BYTES_MIN,
            Material::Ed25519 { pair, .. } => pair.is_some(),
            Material::Rsa(_) | Material::EcdsaP256(_) => false,
        }
    }

    /// The public half of an Ed25519 key, to be given to whoever only verifies.
    pub fn ed25519_public(&self) -> Option<&[u8]> {
        match &self.material {
            Material::Ed25519 { public, .. } => Some(public),
            _ => None,
        }
    }

    /// Signatures of a public key that were found good before.
    pub(crate) fn seen(&self) -> Option<&Seen> {
        self.seen.as_deref()
    }

    /// The public key; empty for a secret.
    pub(crate) fn public_bytes(&self) -> &[u8] {
        match &self.material {
            Material::Secret { .. } => &[],
            Material::Ed25519 { public, .. } => public,
            Material::Rsa(public) | Material::EcdsaP256(public) => public,
        }
    }

    pub(crate) fn secret(&self) -> Option<&[u8]> {
        match &self.material {
            Material::Secret { bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// HMAC-SHA256 or Ed25519 signature of a message, when the key can sign.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match &self.material {
            Material::Secret { sha256, .. } if self.can_sign() => {
                Some(hmac::sign(sha256, message).as_ref().to_vec())
            }
            Material::Ed25519 { pair, .. } => Some(pair.as_ref()?.sign(message).as_ref().to_vec()),
            _ => None,
        }
    }
}

impl Material {
    fn new(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > SECRET_BYTES_MAX {
            return None;
        }
        Some(match algorithm {
            Algorithm::HmacSha256 => {
                let sha256 = hmac::Key::new(hmac::HMAC_SHA256, bytes);
                Self::Secret { bytes: bytes.into(), sha256 }
            }
            Algorithm::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(bytes).ok()?;
                let public = pair.public_key().as_ref().to_vec();
                Self::Ed25519 { public, pair: Some(Arc::new(pair)) }
            }
            Algorithm::Ed25519Public => {
                (bytes.len() == 32).then(|| Self::Ed25519 { public: bytes.to_vec(), pair: None })?
            }
            Algorithm::RsaPublic => Self::Rsa(der::rsa_public(bytes)?),
            Algorithm::EcdsaP256Public => Self::EcdsaP256(der::p256_point(bytes)?),
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Key");
        shown.field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Algorithm {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Ed25519 => "ed25519",
            Self::Ed25519Public => "ed25519-public",
            Self::RsaPublic => "rsa-public",
            Self::EcdsaP256Public => "ecdsa-p256-public",
        }
    }

    fn needs(self) -> &'static str {
        match self {
            Self::HmacSha256 => "a secret of 1 to 8192 bytes",
            Self::Ed25519 => "a seed of 32 bytes",
            Self::Ed25519Public => "a public key of 32 bytes",
            Self::RsaPublic => "an RSA public key of 2048 bits or more, PEM or DER",
            Self::EcdsaP256Public => "a P-256 public key, PEM, DER or an uncompressed point",
        }
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Ok(match text {
            "hmac-sha256" => Self::HmacSha256,
            "ed25519" => Self::Ed25519,
            "ed25519-public" => Self::Ed25519Public,
            "rsa-public" => Self::RsaPublic,
            "ecdsa-p256-public" => Self::EcdsaP256Public,
            _ => return Err(KeyError::Algorithm(text.to_owned())),
        })
    }
}
