use super::*;
use crate::testing::{Call, hmac_sign, keyset, mutate, secret, to_base64};

fn token(message: &str) -> String {
    let key = &secret("utf8:secret")[0];
    let mac = hmac_sign(key, Method::HmacSha256, message.as_bytes()).expect("a secret");
    to_base64(&mac).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

#[test]
fn a_link_is_good_for_its_time() {
    let keys = keyset(FORMAT, &[("ttl", "60")], secret("utf8:secret"));
    let token = format!("1700000000-{}", token("/a/b?c=11700000000"));
    let make = |token: &str| Call::get(&format!("https://h/a/b?c=1&verify={token}"));
    let bare = token.trim_end_matches("%3D");
    mutate(bare, &keys, 1_700_000_059, make);
    let good = make(&token).verify(&keys, 1_700_000_000);
    assert_eq!(good, Ok(("/a/b".into(), Some("c=1".into()))));
    assert_eq!(make(&token).verify(&keys, 1_700_000_060), Err(Reason::Expired));
    assert_eq!(make(&token).verify(&keys, 1_699_999_999), Err(Reason::NotYetValid));
    let after = Call::get(&format!("https://h/a/b?c=1&verify={token}&d=1"));
    assert_eq!(after.verify(&keys, 1_700_000_000), Err(Reason::TokenMalformed));
}

#[test]
fn a_path_alone_is_signed_without_a_question_mark() {
    let keys = keyset(FORMAT, &[("ttl", "60"), ("parameter", "v")], secret("utf8:secret"));
    let call = Call::get(&format!("https://h/a?v=1700000000-{}", token("/a1700000000")));
    assert_eq!(call.verify(&keys, 1_700_000_000), Ok(("/a".into(), None)));
    assert!(Cloudflare::new(&BTreeMap::new()).is_err(), "a time to live is required");
}
