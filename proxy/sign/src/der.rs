//! As much of DER as public keys need (X.690 8.1, RFC 5280 4.1).

use crate::encode;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;
const POINT_BYTES: usize = 65;
/// 2048 bits of modulus, without the sign byte.
const RSA_MODULUS_BYTES_MIN: usize = 256;

/// The PKCS#1 `RSAPublicKey` of a PEM or DER key.
pub(crate) fn rsa_public(bytes: &[u8]) -> Option<Vec<u8>> {
    let der = plain(bytes)?;
    let (outer, rest) = value(SEQUENCE, &der)?;
    if !rest.is_empty() {
        return None;
    }
    match value(INTEGER, outer) {
        Some((modulus, _)) => (modulus.len() >= RSA_MODULUS_BYTES_MIN).then_some(der.clone()),
        None => rsa_public(wrapped(&der)?),
    }
}

/// The PKCS#1 `RSAPublicKey` of modulus and exponent.
pub(crate) fn rsa_of(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let bytes = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
        // The first bit is the sign.
        let sign = bytes.first().is_none_or(|b| b >> 7 == 1).then_some(0);
        element(INTEGER, &sign.into_iter().chain(bytes.iter().copied()).collect::<Vec<_>>())
    };
    element(SEQUENCE, &[integer(modulus), integer(exponent)].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let head = match content.len() {
        0..=0x7f => vec![tag, content.len() as u8],
        _ => [&[tag, 0x82], &length[length.len() - 2..]].concat(),
    };
    [&head, content].concat()
}

/// The uncompressed point of a PEM or DER key, or the point itself.
pub(crate) fn p256_point(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_point = |bytes: &[u8]| bytes.len() == POINT_BYTES && bytes[0] == 4;
    if is_point(bytes) {
        return Some(bytes.to_vec());
    }
    let der = plain(bytes)?;
    let point = wrapped(&der)?;
    is_point(point).then(|| point.to_vec())
}

fn plain(bytes: &[u8]) -> Option<Vec<u8>> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN ") => encode::pem(text),
        _ => Some(bytes.to_vec()),
    }
}

/// The bytes that a `SubjectPublicKeyInfo` wraps.
fn wrapped(der: &[u8]) -> Option<&[u8]> {
    let (info, _) = value(SEQUENCE, der)?;
    let (_, rest) = value(SEQUENCE, info)?;
    let (bits, _) = value(BIT_STRING, rest)?;
    bits.strip_prefix(&[0])
}

/// Content of the first element, which must have this tag, and what follows it.
fn value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), &rest[2..]),
        _ => return None,
    };
    rest.split_at_checked(length)
}
