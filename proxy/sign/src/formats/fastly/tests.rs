use super::*;
use crate::encode::to_hex;
use crate::testing::{Call, hmac_sign, keyset, mutate, secret};

const KEY: &str = "iqFPeN2u+Z0Lm5IrsKaOFKRqEU5Gw8ePtaEkHZWuD24=";

#[test]
fn the_older_sample_of_the_vendor() {
    let keys = keyset(FORMAT, &[], secret(KEY));
    let token = "1536399430_2ff701d4b75cbafce1919e87647b07177fa7bee2";
    let make = |token: &str| Call::get(&format!("https://h/foo/bar.html?token={token}&a=1"));
    mutate(token, &keys, 1_536_399_429, make);
    assert_eq!(make(token).verify(&keys, 1_536_399_430), Err(Reason::Expired));
    assert_eq!(Reason::Expired.status(), 410);
    assert_eq!(Reason::SignatureInvalid.status(), 403);
}

#[test]
fn sha256_is_told_by_its_length() {
    let keys = keyset(FORMAT, &[], secret(KEY));
    let mac = hmac_sign(&secret(KEY)[0], Method::HmacSha256, b"/a1700000000").expect("a secret");
    let token = format!("1700000000_{}", to_hex(&mac));
    let make = |token: &str| Call::get(&format!("https://h/a?token={token}"));
    mutate(&token, &keys, 1_699_999_999, make);
}

#[test]
fn the_path_may_be_signed_as_it_was_sent() {
    let keys = keyset(FORMAT, &[], secret(KEY));
    let mac = hmac_sign(&secret(KEY)[0], Method::HmacSha256, b"/%61/./b1700000000").expect("a key");
    let url = format!("https://h/a/b?token=1700000000_{}", to_hex(&mac));
    let mut call = Call::get(&url);
    assert_eq!(call.verify(&keys, 1), Err(Reason::SignatureInvalid));
    call.path_sent = Some("/%61/./b".to_owned());
    assert_eq!(call.verify(&keys, 1), Ok(("/a/b".into(), None)));
    call.path_sent = Some("/%61/b".to_owned());
    assert_eq!(call.verify(&keys, 1), Err(Reason::SignatureInvalid));
}
