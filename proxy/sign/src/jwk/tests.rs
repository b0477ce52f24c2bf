use crate::testing::key;
use crate::{Algorithm, Key, KeyError};

/// The signing key of RFC 9246 appendix A.
const P256: &str = r#"{"kty":"EC","crv":"P-256","kid":"P5","use":"sig",
    "x":"be807S4O7dzB6I4hTiCUvmxCI6FuxWba1xYBlLSSsZ8","y":"rOGC4vI69g-WF9AGEVI37sNNwbjIzBxSjLvIL7f3RBA"}"#;
/// The key of RFC 8037 appendix A.1.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

#[test]
fn keys_are_read_as_json() {
    let secret = key("s", Algorithm::HmacSha256, r#"{"kty":"oct","k":"SECRET00"}"#);
    let same = key("s", Algorithm::HmacSha256, "SECRET00");
    assert_eq!(secret.secret(), same.secret());
    let pair = key("e", Algorithm::Ed25519, ED25519);
    let public = key("e", Algorithm::Ed25519Public, ED25519);
    assert_eq!(pair.ed25519_public(), public.ed25519_public());
    key("p", Algorithm::EcdsaP256Public, P256);
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let read = |algorithm, text: &str| Key::from_text("k", algorithm, text).map(|_| ());
    let wrong = Err(KeyError::Text("k".into()));
    assert_eq!(read(Algorithm::HmacSha256, P256), wrong);
    assert_eq!(read(Algorithm::Ed25519Public, P256), wrong);
    assert_eq!(read(Algorithm::RsaPublic, r#"{"kty":"RSA"}"#), wrong);
    assert_eq!(read(Algorithm::HmacSha256, "{"), wrong);
}

#[test]
fn a_modulus_becomes_der() {
    let modulus = [&[0xc1][..], &[7; 255]].concat();
    let der = crate::der::rsa_of(&modulus, &[1, 0, 1]);
    assert_eq!(der[..9], [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0]);
    assert_eq!(der[der.len() - 5..], [2, 3, 1, 0, 1]);
    assert_eq!(crate::der::rsa_public(&der), Some(der));
}
