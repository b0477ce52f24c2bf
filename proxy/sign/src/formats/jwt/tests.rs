use serde_json::json;

use super::*;
use crate::testing::{Call, keyset, mutate, secret};

const NOW_S: u64 = 1_700_000_000;

fn token(claims: Value) -> String {
    let Value::Object(claims) = claims else { panic!("no object") };
    let keys = secret("utf8:0123456789abcdef");
    jose::sign(&Claims(claims), &keys[0]).expect("a secret")
}

fn outcome(
    call: &Call,
    settings: &[(&str, &str)],
) -> Result<(Grant, (String, Option<String>)), Reason> {
    call.grant(&keyset(FORMAT, settings, secret("utf8:0123456789abcdef")), NOW_S)
}

#[test]
fn query_cookie_and_bearer_carry_it() {
    let token = token(json!({"exp": NOW_S + 1, "sub": "u1", "jti": "t1"}));
    let call = Call::get(&format!("https://h/a?token={token}"));
    let (grant, rest) = outcome(&call, &[]).expect("good");
    assert_eq!((grant.subject.as_deref(), grant.token_id.as_deref()), (Some("u1"), Some("t1")));
    assert_eq!(rest, ("/a".into(), None));
    let bare = Call::get("https://h/a");
    assert!(outcome(&bare.clone().with("cookie", &format!("token={token}")), &[]).is_ok());
    assert!(outcome(&bare.clone().with("authorization", &format!("Bearer {token}")), &[]).is_ok());
    for (name, value) in [("authorization", "Basic eDp5"), ("x", "y")] {
        let reason = outcome(&bare.clone().with(name, value), &[]).map(|_| ());
        assert_eq!(reason, Err(Reason::TokenMissing));
    }
    let keys = keyset(FORMAT, &[], secret("utf8:0123456789abcdef"));
    mutate(&token, &keys, NOW_S, |token| Call::get(&format!("https://h/a?token={token}")));
}

#[test]
fn settings_narrow_what_is_accepted() {
    let of = |claims: Value, settings: &[(&str, &str)]| {
        outcome(&Call::get(&format!("https://h/show/1?token={}", token(claims))), settings)
            .map(|_| ())
    };
    let end = NOW_S + 1;
    assert_eq!(of(json!({"exp": NOW_S}), &[]), Err(Reason::Expired));
    assert_eq!(of(json!({"exp": end, "nbf": end}), &[]), Err(Reason::NotYetValid));
    assert_eq!(of(json!({}), &[]), Err(Reason::TokenMalformed));
    assert_eq!(of(json!({}), &[("require_exp", "false")]), Ok(()));
    let parties = [("issuer", "i"), ("audience", "a")];
    assert_eq!(of(json!({"exp": end, "iss": "i", "aud": "a"}), &parties), Ok(()));
    assert_eq!(of(json!({"exp": end, "aud": "a"}), &parties), Err(Reason::IssuerMismatch));
    let path = [("path_claim", "p")];
    assert_eq!(of(json!({"exp": end, "p": "/show/*"}), &path), Ok(()));
    assert_eq!(of(json!({"exp": end, "p": ["/x", "/show/*"]}), &path), Ok(()));
    assert_eq!(of(json!({"exp": end, "p": "/show"}), &path), Err(Reason::ScopeMismatch));
    assert_eq!(of(json!({"exp": end}), &path), Err(Reason::TokenMalformed));
}
