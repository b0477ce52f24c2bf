//! Base64, hex and percent-encoding.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const EITHER: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD_EITHER: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, EITHER);
const URL_SAFE_EITHER: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, EITHER);

/// Base64url without padding. Only the one canonical spelling is read, so that a token cannot be
/// respelled.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Base64url with or without padding.
pub(crate) fn base64url_either(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_EITHER.decode(text).ok()
}

/// Base64 of the standard alphabet, with or without padding.
pub(crate) fn base64_either(text: &str) -> Option<Vec<u8>> {
    STANDARD_EITHER.decode(text).ok()
}

/// The same into a fixed number of bytes, without allocation.
pub(crate) fn base64url_exact<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(length) if length == N => Some(bytes),
        _ => None,
    }
}

pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Hex of lower case; upper case would be a second spelling of the same token.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| DIGITS[usize::from(n)] as char;
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// Percent-decoded; a broken escape stays as it is. `None` when the result is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte =
            if bytes[at] == b'%' { text.get(at + 1..at + 3).and_then(hex_byte) } else { None };
        plain.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}

/// The bytes that the text of a key stands for.
pub(crate) fn key_text(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if text.starts_with("-----BEGIN ") {
        return Some(text.as_bytes().to_vec());
    }
    if let Some(plain) = text.strip_prefix("utf8:") {
        return Some(plain.as_bytes().to_vec());
    }
    match text.strip_prefix("hex:") {
        Some(digits) => hex(&digits.to_ascii_lowercase()),
        None => base64_either(text).or_else(|| base64url_either(text)),
    }
}

/// The DER inside the first PEM block.
pub(crate) fn pem(text: &str) -> Option<Vec<u8>> {
    let (_, after) = text.split_once("-----BEGIN ")?;
    let (_, body) = after.split_once("-----")?;
    let (body, _) = body.split_once("-----END ")?;
    let joined: String = body.split_ascii_whitespace().collect();
    base64_either(&joined)
}

/// Equal, in a time that depends on the lengths alone.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let differs = a.iter().zip(b).fold(0, |differs, (x, y)| differs | (x ^ y));
    a.len() == b.len() && std::hint::black_box(differs) == 0
}

fn hex_byte(pair: &str) -> Option<u8> {
    let digits = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    if digits { u8::from_str_radix(pair, 16).ok() } else { None }
}
