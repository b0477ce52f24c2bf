//! What the formats sign with, and which of a keyset's keys fit.

use md5::{Digest, Md5};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use ring::{digest, hmac};

use crate::denial::Reason;
use crate::encode::same;
use crate::key::{Key, Material};

/// A way to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    HmacMd5,
    HmacSha1,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    Ed25519,
    RsaSha1,
    RsaSha256,
    RsaSha384,
    RsaSha512,
    /// RSASSA-PSS, with MGF1 over the same hash (RFC 7518 3.5).
    RsaPssSha256,
    RsaPssSha384,
    RsaPssSha512,
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
        (Material::Secret { bytes, .. }, Method::HmacMd5) => {
            Some(same(&hmac_md5(bytes, message), signed))
        }
        (Material::Secret { bytes, .. }, _) => {
            let key = hmac::Key::new(hash(method)?, bytes);
            Some(hmac::verify(&key, message, signed).is_ok())
        }
        _ => {
            let algorithm = public_algorithm(&key.material, method)?;
            let verify = || public_verifies(algorithm, key.public_bytes(), message, signed);
            Some(match key.seen() {
                Some(seen) => seen.or_verify(method as u8, message, signed, verify),
                None => verify(),
            })
        }
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

/// How a public key verifies.
#[derive(Clone, Copy)]
enum Public {
    Ring(&'static dyn VerificationAlgorithm),
    EcdsaSha1,
}

fn public_algorithm(material: &Material, method: Method) -> Option<Public> {
    Some(match (material, method) {
        (Material::Ed25519 { .. }, Method::Ed25519) => Public::Ring(&signature::ED25519),
        // CloudFront's default to this day.
        (Material::Rsa(_), Method::RsaSha1) => {
            Public::Ring(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)
        }
        (Material::Rsa(_), Method::RsaSha256) => {
            Public::Ring(&signature::RSA_PKCS1_2048_8192_SHA256)
        }
        (Material::Rsa(_), Method::RsaSha384) => {
            Public::Ring(&signature::RSA_PKCS1_2048_8192_SHA384)
        }
        (Material::Rsa(_), Method::RsaSha512) => {
            Public::Ring(&signature::RSA_PKCS1_2048_8192_SHA512)
        }
        (Material::Rsa(_), Method::RsaPssSha256) => {
            Public::Ring(&signature::RSA_PSS_2048_8192_SHA256)
        }
        (Material::Rsa(_), Method::RsaPssSha384) => {
            Public::Ring(&signature::RSA_PSS_2048_8192_SHA384)
        }
        (Material::Rsa(_), Method::RsaPssSha512) => {
            Public::Ring(&signature::RSA_PSS_2048_8192_SHA512)
        }
        (Material::EcdsaP256(_), Method::EcdsaFixed) => {
            Public::Ring(&signature::ECDSA_P256_SHA256_FIXED)
        }
        (Material::EcdsaP256(_), Method::EcdsaDer) => {
            Public::Ring(&signature::ECDSA_P256_SHA256_ASN1)
        }
        (Material::EcdsaP256(_), Method::EcdsaDerSha1) => Public::EcdsaSha1,
        _ => return None,
    })
}

fn public_verifies(algorithm: Public, public: &[u8], message: &[u8], signed: &[u8]) -> bool {
    match algorithm {
        Public::Ring(algorithm) => {
            UnparsedPublicKey::new(algorithm, public).verify(message, signed).is_ok()
        }
        Public::EcdsaSha1 => ecdsa_sha1(public, message, signed).is_some(),
    }
}

/// ring has ECDSA with SHA-2 only.
fn ecdsa_sha1(point: &[u8], message: &[u8], signed: &[u8]) -> Option<()> {
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
    let signed = p256::ecdsa::Signature::from_der(signed).ok()?;
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message);
    key.verify_prehash(hash.as_ref(), &signed).ok()
}

/// HMAC (RFC 2104) over MD5, which ring does not have. EdgeAuth still offers it.
pub(crate) fn hmac_md5(key: &[u8], message: &[u8]) -> [u8; 16] {
    const BLOCK_BYTES: usize = 64;
    let mut block = [0; BLOCK_BYTES];
    match block.get_mut(..key.len()) {
        Some(room) => room.copy_from_slice(key),
        None => block[..16].copy_from_slice(&Md5::digest(key)),
    }
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Md5::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Md5::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}
