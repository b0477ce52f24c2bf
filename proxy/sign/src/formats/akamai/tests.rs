use super::*;
use crate::encode::to_hex;
use crate::testing::{Call, hmac_sign, keyset, secret};

const KEY: &str = "hex:52a152a152a152a152a152a152a1";
const NOW_S: u64 = 1_700_000_000;

fn token(fields: &str, hidden: &str) -> String {
    let key = &secret(KEY)[0];
    let message = [fields, hidden].concat();
    let mac = hmac_sign(key, Method::HmacSha256, message.as_bytes()).expect("a secret");
    format!("{fields}~hmac={}", to_hex(&mac))
}

fn outcome(token: &str, settings: &[(&str, &str)]) -> Result<(), Reason> {
    let keys = keyset(FORMAT, settings, secret(KEY));
    Call::get(&format!("https://h/video/1.ts?__token__={token}")).verify(&keys, NOW_S).map(|_| ())
}

#[test]
fn an_acl_is_a_list_of_anchored_globs() {
    let with = |acl: &str| outcome(&token(&format!("exp=1700003600~acl={acl}"), ""), &[]);
    assert_eq!(with("/other/*!/video/*"), Ok(()));
    assert_eq!(with("/video/?.ts"), Ok(()));
    assert_eq!(with("/vide*s"), Ok(()));
    assert_eq!(with("/video"), Err(Reason::ScopeMismatch));
    assert_eq!(with("video/*"), Err(Reason::ScopeMismatch));
}

#[test]
fn an_address_is_compared_as_an_address() {
    let with = |ip: &str| outcome(&token(&format!("ip={ip}~exp=1700003600~acl=/*"), ""), &[]);
    assert_eq!(with("1.2.3.4"), Ok(()));
    assert_eq!(with("%3a%3affff%3a1.2.3.4"), Ok(()));
    assert_eq!(with("1.2.3.5"), Err(Reason::ClientMismatch));
    assert_eq!(with("x"), Err(Reason::TokenMalformed));
}

#[test]
fn salt_is_signed_and_not_shown() {
    let salted = token("exp=1700003600~acl=/*", "~salt=pepper");
    assert_eq!(outcome(&salted, &[("salt", "pepper")]), Ok(()));
    assert_eq!(outcome(&salted, &[]), Err(Reason::SignatureInvalid));
    let url = token("exp=1700003600", "~url=/video/1.ts~salt=pepper");
    assert_eq!(outcome(&url, &[("salt", "pepper")]), Ok(()));
}

#[test]
fn what_is_not_a_token_is_malformed() {
    for fields in ["acl=/*", "exp=x~acl=/*", "exp=1~exp=1700003600~acl=/*", "exp=1700003600~foo=1"]
    {
        assert!(outcome(&token(fields, "~url=/video/1.ts"), &[]).is_err(), "{fields}");
    }
    assert_eq!(outcome("exp=1~hmac=AB", &[]), Err(Reason::TokenMalformed));
    assert_eq!(outcome("", &[]), Err(Reason::TokenMalformed));
}

#[test]
fn cookies_and_fields_carry_it_too() {
    let token = token("exp=1700003600~acl=/*~id=viewer", "");
    let settings = [("parameter", "hdnts"), ("header", "X-Token")];
    let keys = keyset(FORMAT, &settings, secret(KEY));
    let call = Call::get("https://h/video/1.ts?a=1");
    let cookie = call.clone().with("cookie", &format!("hdnts={token}"));
    let (grant, rest) = cookie.grant(&keys, NOW_S).expect("good");
    assert_eq!(grant.session.as_deref(), Some("viewer"));
    assert_eq!(rest, ("/video/1.ts".into(), Some("a=1".into())));
    assert!(call.clone().with("x-token", &token).verify(&keys, NOW_S).is_ok());
    assert_eq!(call.verify(&keys, NOW_S), Err(Reason::TokenMissing));
}
