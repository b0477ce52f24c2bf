//! Keys as JSON (RFC 7517, 7518 6, 8037).

use serde_json::{Map, Value};

use crate::der;
use crate::encode::base64url_either;
use crate::key::Algorithm;

#[cfg(test)]
mod tests;

/// The bytes of a key of this algorithm; `None` when the text is another kind of key.
pub(crate) fn bytes(algorithm: Algorithm, text: &str) -> Option<Vec<u8>> {
    let Value::Object(fields) = serde_json::from_str(text).ok()? else { return None };
    let kind = match algorithm {
        Algorithm::HmacSha256 => ("oct", None),
        Algorithm::Ed25519 | Algorithm::Ed25519Public => ("OKP", Some("Ed25519")),
        Algorithm::RsaPublic => ("RSA", None),
        Algorithm::EcdsaP256Public => ("EC", Some("P-256")),
    };
    if (word(&fields, "kty")?, word(&fields, "crv")) != kind {
        return None;
    }
    match algorithm {
        Algorithm::HmacSha256 => number(&fields, "k"),
        Algorithm::Ed25519 => number(&fields, "d"),
        Algorithm::Ed25519Public => number(&fields, "x"),
        Algorithm::RsaPublic => Some(der::rsa_of(&number(&fields, "n")?, &number(&fields, "e")?)),
        Algorithm::EcdsaP256Public => {
            let point = [vec![4], number(&fields, "x")?, number(&fields, "y")?];
            Some(point.concat())
        }
    }
}

fn word<'f>(fields: &'f Map<String, Value>, name: &str) -> Option<&'f str> {
    fields.get(name)?.as_str()
}

fn number(fields: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    base64url_either(word(fields, name)?)
}
