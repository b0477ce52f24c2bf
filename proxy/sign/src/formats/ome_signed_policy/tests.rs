use super::*;
use crate::encode::to_base64url;
use crate::testing::{Call, hmac_sign, keyset, secret};

const NOW_S: u64 = 1_700_000_000;

fn outcome(policy: &str, scheme: &str) -> Result<(String, Option<String>), Reason> {
    let policy = to_base64url(policy.as_bytes());
    let signed = format!("{scheme}://h:8443/app/stream?x=1&policy={policy}");
    let key = &secret("utf8:secret")[0];
    let mac = hmac_sign(key, Method::HmacSha1, signed.as_bytes()).expect("a secret");
    let url = signed.replace(scheme, "https");
    let call = Call::get(&format!("{url}&signature={}", to_base64url(&mac)));
    call.verify(&keyset(FORMAT, &[], secret("utf8:secret")), NOW_S)
}

#[test]
fn a_policy_is_kept() {
    let good = Ok(("/app/stream".into(), Some("x=1".into())));
    assert_eq!(outcome(r#"{"url_expire":1700000001000}"#, "https"), good);
    assert_eq!(outcome(r#"{"url_expire":1700000001000}"#, "wss"), good);
    assert_eq!(outcome(r#"{"url_expire":1700000001000}"#, "rtmp"), Err(Reason::SignatureInvalid));
    let of = |policy: &str| outcome(policy, "https");
    assert_eq!(of(r#"{"url_expire":1700000000000}"#), Err(Reason::Expired));
    assert_eq!(of("{}"), Err(Reason::TokenMalformed));
    assert_eq!(of("[]"), Err(Reason::TokenMalformed));
    let with = |more: &str| of(&format!("{{\"url_expire\":1700000001000,{more}}}"));
    assert_eq!(with(r#""url_activate":1700000002000"#), Err(Reason::NotYetValid));
    assert_eq!(with(r#""allow_ip":"1.2.3.0/24","stream_expire":1"#), good);
    assert_eq!(with(r#""allow_ip":"1.2.4.0/24""#), Err(Reason::ClientMismatch));
    assert_eq!(with(r#""novel":1"#), Err(Reason::ClaimUnsupported));
}
