use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Algorithm;
use crate::testing::{key, secret};

const JWE: &str = "eyJhbGciOiJkaXIiLCJraWQiOiJmLVdianhCQzNkUHVJM2QyNGtQMmhmdm9zN1F6Njg4VVRpNmFCMGhOO\
                   Tk4IiwiZW5jIjoiQTEyOEdDTSJ9..oGLsnF8fLlFcUXK0.KFfBBH_FPYFu-RBFBR3rhQ.6_MVaa4t7JiVX\
                   2IgUkZ3jA";
const JWE_KEY_ID: &str = "f-WbjxBC3dPuI3d24kP2hfvos7Qz688UTi6aB0hN998";

fn claims(json: Value) -> Claims {
    match json {
        Value::Object(claims) => Claims(claims),
        other => panic!("{other} is no object"),
    }
}

fn parts(header: &str, payload: &str, key: &Key) -> String {
    let text = format!("{}.{}", to_base64url(header.as_bytes()), to_base64url(payload.as_bytes()));
    let mac = key.sign(text.as_bytes()).expect("a key that signs");
    format!("{text}.{}", to_base64url(&mac))
}

fn signer() -> Vec<Key> {
    secret("utf8:0123456789abcdef0123456789abcdef")
}

#[test]
fn what_is_signed_is_read_back() {
    let claims = claims(json!({"iss": "i", "exp": 12.9}));
    let seed = key("e", Algorithm::Ed25519, &format!("hex:{}", "07".repeat(32)));
    for keys in [signer(), vec![seed]] {
        let token = sign(&claims, &keys[0]).expect("a key that signs");
        let (read, by) = verify(&token, &keys).expect("good");
        assert_eq!((read, by.id()), (claims.clone(), keys[0].id()));
    }
    assert_eq!(claims.seconds("exp"), Ok(Some(12)));
}

#[test]
fn a_key_is_never_used_in_another_way() {
    let public = key("k1", Algorithm::Ed25519Public, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
    let as_secret = Key::new("k1", Algorithm::HmacSha256, public.ed25519_public().expect("bytes"));
    let forged = parts(r#"{"alg":"HS256"}"#, "{}", &as_secret.expect("a key"));
    assert_eq!(verify(&forged, &[public]).map(|_| ()), Err(Reason::KeyUnknown));
}

#[test]
fn headers_that_ask_for_more_are_refused() {
    let keys = signer();
    let of = |header: &str| verify(&parts(header, "{}", &keys[0]), &keys).map(|_| ());
    assert_eq!(of(r#"{"alg":"HS256"}"#), Ok(()));
    assert_eq!(of(r#"{"alg":"HS256","kid":"k1","typ":"x"}"#), Ok(()));
    assert_eq!(of(r#"{"alg":"HS256","kid":"k2"}"#), Err(Reason::KeyUnknown));
    assert_eq!(of(r#"{"alg":"none"}"#), Err(Reason::KeyUnknown));
    assert_eq!(of(r#"{"alg":"ES256"}"#), Err(Reason::KeyUnknown));
    assert_eq!(of(r#"{"alg":"HS512"}"#), Err(Reason::SignatureInvalid));
    assert_eq!(of(r#"{"alg":"HS256","crit":["b64"]}"#), Err(Reason::ClaimUnsupported));
    assert_eq!(of("{}"), Err(Reason::TokenMalformed));
    assert_eq!(of("[]"), Err(Reason::TokenMalformed));
}

#[test]
fn payloads_must_be_objects_of_some_size() {
    let keys = signer();
    let of =
        |payload: &str| verify(&parts(r#"{"alg":"HS256"}"#, payload, &keys[0]), &keys).map(|_| ());
    assert_eq!(of("[1]"), Err(Reason::TokenMalformed));
    assert_eq!(of(&"[".repeat(2000)), Err(Reason::TokenMalformed));
    let many: Vec<String> = (0..65).map(|n| format!("\"c{n}\":1")).collect();
    assert_eq!(of(&format!("{{{}}}", many.join(","))), Err(Reason::TokenMalformed));
    assert_eq!(of(&format!("{{\"a\":\"{}\"}}", "x".repeat(9000))), Err(Reason::TokenMalformed));
}

#[test]
fn the_sample_of_rfc_9246_decrypts() {
    let keys = vec![key(JWE_KEY_ID, Algorithm::HmacSha256, "4uFxxV7fhNmrtiah2d1fFg")];
    assert_eq!(decrypt(JWE, &keys), Ok(b"[2001:db8::1/32]".to_vec()));
    let changed = JWE.replace(".KFfB", ".KFfC");
    assert_eq!(decrypt(&changed, &keys), Err(Reason::SignatureInvalid));
    assert_eq!(decrypt(JWE, &signer()), Err(Reason::KeyUnknown));
    assert_eq!(decrypt("a.b", &keys), Err(Reason::TokenMalformed));
}

#[test]
fn parties_are_checked_when_they_are_configured() {
    let one = claims(json!({"iss": "i", "aud": "a"}));
    let two = claims(json!({"aud": ["b", "a"]}));
    assert_eq!(one.check_parties(Some("i"), Some("a")), Ok(()));
    assert_eq!(two.check_parties(None, Some("a")), Ok(()));
    assert_eq!(two.check_parties(Some("i"), None), Err(Reason::IssuerMismatch));
    assert_eq!(one.check_parties(None, Some("b")), Err(Reason::IssuerMismatch));
    let odd = claims(json!({"iss": 1, "exp": "soon", "nbf": -1}));
    assert_eq!(odd.check_parties(Some("i"), None), Err(Reason::TokenMalformed));
    assert_eq!(odd.seconds("exp"), Err(Reason::TokenMalformed));
    assert_eq!(odd.seconds("nbf"), Err(Reason::TokenMalformed));
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "[\\PC.]{0,100}", json in "\\{[ -~]{0,60}\\}") {
        let keys = signer();
        let _ = (verify(&text, &keys), decrypt(&text, &keys));
        let token = parts(&json, &json, &keys[0]);
        let _ = (verify(&token, &keys), decrypt(&token, &keys));
    }
}
