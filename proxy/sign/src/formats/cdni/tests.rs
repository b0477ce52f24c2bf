use serde_json::json;

use super::*;
use crate::Algorithm;
use crate::encode::to_base64url;
use crate::testing::{Call, key, keyset, secret};

const NOW_S: u64 = 1_474_243_400;
const SIGNER: &str = "utf8:0123456789abcdef";
const JWE_KEY_ID: &str = "f-WbjxBC3dPuI3d24kP2hfvos7Qz688UTi6aB0hN998";
const JWE: &str = "eyJhbGciOiJkaXIiLCJraWQiOiJmLVdianhCQzNkUHVJM2QyNGtQMmhmdm9zN1F6Njg4VVRpNmFCMGhOO\
                   Tk4IiwiZW5jIjoiQTEyOEdDTSJ9..oGLsnF8fLlFcUXK0.KFfBBH_FPYFu-RBFBR3rhQ.6_MVaa4t7JiVX\
                   2IgUkZ3jA";

fn token(claims: Value) -> String {
    let Value::Object(claims) = claims else { panic!("no object") };
    jose::sign(&Claims(claims), &secret(SIGNER)[0]).expect("a secret")
}

fn keys() -> Vec<Key> {
    vec![
        key("k1", Algorithm::HmacSha256, SIGNER),
        key(JWE_KEY_ID, Algorithm::HmacSha256, "4uFxxV7fhNmrtiah2d1fFg"),
    ]
}

fn outcome(call: &Call, settings: &[(&str, &str)]) -> Result<(String, Option<String>), Reason> {
    call.verify(&keyset(FORMAT, settings, keys()), NOW_S)
}

fn of(claims: Value, url: &str) -> Result<(), Reason> {
    outcome(&Call::get(&format!("{url}?URISigningPackage={}", token(claims))), &[]).map(|_| ())
}

#[test]
fn a_pattern_is_anchored() {
    let claims = json!({"cdniuc": r"regex:http://cdni\.example/foo/bar/[0-9]{3}\.png"});
    let at = |url| of(claims.clone(), url);
    assert_eq!(at("http://cdni.example/foo/bar/123.png"), Ok(()));
    assert_eq!(at("http://cdni.example/foo/bar/1234.png"), Err(Reason::ScopeMismatch));
    assert_eq!(at("http://cdni.example/foo/bar/123.pngx"), Err(Reason::ScopeMismatch));
    assert_eq!(at("http://evil/http://cdni.example/foo/bar/123.png"), Err(Reason::ScopeMismatch));
    let either = json!({"cdniuc": "regex:http://h/a|http://h/b"});
    assert_eq!(of(either.clone(), "http://h/b"), Ok(()));
    assert_eq!(of(either, "http://h/bc"), Err(Reason::ScopeMismatch));
    let open = json!({"cdniuc": "regex:x)|(?:.*"});
    assert_eq!(of(open, "http://h/b"), Err(Reason::TokenMalformed));
    let huge = json!({"cdniuc": "regex:(a{1000}){1000}"});
    assert_eq!(of(huge, "http://h/b"), Err(Reason::TokenMalformed));
}

#[test]
fn the_complex_sample_of_the_rfc() {
    let claims = json!({
        "aud": "dCDN LLC", "sub": "UserToken", "cdniip": JWE, "cdniv": 1, "exp": 1_474_243_500,
        "iat": 1_474_243_200, "nbf": 1_474_243_200, "iss": "uCDN Inc", "jti": "5DAafLhZAfhsbe",
        "cdniuc": r"regex:http://cdni\.example/foo/bar/[0-9]{3}\.png",
    });
    let url = "http://cdni.example/foo/bar/123.png";
    let call = Call::get(&format!("{url}?URISigningPackage={}", token(claims)));
    let parties = [("issuer", "uCDN Inc"), ("audience", "dCDN LLC")];
    let inside = call.clone().from("2001:db8:ffff::9");
    let keyset = keyset(FORMAT, &parties, keys());
    let (grant, _) = inside.grant(&keyset, NOW_S).expect("good");
    assert_eq!(grant.token_id.as_deref(), Some("5DAafLhZAfhsbe"));
    assert_eq!(inside.verify(&keyset, 1_474_243_199), Err(Reason::NotYetValid));
    assert_eq!(inside.verify(&keyset, 1_474_243_500), Err(Reason::Expired));
    assert_eq!(call.from("2001:db9::1").verify(&keyset, NOW_S), Err(Reason::ClientMismatch));
}

#[test]
fn claims_that_are_not_understood_are_refused() {
    let at = |claims| of(claims, "http://h/a");
    assert_eq!(at(json!({"cdnicrit": "cdniuc,cdniip"})), Ok(()));
    assert_eq!(at(json!({"cdnicrit": "novel"})), Err(Reason::ClaimUnsupported));
    assert_eq!(at(json!({"cdnicrit": ["novel"]})), Err(Reason::ClaimUnsupported));
    assert_eq!(at(json!({"cdniv": 2})), Err(Reason::ClaimUnsupported));
    assert_eq!(at(json!({"cdniuc": "hash:md5;x"})), Err(Reason::ClaimUnsupported));
    assert_eq!(at(json!({"cdniip": "1.2.3.4"})), Err(Reason::TokenMalformed));
    let issuer = [("issuer", "i")];
    let call = Call::get(&format!("http://h/a?URISigningPackage={}", token(json!({}))));
    assert_eq!(outcome(&call, &issuer).map(|_| ()), Err(Reason::IssuerMismatch));
}

#[test]
fn it_travels_in_four_ways() {
    let token = token(json!({"cdniuc": "regex:https://h/v/a\\.ts\\?x=1"}));
    let good = Ok(("/v/a.ts".to_owned(), Some("x=1".to_owned())));
    for url in [
        format!("https://h/v/a.ts?x=1&URISigningPackage={token}"),
        format!("https://h/v/a.ts;URISigningPackage={token}?x=1"),
        format!("https://h/v;URISigningPackage={token}/a.ts?x=1"),
        format!("https://h/URISigningPackage={token}/v/a.ts?x=1"),
    ] {
        assert_eq!(outcome(&Call::get(&url), &[]), good, "{url}");
    }
    let call = Call::get("https://h/v/a.ts?x=1");
    let cookie = call.with("cookie", &format!("a=1; URISigningPackage={token}"));
    assert_eq!(outcome(&cookie, &[]), good);
}

#[test]
fn an_old_cookie_does_not_hide_the_new_one() {
    let old = token(json!({"exp": NOW_S - 1}));
    let new = token(json!({"exp": NOW_S + 1}));
    let name = "URISigningPackage";
    let call = Call::get("https://h/a").with("cookie", &format!("{name}={old}; {name}={new}"));
    assert!(outcome(&call, &[]).is_ok());
    let split = Call::get("https://h/a").with("cookie", &format!("{name}={old}"));
    assert_eq!(outcome(&split, &[]), Err(Reason::Expired));
    assert!(outcome(&split.with("cookie", &format!("{name}={new}")), &[]).is_ok());
}

#[test]
fn a_token_is_renewed_from_now_on() {
    let claims = json!({
        "cdniets": 30, "cdnistt": 1, "cdnistd": 1, "exp": NOW_S + 100,
        "cdniuc": "regex:https://h/v/.*", "iss": "i",
    });
    let keys = keyset(FORMAT, &[], keys());
    let call = Call::get(&format!("https://h/v/1.ts?URISigningPackage={}", token(claims)));
    let (grant, _) = call.grant(&keys, NOW_S).expect("good");
    let cookie = grant.set_cookie.expect("a next token");
    let (pair, attributes) = cookie.split_once("; ").expect("attributes");
    assert_eq!(attributes, "Path=/v; Max-Age=30; HttpOnly; Secure");
    let next = Call::get("https://h/v/2.ts").with("cookie", pair);
    assert!(next.verify(&keys, NOW_S + 29).is_ok());
    assert_eq!(next.verify(&keys, NOW_S + 30), Err(Reason::Expired));
    // Without a key that can sign there is no next token, and the request still passes.
    let short = || secret("utf8:short");
    let weak = jose::sign(&Claims(serde_json::Map::new()), &short()[0]);
    assert_eq!(weak, None);
}

#[test]
fn cookie_paths_have_their_depth() {
    assert_eq!(cookie_path("/a/b/c.ts", 0), "/");
    assert_eq!(cookie_path("/a/b/c.ts", 1), "/a");
    assert_eq!(cookie_path("/a/b/c.ts", 2), "/a/b");
    assert_eq!(cookie_path("/a/b/c.ts", 9), "/a/b/c.ts");
    assert_eq!(cookie_path("/a/b/c.ts", -1), "/a/b/c.ts");
}

#[test]
fn a_hash_may_be_cut_and_spelled_for_urls() {
    let uri = "http://h/a?b=1";
    let hash = digest::digest(&digest::SHA256, uri.as_bytes());
    let of = |name: &str, value: &[u8]| {
        let value = to_base64url(value);
        let claims = json!({"cdniuc": format!("hash:{name};{value}")});
        outcome(&Call::get(&format!("{uri}&URISigningPackage={}", token(claims))), &[]).map(|_| ())
    };
    let whole = hash.as_ref();
    assert_eq!(of("sha-256", whole), Ok(()));
    assert_eq!(of("sha-256-128", &whole[..16]), Ok(()));
    assert_eq!(of("sha-256-120", &whole[..15]), Ok(()));
    assert_eq!(of("sha-256-96", &whole[..12]), Ok(()));
    assert_eq!(of("sha-256-128", whole), Err(Reason::ScopeMismatch));
    assert_eq!(of("sha-256-32", &whole[..4]), Err(Reason::ClaimUnsupported));
    assert_eq!(of("sha-256", b""), Err(Reason::ScopeMismatch));
}
