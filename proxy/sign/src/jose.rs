//! Compact JWS and JWE (RFC 7515, 7516), and the registered claims of JWT (RFC 7519).

use ring::aead;
use serde_json::{Map, Value};

use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::{base64url, to_base64url};
use crate::key::Key;
use crate::request::Clock;

#[cfg(test)]
mod tests;

/// Largest token, bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = 8192;
const HEADER_BYTES_MAX: usize = 1024;
const CLAIMS_MAX: usize = 64;

/// Claims whose signature was verified.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Claims(pub(crate) Map<String, Value>);

/// Verifies a JWS in its compact form. The key decides which algorithms are possible: a public key is
/// never taken for a secret, and there is no `none`.
pub(crate) fn verify<'k>(text: &str, keys: &'k [Key]) -> Result<(Claims, &'k Key), Reason> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(Reason::TokenMalformed);
    }
    let mut parts = text.splitn(3, '.');
    let (Some(header), Some(payload), Some(signed)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(Reason::TokenMalformed);
    };
    let (method, id) = header_of(header)?;
    let signed = base64url(signed).ok_or(Reason::TokenMalformed)?;
    let message = &text.as_bytes()[..header.len() + 1 + payload.len()];
    let key = crypto::verify(keys, id.as_deref(), method, message, &signed)?;
    let claims = object(payload, TOKEN_BYTES_MAX).ok_or(Reason::TokenMalformed)?;
    if claims.len() > CLAIMS_MAX {
        return Err(Reason::TokenMalformed);
    }
    Ok((Claims(claims), key))
}

/// Makes a JWS with a key that can sign.
pub(crate) fn sign(claims: &Claims, key: &Key) -> Option<String> {
    let algorithm = if key.secret().is_some() { "HS256" } else { "EdDSA" };
    let header = format!("{{\"alg\":\"{algorithm}\",\"kid\":\"{}\"}}", key.id());
    let payload = serde_json::to_vec(&claims.0).ok()?;
    let text = format!("{}.{}", to_base64url(header.as_bytes()), to_base64url(&payload));
    let signature = key.sign(text.as_bytes())?;
    Some(format!("{text}.{}", to_base64url(&signature)))
}

/// Opens a JWE of direct encryption with AES-GCM (RFC 7518 4.5, 5.3).
pub(crate) fn decrypt(text: &str, keys: &[Key]) -> Result<Vec<u8>, Reason> {
    let parts: Vec<&str> = text.splitn(6, '.').collect();
    let &[header, "", iv, sealed, tag] = parts.as_slice() else {
        return Err(Reason::TokenMalformed);
    };
    let fields = object(header, HEADER_BYTES_MAX).ok_or(Reason::TokenMalformed)?;
    // Neither extensions (RFC 7516 4.1.13) nor compression (4.1.3) are understood here.
    if fields.contains_key("crit") || fields.contains_key("zip") {
        return Err(Reason::ClaimUnsupported);
    }
    let algorithm = match (word(&fields, "alg"), word(&fields, "enc")) {
        (Some("dir"), Some("A128GCM")) => &aead::AES_128_GCM,
        (Some("dir"), Some("A256GCM")) => &aead::AES_256_GCM,
        _ => return Err(Reason::ClaimUnsupported),
    };
    let bytes = |text| base64url(text).ok_or(Reason::TokenMalformed);
    let sealed = [bytes(sealed)?, bytes(tag)?].concat();
    let iv = aead::Nonce::try_assume_unique_for_key(&bytes(iv)?);
    let iv: [u8; 12] = *iv.map_err(|_| Reason::TokenMalformed)?.as_ref();
    let id = word(&fields, "kid");
    let named = keys.iter().filter(|key| id.is_none_or(|id| key.id() == id));
    let secrets = named.filter_map(Key::secret).filter(|s| s.len() == algorithm.key_len());
    let mut reason = Reason::KeyUnknown;
    for secret in secrets {
        match open(algorithm, secret, iv, header, sealed.clone()) {
            Some(plain) => return Ok(plain),
            None => reason = Reason::SignatureInvalid,
        }
    }
    Err(reason)
}

impl Claims {
    /// A claim that must be text when it is there.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Reason> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Reason::TokenMalformed),
        }
    }

    /// A NumericDate (RFC 7519 2); fractions are cut off.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<u64>, Reason> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let whole = value.as_u64().or_else(|| {
            value.as_f64().filter(|s| (0.0..1e15).contains(s)).map(|seconds| seconds as u64)
        });
        whole.map(Some).ok_or(Reason::TokenMalformed)
    }

    /// Checks `nbf` and `exp`, and gives the latter.
    pub(crate) fn check_time(&self, clock: Clock) -> Result<Option<u64>, Reason> {
        if self.seconds("nbf")?.is_some_and(|starts_s| clock.is_before(starts_s)) {
            return Err(Reason::NotYetValid);
        }
        let expires_s = self.seconds("exp")?;
        match expires_s.is_some_and(|expires_s| clock.is_past(expires_s)) {
            true => Err(Reason::Expired),
            false => Ok(expires_s),
        }
    }

    /// Checks `iss` and `aud` against what is configured, if it is.
    pub(crate) fn check_parties(
        &self,
        issuer: Option<&str>,
        audience: Option<&str>,
    ) -> Result<(), Reason> {
        let issued = issuer.is_none() || self.text("iss")? == issuer;
        let meant = audience.is_none_or(|audience| match self.0.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one == audience),
            _ => false,
        });
        if issued && meant { Ok(()) } else { Err(Reason::IssuerMismatch) }
    }
}

fn header_of(header: &str) -> Result<(Method, Option<String>), Reason> {
    let fields = object(header, HEADER_BYTES_MAX).ok_or(Reason::TokenMalformed)?;
    // RFC 7515 4.1.11: what must be understood is not understood here.
    if fields.contains_key("crit") {
        return Err(Reason::ClaimUnsupported);
    }
    let method = match word(&fields, "alg").ok_or(Reason::TokenMalformed)? {
        "HS256" => Method::HmacSha256,
        "HS384" => Method::HmacSha384,
        "HS512" => Method::HmacSha512,
        "RS256" => Method::RsaSha256,
        "RS384" => Method::RsaSha384,
        "RS512" => Method::RsaSha512,
        "PS256" => Method::RsaPssSha256,
        "PS384" => Method::RsaPssSha384,
        "PS512" => Method::RsaPssSha512,
        "ES256" => Method::EcdsaFixed,
        "EdDSA" | "Ed25519" => Method::Ed25519,
        _ => return Err(Reason::KeyUnknown),
    };
    let id = fields.get("kid").map(|id| id.as_str().ok_or(Reason::TokenMalformed)).transpose()?;
    Ok((method, id.map(str::to_owned)))
}

fn object(text: &str, bytes_max: usize) -> Option<Map<String, Value>> {
    let json = base64url(text).filter(|json| json.len() <= bytes_max)?;
    match serde_json::from_slice(&json).ok()? {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

fn word<'f>(fields: &'f Map<String, Value>, name: &str) -> Option<&'f str> {
    fields.get(name)?.as_str()
}

fn open(
    algorithm: &'static aead::Algorithm,
    secret: &[u8],
    iv: [u8; 12],
    header: &str,
    mut sealed: Vec<u8>,
) -> Option<Vec<u8>> {
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, secret).ok()?);
    let nonce = aead::Nonce::assume_unique_for_key(iv);
    let plain = key.open_in_place(nonce, aead::Aad::from(header.as_bytes()), &mut sealed).ok()?;
    Some(plain.to_vec())
}
