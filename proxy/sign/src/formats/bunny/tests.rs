use super::*;
use crate::encode::to_base64url;
use crate::testing::{Call, hmac_sign, keyset, secret};

const NOW_S: u64 = 1_700_000_000;
const END: &str = "1700003600";

fn token(message: &[&[u8]], flag: &str) -> String {
    let key = &secret("utf8:SecurityKey")[0];
    let mac = hmac_sign(key, Method::HmacSha256, &message.concat()).expect("a secret");
    format!("HS256-{flag}{}", to_base64url(&mac))
}

fn outcome(call: &Call, settings: &[(&str, &str)]) -> Result<(String, Option<String>), Reason> {
    call.verify(&keyset(FORMAT, settings, secret("utf8:SecurityKey")), NOW_S)
}

#[test]
fn the_path_form_opens_a_folder() {
    let token = token(&[b"/abc/", END.as_bytes(), b"token_path=/abc/"], "");
    let at = |path: &str| {
        Call::get(&format!(
            "https://h/bcdn_token={token}&token_path=%2Fabc%2F&expires={END}{path}?q=1"
        ))
    };
    assert_eq!(outcome(&at("/abc/1.ts"), &[]), Ok(("/abc/1.ts".into(), Some("q=1".into()))));
    assert_eq!(outcome(&at("/abd/1.ts"), &[]), Err(Reason::ScopeMismatch));
}

#[test]
fn countries_are_allowed_or_blocked() {
    let token = token(&[b"/a", END.as_bytes(), b"token_countries=DE,AT"], "");
    let call = Call::get(&format!("https://h/a?token={token}&token_countries=DE,AT&expires={END}"));
    assert!(outcome(&call.clone().inside("AT"), &[]).is_ok());
    assert_eq!(outcome(&call.clone().inside("CH"), &[]), Err(Reason::CountryMismatch));
    assert_eq!(outcome(&call, &[]), Err(Reason::CountryMismatch));
}

#[test]
fn parameters_are_signed_plain_and_sorted() {
    let token = token(&[b"/a", END.as_bytes(), b"b=x y&c=1"], "");
    let of = |query: &str| {
        outcome(&Call::get(&format!("https://h/a?token={token}&{query}&expires={END}")), &[])
    };
    assert_eq!(of("c=1&b=x%20y"), Ok(("/a".into(), Some("c=1&b=x%20y".into()))));
    assert_eq!(of("c=2&b=x%20y"), Err(Reason::SignatureInvalid));
    assert_eq!(of("c=1&b=x%20y&d=1"), Err(Reason::SignatureInvalid));
    assert_eq!(of("c=1&c=1&b=x%20y"), Err(Reason::TokenMalformed));
}

#[test]
fn a_digit_cannot_move_from_the_path_to_the_end() {
    let token = token(&[b"/a/1", END.as_bytes()], "");
    let of = |path: &str, end: &str| {
        outcome(&Call::get(&format!("https://h{path}?token={token}&expires={end}")), &[])
    };
    assert!(of("/a/1", END).is_ok());
    assert_eq!(of("/a/", &format!("1{END}")), Err(Reason::TokenMalformed));
}

#[test]
fn an_address_binds() {
    let v6 = "2001:db8:1:2:3:4:5:6";
    let masked: std::net::Ipv6Addr = "2001:db8:1:2::".parse().expect("an address");
    let bound = token(&[b"/a", END.as_bytes(), &masked.octets()], "1-");
    let call = Call::get(&format!("https://h/a?token={bound}&expires={END}"));
    assert!(outcome(&call.clone().from(v6), &[]).is_ok());
    assert!(outcome(&call.clone().from("2001:db8:1:2::9"), &[]).is_ok());
    assert!(outcome(&call.from("2001:db8:1:3::9"), &[]).is_err());

    let old = token(&[b"/a", END.as_bytes(), b"1.2.3.4"], "");
    let call = Call::get(&format!("https://h/a?token={old}&expires={END}"));
    assert_eq!(outcome(&call, &[]), Err(Reason::SignatureInvalid));
    let legacy = [("legacy_ip", "true")];
    assert!(outcome(&call, &legacy).is_ok());
    assert_eq!(outcome(&call.from("1.2.3.5"), &legacy), Err(Reason::SignatureInvalid));
}

#[test]
fn a_token_inside_the_path_is_not_looked_for_in_the_path_as_sent() {
    // Dot segments would put another file behind a good token.
    let keys = keyset(FORMAT, &[], secret("utf8:SecurityKey"));
    let token = "HS256-o10JRWlsAItyAsdKS6jJKjabHN4FrFsplDHPV1idcX4&expires=1598024587";
    let good = format!("/bcdn_token={token}/300kb.jpg");
    let mut call = Call::get(&format!("https://h{good}"));
    assert!(call.verify(&keys, 1_598_024_586).is_ok());
    call.path = format!("/bcdn_token={}/secret", token.replace("o10", "o11"));
    call.path_sent = Some(format!("{good}/../..{}", call.path));
    assert_eq!(call.verify(&keys, 1_598_024_586), Err(Reason::SignatureInvalid));
}

#[test]
fn a_bare_hash_is_one_of_the_older_forms() {
    let key = b"SecurityKey";
    let hash = |parts: &[&[u8]]| {
        to_base64url(digest(&SHA256, &[&key[..], &parts.concat()].concat()).as_ref())
    };
    let of = |token: &str, path: &str, more: &str, settings: &[(&str, &str)]| {
        let url = format!("https://h{path}?token={token}&expires={END}{more}");
        outcome(&Call::get(&url), settings).map(|_| ())
    };
    let plain = hash(&[b"/a/", END.as_bytes(), b"token_path=/a/"]);
    assert_eq!(of(&plain, "/a/1.ts", "&token_path=%2Fa%2F", &[]), Ok(()));
    assert_eq!(of(&plain, "/b/1.ts", "&token_path=%2Fa%2F", &[]), Err(Reason::ScopeMismatch));
    assert_eq!(of(&plain, "/a/", "", &[]), Err(Reason::SignatureInvalid));
    let bound = hash(&[b"/a", END.as_bytes(), b"1.2.3.4"]);
    assert_eq!(of(&bound, "/a", "", &[("legacy_ip", "true")]), Ok(()));
    assert_eq!(of(&bound, "/a", "", &[]), Err(Reason::SignatureInvalid));
}

#[test]
fn the_basic_form_signs_path_and_end() {
    let hash = |parts: &[&[u8]]| {
        to_base64url(&Md5::digest([&b"SecurityKey"[..], &parts.concat()].concat()))
    };
    let of = |token: &str, path: &str, more: &str| {
        let url = format!("https://h{path}?token={token}&expires={END}{more}");
        outcome(&Call::get(&url), &[]).map(|_| ())
    };
    for token in [hash(&[b"/a", END.as_bytes()]), hash(&[b"/a", END.as_bytes(), b"1.2.3.4"])] {
        assert_eq!(of(&token, "/a", ""), Ok(()));
        assert_eq!(of(&format!("{token}=="), "/a", "&x=1"), Ok(()));
        assert_eq!(of(&token, "/b", ""), Err(Reason::SignatureInvalid));
        // A folder that nobody signed does not widen it.
        assert_eq!(of(&token, "/a/b", "&token_path=/a"), Err(Reason::SignatureInvalid));
    }
    let other = hash(&[b"/a", END.as_bytes(), b"1.2.3.5"]);
    assert_eq!(of(&other, "/a", ""), Err(Reason::SignatureInvalid));
}
