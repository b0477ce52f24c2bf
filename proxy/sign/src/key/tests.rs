use super::*;

#[test]
fn nothing_secret_is_shown() {
    for (algorithm, bytes) in [
        (Algorithm::HmacSha256, *b"0123456789abcdef0123456789abcdef"),
        (Algorithm::Ed25519, [7; 32]),
    ] {
        let shown = format!("{:?}", Key::new("k1", algorithm, &bytes).expect("a key"));
        assert!(shown.contains("k1") && !shown.contains("0123") && !shown.contains('7'), "{shown}");
    }
}

#[test]
fn keys_that_cannot_be_used_say_why() {
    let error = |id, algorithm, bytes: &[u8]| {
        Key::new(id, algorithm, bytes).expect_err("no key").to_string()
    };
    assert!(error("a.b", Algorithm::HmacSha256, b"x").contains("key id"));
    assert!(error("", Algorithm::HmacSha256, b"x").contains("key id"));
    assert!(error("k", Algorithm::HmacSha256, b"").contains("a secret of"));
    assert!(error("k", Algorithm::Ed25519, &[1; 31]).contains("a seed of 32 bytes"));
    assert!(error("k", Algorithm::Ed25519Public, &[1; 31]).contains("32 bytes"));
    assert!("rsa".parse::<Algorithm>().is_err());
}

#[test]
fn words_of_algorithms_are_read_back() {
    for algorithm in [
        Algorithm::HmacSha256,
        Algorithm::Ed25519,
        Algorithm::Ed25519Public,
        Algorithm::RsaPublic,
        Algorithm::EcdsaP256Public,
    ] {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
    }
}

#[test]
fn fresh_secrets_differ() {
    let fresh = || Key::generate(Algorithm::Ed25519).expect("random bytes");
    assert_ne!(fresh(), fresh());
    assert!(Key::generate(Algorithm::RsaPublic).is_err());
}

#[test]
fn a_short_secret_verifies_and_does_not_sign() {
    let key = Key::new("k", Algorithm::HmacSha256, b"short").expect("a key");
    assert!(!key.can_sign());
    assert_eq!(key.sign(b"x"), None);
}
