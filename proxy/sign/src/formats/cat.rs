//! Common Access Token (CTA-5007): a CWT (RFC 8392) in COSE (RFC 9052), HMAC, ES256, EdDSA or RSA.
//!
//! Tag 61 around tag 17 (MAC) or 18 (signature); signers leave out the one or both. It travels as the field `CTA-Common-Access-Token`, a cookie of
//! that name, or a query parameter. A claim that restricts and is not understood here makes the token
//! useless. `catr` asks for the next token, which counts from now and not from the old end: as a cookie or a
//! field (`catr` by redirect, and `catif`, are passed over).

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::carry::{self, Carrier, Names, Rest};
use crate::cbor::{self, Value};
use crate::claims;
use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::{base64url_either, hex, to_hex};
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

use self::target::Target;

mod label;
mod renew;
mod target;

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "cat";

const FIELD: &str = "cta-common-access-token";
const COOKIE: &str = "CTA-Common-Access-Token";
const PARAMETERS: [&str; 3] = ["cat", "CAT", "Common-Access-Token"];
const TOKEN_BYTES_MAX: usize = 8192;
const CLAIMS_MAX: usize = 64;

const TAG_CWT: u64 = 61;
const TAG_MAC0: u64 = 17;
const TAG_SIGN1: u64 = 18;
const HEADER_ALGORITHM: i64 = 1;
const HEADER_CRITICAL: i64 = 2;
const HEADER_KEY_ID: i64 = 4;

/// CAT with its settings: `parameter` (without it the three usual names), `issuer`, `audience`.
#[derive(Debug)]
pub(crate) struct Cat {
    parameter: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
}

/// The parts of a COSE message that are verified.
struct Envelope<'t> {
    method: Method,
    context: &'static str,
    protected: &'t [u8],
    key_id: Option<&'t str>,
    /// Usually bytes; the Node package without its CWT tag writes the text of their hex.
    payload: &'t Value<'t>,
    signed: &'t [u8],
}

impl Cat {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let parameter = match settings.optional("parameter") {
            Some(_) => Some(settings.name("parameter", "")?),
            None => None,
        };
        let issuer = settings.optional("issuer").map(str::to_owned);
        let audience = settings.optional("audience").map(str::to_owned);
        settings.done()?;
        Ok(Self { parameter, issuer, audience })
    }

    fn find<'r>(&self, request: &Request<'r>) -> Result<(&'r str, Rest<'r>), Reason> {
        if let Some(token) = carry::header(request.fields, FIELD) {
            return Ok((token, Rest::whole(request, Carrier::Header(FIELD.into()))));
        }
        let one = self.parameter.as_deref().map(|name| [name; 1]);
        let names = one.as_ref().map_or(&PARAMETERS[..], |one| &one[..]);
        for parameter in names {
            match carry::find(request, &Names { parameter, cookie: COOKIE, field: None }) {
                Err(Reason::TokenMissing) => {}
                decided => return decided,
            }
        }
        Err(Reason::TokenMissing)
    }

    fn check_parties(&self, claims: &[(Value<'_>, Value<'_>)]) -> Result<(), Reason> {
        let is = |value: &Value<'_>, text: &str| value.as_text() == Some(text);
        let issued = self
            .issuer
            .as_ref()
            .is_none_or(|issuer| claim(claims, label::ISS).is_some_and(|iss| is(iss, issuer)));
        let meant = self.audience.as_ref().is_none_or(|audience| {
            let aud = claim(claims, label::AUD);
            aud.is_some_and(|aud| match aud {
                Value::Array(several) => several.iter().any(|one| is(one, audience)),
                one => is(one, audience),
            })
        });
        if issued && meant { Ok(()) } else { Err(Reason::IssuerMismatch) }
    }
}

impl Scheme for Cat {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let (text, rest) = self.find(request)?;
        let bytes = Some(text).filter(|text| text.len() <= TOKEN_BYTES_MAX);
        let bytes = bytes.and_then(base64url_either).ok_or(Reason::TokenMalformed)?;
        let token = cbor::read(&bytes).ok_or(Reason::TokenMalformed)?;
        let envelope = Envelope::read(&token)?;
        let key = envelope.signer(keys)?;
        let payload = envelope.claims().ok_or(Reason::TokenMalformed)?;
        let claims = cbor::read(&payload).ok_or(Reason::TokenMalformed)?;
        let claims = claims.as_map().filter(|claims| claims.len() <= CLAIMS_MAX);
        let claims = claims.ok_or(Reason::TokenMalformed)?;
        self.check_parties(claims)?;
        let target = Target { request, query: rest.query.as_deref(), path: &rest.path, clock };
        target.check_all(claims)?;
        let expires_s = seconds(claims, label::EXP)?;
        let mut grant = grant(key, claims);
        grant.expires_s = expires_s;
        grant.claims = request.wants_claims.then(|| claims::of_cbor(claims));
        renew::renew(&mut grant, claims, keys, request, &rest.carrier, clock);
        Ok(Verified::new(grant, rest))
    }
}

impl<'t> Envelope<'t> {
    fn read(token: &'t Value<'t>) -> Result<Self, Reason> {
        let inner = match token {
            Value::Tag(TAG_CWT, inner) => inner,
            other => other,
        };
        let (tag, parts) = match inner {
            Value::Tag(tag, parts) => (Some(*tag), parts.as_ref()),
            bare => (None, bare),
        };
        let parts = parts.as_array().ok_or(Reason::TokenMalformed)?;
        let [protected, unprotected, payload, signed] = parts else {
            return Err(Reason::TokenMalformed);
        };
        let bytes = |part: &Value<'t>| part.as_bytes().ok_or(Reason::TokenMalformed);
        let protected = bytes(protected)?;
        let header = cbor::read(protected).ok_or(Reason::TokenMalformed)?;
        let header = header.as_map().ok_or(Reason::TokenMalformed)?;
        if claim(header, HEADER_CRITICAL).is_some() {
            return Err(Reason::ClaimUnsupported);
        }
        let algorithm = claim(header, HEADER_ALGORITHM).and_then(Value::as_int);
        let method = method(algorithm.ok_or(Reason::TokenMalformed)?).ok_or(Reason::KeyUnknown)?;
        let is_mac = matches!(method, Method::HmacSha256 | Method::HmacSha384 | Method::HmacSha512);
        let (own, context) = if is_mac { (TAG_MAC0, "MAC0") } else { (TAG_SIGN1, "Signature1") };
        if tag.is_some_and(|tag| tag != own) {
            return Err(Reason::KeyUnknown);
        }
        let key_id = claim(header, HEADER_KEY_ID)
            .or_else(|| claim(unprotected.as_map()?, HEADER_KEY_ID))
            .and_then(|id| id.as_text().or_else(|| std::str::from_utf8(id.as_bytes()?).ok()));
        let signed = bytes(signed)?;
        Ok(Self { method, context, protected, key_id, payload, signed })
    }

    fn claims(&self) -> Option<Cow<'t, [u8]>> {
        match self.payload {
            Value::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            other => hex(other.as_text()?).map(Cow::Owned),
        }
    }

    /// The bytes under MAC or signature (RFC 9052 4.4, 6.3) are an array of context, protected header,
    /// no external data, and payload.
    fn signer<'k>(&self, keys: &'k [Key]) -> Result<&'k Key, Reason> {
        let mut message = Vec::with_capacity(256);
        cbor::write_head(4, 4, &mut message);
        write_string(3, self.context.as_bytes(), &mut message);
        write_string(2, self.protected, &mut message);
        write_string(2, &[], &mut message);
        match self.payload {
            Value::Bytes(bytes) => write_string(2, bytes, &mut message),
            Value::Text(text) => write_string(3, text.as_bytes(), &mut message),
            _ => return Err(Reason::TokenMalformed),
        }
        crypto::verify(keys, self.key_id, self.method, &message, self.signed)
    }
}

/// By its number in COSE (RFC 9053 2, 3; RFC 8230 2; RFC 8812 2; RFC 9864 2).
fn method(algorithm: i64) -> Option<Method> {
    Some(match algorithm {
        5 => Method::HmacSha256,
        6 => Method::HmacSha384,
        7 => Method::HmacSha512,
        -7 | -9 => Method::EcdsaFixed,
        -8 | -19 => Method::Ed25519,
        -37 => Method::RsaPssSha256,
        -38 => Method::RsaPssSha384,
        -39 => Method::RsaPssSha512,
        -257 => Method::RsaSha256,
        -258 => Method::RsaSha384,
        -259 => Method::RsaSha512,
        _ => return None,
    })
}

fn write_string(major: u8, bytes: &[u8], out: &mut Vec<u8>) {
    cbor::write_head(major, bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn check_time(claims: &[(Value<'_>, Value<'_>)], clock: Clock) -> Result<(), Reason> {
    if seconds(claims, label::NBF)?.is_some_and(|starts_s| clock.is_before(starts_s)) {
        return Err(Reason::NotYetValid);
    }
    match seconds(claims, label::EXP)?.is_some_and(|expires_s| clock.is_past(expires_s)) {
        true => Err(Reason::Expired),
        false => Ok(()),
    }
}

fn grant(key: &Key, claims: &[(Value<'_>, Value<'_>)]) -> Grant {
    let mut grant = Grant::new(FORMAT, key.shared_id());
    grant.subject = claim(claims, label::SUB).and_then(Value::as_text).map(Into::into);
    let id = claim(claims, label::CTI).and_then(Value::as_bytes);
    grant.token_id = id.map(|id| to_hex(id).into());
    // 1 forbids replay; 0 permits it, and 2 asks only that it be noticed.
    let replay = claim(claims, label::CATREPLAY).and_then(Value::as_int);
    grant.uses_max = (replay == Some(1)).then_some(1);
    grant
}

fn claim<'c, 't>(claims: &'c [(Value<'t>, Value<'t>)], label: i64) -> Option<&'c Value<'t>> {
    claims.iter().find(|(name, _)| name.as_int() == Some(label)).map(|(_, value)| value)
}

fn seconds(claims: &[(Value<'_>, Value<'_>)], label: i64) -> Result<Option<u64>, Reason> {
    let whole = |value: &Value<'_>| match value {
        Value::Int(seconds) => u64::try_from(*seconds).ok(),
        Value::Float(seconds) if (0.0..1e15).contains(seconds) => Some(*seconds as u64),
        _ => None,
    };
    let Some(value) = claim(claims, label) else { return Ok(None) };
    whole(value).map(Some).ok_or(Reason::TokenMalformed)
}

/// Fuzz body: any bytes as a token, and as the claims of one that a key has signed.
pub(crate) fn fuzz(data: &[u8], key: &Key) {
    let _ = cbor::read(data).as_ref().map(Envelope::read);
    let mut message = vec![0x84, 0x64];
    message.extend_from_slice(b"MAC0");
    write_string(2, &[0xa1, 1, 5], &mut message);
    write_string(2, &[], &mut message);
    write_string(2, data, &mut message);
    let Some(mac) = key.sign(&message) else { return };
    let mut token = vec![0xd1, 0x84];
    write_string(2, &[0xa1, 1, 5], &mut token);
    token.push(0xa0);
    write_string(2, data, &mut token);
    write_string(2, &mac, &mut token);
    let query = ["cat=", &crate::encode::to_base64url(&token)].concat();
    let request = Request { query: Some(&query), ..Request::fuzzed() };
    let cat = Cat { parameter: None, issuer: None, audience: None };
    let clock = Clock { now_s: 1, skew_s: 0 };
    let outcome = cat.verify(std::slice::from_ref(key), &request, clock).map(|_| ());
    assert_ne!(outcome, Err(Reason::SignatureInvalid), "the token was signed");
}
