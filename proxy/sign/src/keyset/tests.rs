use super::*;
use crate::key::Algorithm;
use crate::testing::{Call, key as key_of, keyset};

fn key(id: &str) -> Key {
    Key::new(id, Algorithm::HmacSha256, &[1; 32]).expect("a key")
}

fn error(options: KeysetOptions) -> String {
    Keyset::new(options).expect_err("no keyset").to_string()
}

#[test]
fn a_keyset_that_cannot_be_used_says_why() {
    let of = |keys| KeysetOptions { name: "media".into(), keys, ..Default::default() };
    assert!(error(of(vec![])).contains("has no keys"));
    assert!(error(of(vec![key("a"), key("a")])).contains("two keys"));
    assert!(error(of((0..33).map(|n| key(&n.to_string())).collect())).contains("more than 32"));
    assert!(error(KeysetOptions { skew_s: 301, ..of(vec![key("a")]) }).contains("at most 300 s"));
    let formats = vec![("nonsense".to_owned(), BTreeMap::new())];
    assert!(error(KeysetOptions { formats, ..of(vec![key("a")]) }).contains("unknown"));
}

#[test]
fn every_listed_format_can_be_configured() {
    for word in FORMATS {
        match formats::build(word, &BTreeMap::new()) {
            Ok(scheme) => assert_eq!(scheme.format(), *word),
            // Some formats have no sensible default for what they sign.
            Err(error) => assert!(matches!(error, KeysetError::Setting { .. }), "{error}"),
        }
        let odd = BTreeMap::from([("no-such-setting".to_owned(), "1".to_owned())]);
        assert!(formats::build(word, &odd).is_err(), "{word}");
    }
}

/// A browser over HTTP/2 sends each of CloudFront's cookies in a line of its own.
#[test]
fn cookies_may_come_in_lines_of_their_own() {
    let vectors = include_str!("../../testdata/vendor-vectors.jsonl");
    let line = vectors.lines().find(|line| line.contains("cloudfront cookie 1")).unwrap();
    let vector: serde_json::Value = serde_json::from_str(line).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let key = &vector["keys"][0];
    let key =
        key_of(&text(&key["id"]), text(&key["algorithm"]).parse().unwrap(), &text(&key["text"]));
    let keys = keyset("cloudfront", &[], vec![key]);
    let mut call = Call::get(&text(&vector["url"])).with("cookie", "theme=dark");
    for cookie in text(&vector["fields"][0][1]).split("; ") {
        call = call.with("cookie", cookie);
    }
    assert!(call.verify(&keys, 1_700_000_000).is_ok());
    call.fields.remove("cookie");
    assert!(call.verify(&keys, 1_700_000_000).is_err());
}
