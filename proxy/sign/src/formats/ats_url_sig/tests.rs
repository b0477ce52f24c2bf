use super::*;
use crate::Algorithm;
use crate::encode::to_hex;
use crate::testing::{Call, hmac_sign, key, keyset};

fn call(signed: &str, url: &str, query: &str) -> Call {
    let key = key("1", Algorithm::HmacSha256, "utf8:secret");
    let mac = hmac_sign(&key, Method::HmacSha1, format!("{signed}?{query}").as_bytes());
    Call::get(&format!("{url}?{query}{}", to_hex(&mac.expect("a secret"))))
}

fn outcome(call: &Call) -> Result<(String, Option<String>), Reason> {
    let keys = vec![key("1", Algorithm::HmacSha256, "utf8:secret")];
    call.verify(&keyset(FORMAT, &[], keys), 1_700_000_000)
}

#[test]
fn parts_are_chosen_digit_by_digit() {
    let url = "http://h.example/a/b/c.ts";
    let query = |parts: &str| format!("E=1700000001&A=1&K=1&P={parts}&S=");
    for (parts, signed) in [
        ("1", "h.example/a/b/c.ts"),
        ("01", "a/b/c.ts"),
        ("110", "h.example/a"),
        ("0110", "a/b"),
        ("10", "h.example"),
    ] {
        assert_eq!(outcome(&call(signed, url, &query(parts))), Ok(("/a/b/c.ts".into(), None)));
    }
    let other = call("h.example/a/b/c.ts", "http://h.example/a/b/d.ts", &query("1"));
    assert_eq!(outcome(&other), Err(Reason::SignatureInvalid));
    for parts in ["", "0", "000", "12", "1x"] {
        assert_eq!(outcome(&call("", url, &query(parts))), Err(Reason::TokenMalformed), "{parts}");
    }
}

#[test]
fn nothing_after_the_signature_is_accepted() {
    let url = "http://h.example/a";
    let mut call = call("h.example/a", url, "x=1&E=1700000001&A=1&K=1&P=1&S=");
    assert_eq!(outcome(&call), Ok(("/a".into(), Some("x=1".into()))));
    call.query = call.query.map(|query| query + "&y=1");
    assert_eq!(outcome(&call), Err(Reason::TokenMalformed));
}

#[test]
fn md5_and_unknown_keys_are_refused() {
    let of = |query| outcome(&call("h/a", "http://h/a", query));
    assert_eq!(of("E=1700000001&A=2&K=1&P=1&S="), Err(Reason::ClaimUnsupported));
    assert_eq!(of("E=1700000001&A=1&K=9&P=1&S="), Err(Reason::KeyUnknown));
}
