use super::*;
use crate::key::Algorithm;

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
