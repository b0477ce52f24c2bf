use super::*;
use crate::Algorithm;
use crate::encode::to_base64url;
use crate::testing::{Call, key, keyset, mutate, to_base64url_padded};

const NOW_S: u64 = 1_700_000_000;

fn signer() -> Key {
    key("my-key", Algorithm::Ed25519, &format!("hex:{}", "09".repeat(32)))
}

fn keys() -> crate::Keyset {
    keyset(FORMAT, &[], vec![signer()])
}

fn signature(message: &str) -> Vec<u8> {
    signer().sign(message.as_bytes()).expect("a seed")
}

fn token(shown: &str, signed: &str) -> String {
    format!("{shown}~Signature={}", to_base64url(&signature(signed)))
}

fn outcome(call: &Call) -> Result<(String, Option<String>), Reason> {
    call.verify(&keys(), NOW_S)
}

#[test]
fn values_of_fields_are_signed_and_not_shown() {
    let shown = "FullPath~Expires=1700000001~Headers=X-User,X-Tier";
    let signed = "FullPath=/a.m3u8~Expires=1700000001~Headers=X-User=u1,X-Tier=gold";
    let call = Call::get(&format!("https://h/a.m3u8?edge-cache-token={}", token(shown, signed)));
    let good = call.clone().with("x-user", "u1").with("x-tier", "gold");
    assert_eq!(outcome(&good), Ok(("/a.m3u8".into(), None)));
    let other = call.clone().with("x-user", "u2").with("x-tier", "gold");
    assert_eq!(outcome(&other), Err(Reason::SignatureInvalid));
    assert_eq!(outcome(&call), Err(Reason::SignatureInvalid));
}

#[test]
fn a_field_cannot_stand_for_a_claim_left_out() {
    let ranges = to_base64url(b"9.9.9.0/24");
    let full = format!("FullPath~Expires=1700000001~Headers=X-User~IPRanges={ranges}");
    let signed = format!("FullPath=/a~Expires=1700000001~Headers=X-User=u~IPRanges={ranges}");
    let call = |shown: &str, user: &str| {
        let token = token(shown, &signed);
        Call::get(&format!("https://h/a?edge-cache-token={token}")).with("x-user", user)
    };
    assert!(outcome(&call(&full, "u").from("9.9.9.9")).is_ok());
    assert_eq!(outcome(&call(&full, "u")), Err(Reason::ClientMismatch));
    let short = "FullPath~Expires=1700000001~Headers=X-User";
    let forged = call(short, &format!("u~IPRanges={ranges}"));
    assert_eq!(outcome(&forged), Err(Reason::SignatureInvalid));
}

#[test]
fn globs_and_sessions() {
    let fields = "PathGlobs=/a/*!/b/?.ts~Starts=1700000000~Expires=1700000001~SessionID=s1";
    let call = |path: &str| {
        Call::get(&format!("https://h{path}?edge-cache-token={}", token(fields, fields)))
    };
    let (grant, _) = call("/b/1.ts").grant(&keys(), NOW_S).expect("good");
    assert_eq!(grant.session.as_deref(), Some("s1"));
    assert_eq!(outcome(&call("/c/1.ts")), Err(Reason::ScopeMismatch));
    assert_eq!(call("/a/1").verify(&keys(), NOW_S - 1), Err(Reason::NotYetValid));
    assert_eq!(call("/a/1").verify(&keys(), NOW_S + 1), Err(Reason::Expired));
}

#[test]
fn a_token_needs_a_scope_and_an_end_and_no_unknown_field() {
    for (fields, reason) in [
        ("Expires=1700000001", Reason::TokenMalformed),
        ("PathGlobs=/*", Reason::TokenMalformed),
        ("PathGlobs=/*~Expires=1700000001~Novel=1", Reason::ClaimUnsupported),
        ("PathGlobs=/*~Expires=1~Expires=1700000001", Reason::TokenMalformed),
    ] {
        let call = Call::get(&format!("https://h/a?edge-cache-token={}", token(fields, fields)));
        assert_eq!(outcome(&call), Err(reason), "{fields}");
    }
}

#[test]
fn a_prefix_never_ends_within_the_host() {
    let below = |prefix: &str, url: &str| {
        let fields = format!("URLPrefix={}~Expires=1700000001", to_base64url(prefix.as_bytes()));
        outcome(&Call::get(&format!("{url}?edge-cache-token={}", token(&fields, &fields)))).is_ok()
    };
    assert!(below("https://h/a", "https://h/ab/c"));
    assert!(below("https://h", "https://h/ab"));
    assert!(!below("https://h", "https://h.evil/ab"));
    assert!(!below("https://h", "http://h/ab"));
    assert!(!below("h", "https://h/ab"));
    assert!(!below("https://h/a/", "https://h/ab"));
}

#[test]
fn a_url_with_a_prefix_signs_its_own_parameters() {
    let prefix = to_base64url_padded(b"https://h/show/");
    let own = format!("URLPrefix={prefix}&Expires=1700000001&KeyName=my-key");
    let signed = to_base64url_padded(&signature(&own));
    let call = |path: &str| Call::get(&format!("https://h{path}?q=1&{own}&Signature={signed}"));
    assert_eq!(outcome(&call("/show/1.ts")), Ok(("/show/1.ts".into(), Some("q=1".into()))));
    assert_eq!(outcome(&call("/other/1.ts")), Err(Reason::ScopeMismatch));
}

#[test]
fn a_signed_url_ends_with_its_signature() {
    let url = "https://h/a?q=1&Expires=1700000001&KeyName=my-key";
    let signed = to_base64url_padded(&signature(url));
    let call = |more: &str| Call::get(&format!("{url}&Signature={signed}{more}"));
    assert_eq!(outcome(&call("")), Ok(("/a".into(), Some("q=1".into()))));
    assert_eq!(outcome(&call("&x=1")), Err(Reason::TokenMalformed));
}

#[test]
fn a_path_component_opens_what_lies_below() {
    let above = "https://h/show";
    let own = "edge-cache-token=Expires=1700000001&KeyName=my-key";
    let signed = to_base64url(&signature(&format!("{above}/{own}")));
    let make = |signed: &str| Call::get(&format!("{above}/{own}&Signature={signed}/1/a.ts?q=1"));
    assert_eq!(outcome(&make(&signed)), Ok(("/show/1/a.ts".into(), Some("q=1".into()))));
    mutate(&signed, &keys(), NOW_S, make);
    let elsewhere = Call::get(&format!("https://h/other/{own}&Signature={signed}/1/a.ts"));
    assert_eq!(outcome(&elsewhere), Err(Reason::SignatureInvalid));
}
