//! What the formats sign with, and which of a keyset's keys fit.

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use ring::{digest, hmac};

use crate::denial::Reason;
use crate::key::{Key, Material};

/// A way to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    HmacSha1,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    Ed25519,
    RsaSha1,
    RsaSha256,
    /// Signature as two numbers of fixed size (JOSE, COSE).
    EcdsaFixed,
    /// Signature as DER.
    EcdsaDer,
    /// Signature as DER over SHA-1.
    EcdsaDerSha1,
}

/// Verifies with the keys that fit, among those with the id if there is one.
///
/// # Errors
/// [`Reason::KeyUnknown`] when no key fits, [`Reason::SignatureInvalid`] when none of them made it.
pub(crate) fn verify<'k>(
    keys: &'k [Key],
    id: Option<&str>,
    method: Method,
    message: &[u8],
    signed: &[u8],
) -> Result<&'k Key, Reason> {
    let named = keys.iter().filter(|key| id.is_none_or(|id| key.id() == id));
    let mut fits = false;
    for key in named {
        match verifies(key, method, message, signed) {
            Some(true) => return Ok(key),
            Some(false) => fits = true,
            None => {}
        }
    }
    Err(if fits { Reason::SignatureInvalid } else { Reason::KeyUnknown })
}

/// Whether the key made the signature; `None` when it is of another kind.
pub(crate) fn verifies(key: &Key, method: Method, message: &[u8], signed: &[u8]) -> Option<bool> {
    match (&key.material, method) {
        (Material::Secret { sha256, .. }, Method::HmacSha256) => {
            Some(hmac::verify(sha256, message, signed).is_ok())
        }
        (Material::Secret { bytes, .. }, _) => {
            let key = hmac::Key::new(hash(method)?, bytes);
            Some(hmac::verify(&key, message, signed).is_ok())
        }
        (Material::Ed25519 { public, .. }, Method::Ed25519) => {
            Some(public_verifies(&signature::ED25519, public, message, signed))
        }
        (Material::Rsa(public), _) => Some(public_verifies(rsa(method)?, public, message, signed)),
        (Material::EcdsaP256(point), Method::EcdsaDerSha1) => {
            Some(ecdsa_sha1(point, message, signed).is_some())
        }
        (Material::EcdsaP256(point), _) => {
            Some(public_verifies(ecdsa(method)?, point, message, signed))
        }
        (Material::Ed25519 { .. }, _) => None,
    }
}

pub(crate) fn hash(method: Method) -> Option<hmac::Algorithm> {
    Some(match method {
        // The older formats prescribe it; a MAC does not rest on collisions.
        Method::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Method::HmacSha256 => hmac::HMAC_SHA256,
        Method::HmacSha384 => hmac::HMAC_SHA384,
        Method::HmacSha512 => hmac::HMAC_SHA512,
        _ => return None,
    })
}

fn rsa(method: Method) -> Option<&'static dyn VerificationAlgorithm> {
    match method {
        // CloudFront's default to this day.
        Method::RsaSha1 => Some(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        Method::RsaSha256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        _ => None,
    }
}

fn ecdsa(method: Method) -> Option<&'static dyn VerificationAlgorithm> {
    match method {
        Method::EcdsaFixed => Some(&signature::ECDSA_P256_SHA256_FIXED),
        Method::EcdsaDer => Some(&signature::ECDSA_P256_SHA256_ASN1),
        _ => None,
    }
}

fn public_verifies(
    algorithm: &'static dyn VerificationAlgorithm,
    public: &[u8],
    message: &[u8],
    signed: &[u8],
) -> bool {
    UnparsedPublicKey::new(algorithm, public).verify(message, signed).is_ok()
}

/// ring has ECDSA with SHA-2 only.
fn ecdsa_sha1(point: &[u8], message: &[u8], signed: &[u8]) -> Option<()> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
    let signed = p256::ecdsa::Signature::from_der(signed).ok()?;
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message);
    key.verify_prehash(hash.as_ref(), &signed).ok()
}
