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

#[test]
fn every_hash_of_the_signers_is_known() {
    let fields = "exp=1700003600~acl=/video/*";
    let key = &secret(KEY)[0];
    let signed = |mac: &[u8]| format!("{fields}~hmac={}", to_hex(mac));
    let md5 = signed(&crypto::hmac_md5(key.secret().unwrap(), fields.as_bytes()));
    assert_eq!(outcome(&md5, &[("hash", "md5")]), Ok(()));
    assert_eq!(outcome(&md5, &[]), Err(Reason::SignatureInvalid));
    let sha1 = signed(&hmac_sign(key, Method::HmacSha1, fields.as_bytes()).unwrap());
    assert_eq!(outcome(&sha1, &[("hash", "sha1")]), Ok(()));
    assert_eq!(outcome(&sha1, &[("hash", "md5")]), Err(Reason::SignatureInvalid));
}

/// RFC 2202 2, cases 1, 2, 6.
#[test]
fn md5_macs_are_those_of_the_rfc() {
    let mac = |key: &[u8], text: &str| to_hex(&crypto::hmac_md5(key, text.as_bytes()));
    assert_eq!(mac(&[0x0b; 16], "Hi There"), "9294727a3638bb1c13f48ef8158bfc9d");
    assert_eq!(mac(b"Jefe", "what do ya want for nothing?"), "750c783e6ab0b503eaa86e310a5db738");
    let long = "Test Using Larger Than Block-Size Key - Hash Key First";
    assert_eq!(mac(&[0xaa; 80], long), "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
}

#[test]
fn each_language_escapes_the_url_in_its_own_way() {
    let settings = [("salt", "s")];
    let keys = keyset(FORMAT, &settings, secret(KEY));
    for signed in [
        "/a~(b)*'!.ts",
        "%2fa~%28b%29%2a%27%21.ts",
        "%2fa%7e(b)%2a%27!.ts",
        "%2fa%7e%28b%29*%27%21.ts",
        "/a~(b)*'!.ts?q=1",
        "%2fa~%28b%29%2a%27%21.ts%3fq%3d1",
    ] {
        let token = token("exp=1700003600", &format!("~url={signed}~salt=s"));
        let at = |path: &str| {
            Call::get(&format!("https://h{path}?q=1&__token__={token}")).verify(&keys, NOW_S)
        };
        assert_eq!(at("/a~(b)*'!.ts"), Ok(("/a~(b)*'!.ts".into(), Some("q=1".into()))), "{signed}");
        assert_eq!(at("/a~(b)*'!.tS"), Err(Reason::SignatureInvalid), "{signed}");
    }
}

#[test]
fn a_list_may_be_escaped_as_a_whole() {
    let with = |acl: &str| outcome(&token(&format!("exp=1700003600~acl={acl}"), ""), &[]);
    assert_eq!(with("%2fother%2f*%21%2fvideo%2f*"), Ok(()));
    assert_eq!(with("%2fvideo%2f%2a"), Ok(()));
    // An escape within a list that is not escaped is a part of the path.
    assert_eq!(with("/video/%2a"), Err(Reason::ScopeMismatch));
}

#[test]
fn delimiters_are_settings() {
    let fields = "st=1699999999|exp=1700003600|acl=/other/*,/video/*";
    let key = &secret(KEY)[0];
    let mac = hmac_sign(key, Method::HmacSha256, [fields, "|salt=s"].concat().as_bytes()).unwrap();
    let token = format!("{fields}|hmac={}", to_hex(&mac));
    let own = [("field_delimiter", "|"), ("acl_delimiter", ","), ("salt", "s")];
    assert_eq!(outcome(&token, &own), Ok(()));
    assert_eq!(outcome(&token, &[("salt", "s")]), Err(Reason::TokenMalformed));
    assert_eq!(outcome(&token, &own[..1]), Err(Reason::SignatureInvalid));
}
