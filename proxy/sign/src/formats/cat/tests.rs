use ring::digest;

use super::*;
use crate::Algorithm;
use crate::encode::to_base64url;
use crate::testing::{Call, hmac_sign, key, keyset};

const NOW_S: u64 = 1_700_000_000;

fn signer() -> Key {
    key("k1", Algorithm::Ed25519, &format!("hex:{}", "05".repeat(32)))
}

fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Int(n @ 0..) => cbor::write_head(0, *n as u64, out),
        Value::Int(n) => cbor::write_head(1, (-1 - n) as u64, out),
        Value::Bytes(bytes) => {
            cbor::write_head(2, bytes.len() as u64, out);
            out.extend_from_slice(bytes);
        }
        Value::Text(text) => {
            cbor::write_head(3, text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            cbor::write_head(4, items.len() as u64, out);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Map(entries) => {
            cbor::write_head(5, entries.len() as u64, out);
            entries.iter().for_each(|(key, value)| {
                write(key, out);
                write(value, out);
            });
        }
        Value::Tag(tag, inner) => {
            cbor::write_head(6, *tag, out);
            write(inner, out);
        }
        other => panic!("{other:?} is not written here"),
    }
}

fn bytes(value: &Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

fn map<'t>(entries: Vec<(i64, Value<'t>)>) -> Value<'t> {
    Value::Map(entries.into_iter().map(|(label, value)| (Value::Int(label), value)).collect())
}

/// A COSE_Sign1 token with Ed25519.
fn token(claims: Vec<(i64, Value<'_>)>) -> String {
    let protected = bytes(&map(vec![(1, Value::Int(-8)), (4, Value::Bytes(b"k1"))]));
    let payload = bytes(&map(claims));
    let parts = [
        Value::Text("Signature1"),
        Value::Bytes(&protected),
        Value::Bytes(&[]),
        Value::Bytes(&payload),
    ];
    let signed = signer().sign(&bytes(&Value::Array(parts.to_vec()))).expect("a seed");
    let parts = vec![
        Value::Bytes(&protected),
        Value::Map(vec![]),
        Value::Bytes(&payload),
        Value::Bytes(&signed),
    ];
    let sealed = Value::Tag(18, Box::new(Value::Array(parts)));
    to_base64url(&bytes(&Value::Tag(61, Box::new(sealed))))
}

fn at(claims: Vec<(i64, Value<'_>)>, change: impl Fn(Call) -> Call) -> Result<(), Reason> {
    let call =
        Call::get(&format!("https://h.example:8443/show/1/a.m3u8?q=1&CAT={}", token(claims)));
    change(call).verify(&keyset(FORMAT, &[], vec![signer()]), NOW_S).map(|_| ())
}

fn of(claims: Vec<(i64, Value<'_>)>) -> Result<(), Reason> {
    at(claims, |call| call)
}

fn texts<'t>(items: &[&'t str]) -> Value<'t> {
    Value::Array(items.iter().map(|item| Value::Text(item)).collect())
}

#[test]
fn times_are_kept() {
    let now = NOW_S as i64;
    assert_eq!(of(vec![(4, Value::Int(now + 1)), (5, Value::Int(now))]), Ok(()));
    assert_eq!(of(vec![(4, Value::Int(now))]), Err(Reason::Expired));
    assert_eq!(of(vec![(5, Value::Int(now + 1))]), Err(Reason::NotYetValid));
    assert_eq!(of(vec![(4, Value::Text("soon"))]), Err(Reason::TokenMalformed));
    assert_eq!(of(vec![(4, Value::Int(-1))]), Err(Reason::TokenMalformed));
}

#[test]
fn every_part_of_a_uri_can_be_matched() {
    let sha = digest::digest(&digest::SHA256, b"/show/1/a.m3u8");
    let one = |part, kind, value| of(vec![(312, map(vec![(part, map(vec![(kind, value)]))]))]);
    for (part, kind, good) in [
        (0, 0, Value::Text("https")),
        (1, 2, Value::Text(".example")),
        (2, 0, Value::Text("8443")),
        (2, 0, Value::Int(8443)),
        (3, 0, Value::Text("/show/1/a.m3u8")),
        (3, 1, Value::Text("/show/")),
        (3, 3, Value::Text("/1/")),
        (3, 4, Value::Text("/show/[0-9]+/.*")),
        (3, 4, Value::Array(vec![Value::Text("/show/([0-9]+)/.*")])),
        (3, -1, Value::Bytes(sha.as_ref())),
        (4, 0, Value::Text("q=1")),
        (5, 0, Value::Text("/show/1")),
        (6, 0, Value::Text("a.m3u8")),
        (7, 0, Value::Text("a")),
        (8, 0, Value::Text("m3u8")),
        (8, 0, Value::Text(".m3u8")),
    ] {
        assert_eq!(one(part, kind, good.clone()), Ok(()), "{part} {kind} {good:?}");
    }
    for (part, kind, bad) in [
        (0, 0, Value::Text("http")),
        (1, 0, Value::Text("example")),
        (3, 1, Value::Text("show/")),
        (3, 4, Value::Text("/show/[0-9]+")),
        (3, -1, Value::Bytes(&[0; 32])),
        (8, 0, Value::Text("ts")),
    ] {
        assert_eq!(one(part, kind, bad.clone()), Err(Reason::ScopeMismatch), "{bad:?}");
    }
    assert_eq!(one(9, 0, Value::Text("x")), Err(Reason::TokenMalformed));
    assert_eq!(one(3, 9, Value::Text("x")), Err(Reason::TokenMalformed));
    assert_eq!(one(3, 4, Value::Text("(")), Err(Reason::TokenMalformed));
}

#[test]
fn methods_networks_countries_and_fields() {
    assert_eq!(of(vec![(313, texts(&["HEAD", "GET"]))]), Ok(()));
    assert_eq!(of(vec![(313, texts(&["PUT"]))]), Err(Reason::MethodMismatch));
    let net = |value| of(vec![(311, Value::Array(vec![value]))]);
    let prefix = |bits, bytes| {
        Value::Tag(52, Box::new(Value::Array(vec![Value::Int(bits), Value::Bytes(bytes)])))
    };
    assert_eq!(net(prefix(24, &[1, 2, 3])), Ok(()));
    assert_eq!(net(Value::Tag(52, Box::new(Value::Bytes(&[1, 2, 3, 4])))), Ok(()));
    assert_eq!(net(Value::Text("1.2.0.0/16")), Ok(()));
    for other in [prefix(24, &[1, 2, 4]), Value::Int(64_500), prefix(99, &[1]), prefix(8, &[0; 5])]
    {
        assert_eq!(net(other), Err(Reason::ClientMismatch));
    }
    let country = |claims| at(claims, |call| call.inside("DE"));
    assert_eq!(country(vec![(316, texts(&["AT", "DE"]))]), Ok(()));
    assert_eq!(country(vec![(316, texts(&["AT"]))]), Err(Reason::CountryMismatch));
    assert_eq!(of(vec![(316, texts(&["DE"]))]), Err(Reason::CountryMismatch));
    let field = || {
        let matches = map(vec![(0, Value::Text("u1"))]);
        vec![(315, Value::Map(vec![(Value::Text("X-User"), matches)]))]
    };
    assert_eq!(at(field(), |call| call.with("x-user", "u1")), Ok(()));
    assert_eq!(at(field(), |call| call.with("x-user", "u2")), Err(Reason::ScopeMismatch));
    assert_eq!(of(field()), Err(Reason::ScopeMismatch));
}

#[test]
fn restrictions_that_are_not_understood_are_refused() {
    for label in [8, 282, 309, 314, 317, 318, 319, 321, 324] {
        assert_eq!(of(vec![(label, Value::Int(1))]), Err(Reason::ClaimUnsupported), "{label}");
    }
    assert_eq!(of(vec![(310, Value::Int(2))]), Err(Reason::ClaimUnsupported));
    assert_eq!(of(vec![(310, Value::Int(1)), (323, Value::Int(1)), (9999, Value::Int(1))]), Ok(()));
}

#[test]
fn replay_is_handed_on() {
    let claims = vec![(7, Value::Bytes(&[0xab, 1])), (308, Value::Int(1)), (2, Value::Text("u1"))];
    let call = Call::get(&format!("https://h/a?cat={}", token(claims)));
    let keys = keyset(FORMAT, &[("parameter", "cat")], vec![signer()]);
    let (grant, rest) = call.grant(&keys, NOW_S).expect("good");
    assert_eq!((grant.token_id.as_deref(), grant.uses_max), (Some("ab01"), Some(1)));
    assert_eq!((grant.subject.as_deref(), rest.1), (Some("u1"), None));
}

#[test]
fn envelopes_that_are_none_are_refused() {
    let keys = keyset(FORMAT, &[], vec![signer()]);
    for text in ["", "AA", "2D3R", "2D3RhA", "!!"] {
        let call = Call::get(&format!("https://h/a?cat={text}"));
        assert_eq!(call.verify(&keys, NOW_S), Err(Reason::TokenMalformed), "{text}");
    }
    let good = token(vec![]);
    let other = keyset(
        FORMAT,
        &[],
        vec![key("k2", Algorithm::Ed25519, &format!("hex:{}", "05".repeat(32)))],
    );
    let call = Call::get(&format!("https://h/a?cat={good}"));
    assert_eq!(call.verify(&other, NOW_S), Err(Reason::KeyUnknown));
}

#[test]
fn a_token_that_asks_is_renewed_from_now_on() {
    let now = NOW_S as i64;
    let wish = |kind, deadline| {
        map(vec![(0, Value::Int(kind)), (1, Value::Int(30)), (2, Value::Int(deadline))])
    };
    let grant = |kind, left, deadline| {
        let claims = vec![
            (2, Value::Text("viewer")),
            (4, Value::Int(now + left)),
            (323, wish(kind, deadline)),
        ];
        let call = Call::get(&format!("https://h/a?CAT={}", token(claims)));
        call.grant(&keyset(FORMAT, &[], vec![signer()]), NOW_S).expect("good").0
    };
    let cookie = grant(1, 5, 10).set_cookie.expect("a cookie");
    let next = cookie.strip_prefix("CTA-Common-Access-Token=").expect("its name");
    let next = next.split(';').next().expect("a token");
    let later = |s| {
        let call = Call::get("https://h/a").with("cta-common-access-token", next);
        call.grant(&keyset(FORMAT, &[], vec![signer()]), s)
    };
    let renewed = later(NOW_S + 29).expect("good").0;
    assert_eq!(renewed.subject.as_deref(), Some("viewer"));
    assert_eq!(later(NOW_S + 30).map(|_| ()), Err(Reason::Expired));
    assert!(grant(1, 11, 10).set_cookie.is_none(), "there is time");
    let (name, value) = grant(2, 5, 10).set_field.expect("a field");
    assert_eq!((&*name, value.is_empty()), ("cta-common-access-token", false));
    assert!(grant(0, 5, 10).set_field.is_some(), "it came in the query");
    assert!(!grant(3, 5, 10).renews(), "redirects are not made");
}

fn sets<'t>(sets: Vec<Vec<(i64, Value<'t>)>>) -> Value<'t> {
    Value::Array(sets.into_iter().map(map).collect())
}

fn methods<'t>(method: &'t str) -> Vec<(i64, Value<'t>)> {
    vec![(313, texts(&[method]))]
}

#[test]
fn composite_claims_are_followed() {
    let (get, post) = (|| methods("GET"), || methods("POST"));
    assert_eq!(of(vec![(41, sets(vec![post(), get()]))]), Ok(()));
    assert_eq!(of(vec![(41, sets(vec![post(), post()]))]), Err(Reason::MethodMismatch));
    assert_eq!(of(vec![(42, sets(vec![post()]))]), Ok(()));
    assert_eq!(of(vec![(42, sets(vec![post(), get()]))]), Err(Reason::ScopeMismatch));
    assert_eq!(of(vec![(43, sets(vec![get(), get()]))]), Ok(()));
    assert_eq!(of(vec![(43, sets(vec![get(), post()]))]), Err(Reason::MethodMismatch));
    // An empty choice offers nothing; an empty exclusion excludes nothing.
    assert_eq!(of(vec![(41, sets(vec![]))]), Err(Reason::TokenMalformed));
    assert_eq!(of(vec![(42, sets(vec![]))]), Ok(()));
}

#[test]
fn composite_claims_nest_and_hold_times() {
    let now = NOW_S as i64;
    let either =
        |end| sets(vec![vec![(4, Value::Int(end)), methods("GET").remove(0)], methods("PUT")]);
    assert_eq!(of(vec![(43, sets(vec![vec![(41, either(now + 1))]]))]), Ok(()));
    assert!(of(vec![(43, sets(vec![vec![(41, either(now))]]))]).is_err());
    // The set that forbids must be understood: coordinates are not.
    let place = || vec![(317, Value::Array(vec![]))];
    assert_eq!(of(vec![(42, sets(vec![place()]))]), Err(Reason::ClaimUnsupported));
    assert_eq!(of(vec![(41, sets(vec![place(), methods("GET")]))]), Err(Reason::ClaimUnsupported));
    let mut deep = methods("GET");
    for _ in 0..5 {
        deep = vec![(43, sets(vec![deep]))];
    }
    assert!(of(deep).is_err());
    assert_eq!(of(vec![(41, Value::Int(1))]), Err(Reason::TokenMalformed));
}

#[test]
fn what_must_be_understood_is_or_the_token_is_refused() {
    let crit = |labels: &[i64]| Value::Array(labels.iter().map(|n| Value::Int(*n)).collect());
    assert_eq!(of(vec![(45, crit(&[312, 41, 4]))]), Ok(()));
    assert_eq!(of(vec![(45, crit(&[312, 9999]))]), Err(Reason::ClaimUnsupported));
    assert_eq!(of(vec![(45, crit(&[319]))]), Err(Reason::ClaimUnsupported));
    assert_eq!(of(vec![(44, Value::Bytes(b"sealed"))]), Err(Reason::ClaimUnsupported));
}

/// A COSE_Mac0 with this number for its algorithm, below these tags.
fn mac0(algorithm: i64, key_id: Value<'_>, tags: &[u64]) -> String {
    let secret = key("k1", Algorithm::HmacSha256, "utf8:a secret of sixteen");
    let method = method(algorithm).unwrap();
    let protected = bytes(&map(vec![(1, Value::Int(algorithm))]));
    let payload = bytes(&map(vec![(4, Value::Int(NOW_S as i64 + 1))]));
    let signed =
        [Value::Text("MAC0"), Value::Bytes(&protected), Value::Bytes(&[]), Value::Bytes(&payload)];
    let message = bytes(&Value::Array(signed.to_vec()));
    let mac = hmac_sign(&secret, method, &message).unwrap();
    let parts = Value::Array(vec![
        Value::Bytes(&protected),
        map(vec![(4, key_id)]),
        Value::Bytes(&payload),
        Value::Bytes(&mac),
    ]);
    let tagged = tags.iter().rev().fold(parts, |inner, tag| Value::Tag(*tag, Box::new(inner)));
    to_base64url(&bytes(&tagged))
}

#[test]
fn tags_may_be_left_out_and_may_not_be_wrong() {
    let keys = || vec![key("k1", Algorithm::HmacSha256, "utf8:a secret of sixteen")];
    let of = |token: String| {
        Call::get(&format!("https://h/a?cat={token}"))
            .verify(&keyset(FORMAT, &[], keys()), NOW_S)
            .map(|_| ())
    };
    for tags in [&[61, 17][..], &[17], &[61], &[]] {
        for algorithm in [5, 6, 7] {
            assert_eq!(of(mac0(algorithm, Value::Bytes(b"k1"), tags)), Ok(()), "{tags:?}");
        }
        assert_eq!(of(mac0(5, Value::Text("k1"), tags)), Ok(()));
        assert_eq!(of(mac0(5, Value::Text("k2"), tags)), Err(Reason::KeyUnknown));
    }
    assert_eq!(of(mac0(5, Value::Bytes(b"k1"), &[61, 18])), Err(Reason::KeyUnknown));
}
