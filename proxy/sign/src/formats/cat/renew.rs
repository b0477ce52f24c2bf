//! `catr`: the next token, made from the claims of this one.

use super::{COOKIE, FIELD, HEADER_ALGORITHM, HEADER_KEY_ID, TAG_CWT, TAG_MAC0, TAG_SIGN1};
use super::{claim, label, write_string};
use crate::carry::Carrier;
use crate::cbor::{self, Value};
use crate::encode::to_base64url;
use crate::key::Key;
use crate::request::{Clock, Request};
use crate::verified::Grant;

const KIND: i64 = 0;
const ADDED_S: i64 = 1;
const DEADLINE_S: i64 = 2;
const COOKIE_NAME: i64 = 3;
const FIELD_NAME: i64 = 4;

const AUTOMATIC: i64 = 0;
const BY_COOKIE: i64 = 1;
const BY_FIELD: i64 = 2;

/// Longest life of a renewed token, seconds (a day): longer ones would never have to come back.
const ADDED_SECONDS_MAX: i64 = 86_400;

/// Puts the next token into the grant where the claims ask for one and a key can sign it.
pub(super) fn renew(
    grant: &mut Grant,
    claims: &[(Value<'_>, Value<'_>)],
    keys: &[Key],
    request: &Request<'_>,
    carrier: &Carrier,
    clock: Clock,
) {
    let Some(wish) = claim(claims, label::CATR).and_then(Value::as_map) else { return };
    let number = |name| claim(wish, name).and_then(Value::as_int);
    let Some(added_s) = number(ADDED_S).filter(|s| (1..=ADDED_SECONDS_MAX).contains(s)) else {
        return;
    };
    let left_s = grant.expires_s.map_or(0, |end_s| end_s.saturating_sub(clock.now_s));
    // Without a deadline every answer renews.
    if number(DEADLINE_S).is_some_and(|deadline_s| left_s > deadline_s.unsigned_abs()) {
        return;
    }
    let Some(key) = keys.iter().find(|key| key.can_sign()) else { return };
    let end_s = clock.now_s.saturating_add(added_s.unsigned_abs());
    let Some(token) = token(claims, end_s, key) else { return };
    let by_cookie = match number(KIND).unwrap_or(AUTOMATIC) {
        AUTOMATIC => matches!(carrier, Carrier::Cookies(_)),
        BY_COOKIE => true,
        BY_FIELD => false,
        _ => return,
    };
    let name = |label, otherwise| {
        claim(wish, label).and_then(Value::as_text).filter(|n| is_name(n)).unwrap_or(otherwise)
    };
    if by_cookie {
        let secure = if request.https { "; Secure" } else { "" };
        let name = name(COOKIE_NAME, COOKIE);
        let cookie = format!("{name}={token}; Path=/; Max-Age={added_s}; HttpOnly{secure}");
        grant.set_cookie = Some(cookie.into());
    } else {
        grant.set_field = Some((name(FIELD_NAME, FIELD).into(), token.into()));
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

/// The same claims with another end, signed.
fn token(claims: &[(Value<'_>, Value<'_>)], end_s: u64, key: &Key) -> Option<String> {
    let mut payload = Vec::with_capacity(256);
    let kept = claims.iter().filter(|(name, _)| name.as_int() != Some(label::EXP));
    cbor::write_head(5, kept.clone().count() as u64 + 1, &mut payload);
    cbor::write_head(0, label::EXP.unsigned_abs(), &mut payload);
    cbor::write_head(0, end_s, &mut payload);
    for (name, value) in kept {
        cbor::write(name, &mut payload);
        cbor::write(value, &mut payload);
    }
    let (tag, context, algorithm) = match key.secret() {
        Some(_) => (TAG_MAC0, "MAC0", Value::Int(5)),
        None => (TAG_SIGN1, "Signature1", Value::Int(-8)),
    };
    let mut protected = Vec::with_capacity(8);
    cbor::write(&Value::Map(vec![(Value::Int(HEADER_ALGORITHM), algorithm)]), &mut protected);
    let mut message = Vec::with_capacity(payload.len() + 32);
    cbor::write_head(4, 4, &mut message);
    write_string(3, context.as_bytes(), &mut message);
    write_string(2, &protected, &mut message);
    write_string(2, &[], &mut message);
    write_string(2, &payload, &mut message);
    let signed = key.sign(&message)?;
    let key_id = (Value::Int(HEADER_KEY_ID), Value::Bytes(key.id().as_bytes()));
    let parts = vec![
        Value::Bytes(&protected),
        Value::Map(vec![key_id]),
        Value::Bytes(&payload),
        Value::Bytes(&signed),
    ];
    let inner = Value::Tag(tag, Box::new(Value::Array(parts)));
    let mut out = Vec::with_capacity(payload.len() + 128);
    cbor::write(&Value::Tag(TAG_CWT, Box::new(inner)), &mut out);
    Some(to_base64url(&out))
}
