use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::{Certificate, CertificateError, ClientAuthority, KeyKind, PrivateKeyForm};

/// Keys that openssl made: `openssl genrsa -traditional 2048`, `openssl ecparam -genkey -name
/// prime256v1`. They guard nothing.
const RSA_PKCS1: &str = include_str!("tests/rsa.key");
const RSA_CHAIN: &str = include_str!("tests/rsa.crt");
const EC_SEC1: &str = include_str!("tests/ec.key");
const EC_CHAIN: &str = include_str!("tests/ec.crt");

fn made(names: &[&str]) -> (String, KeyPair) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2026, 12, 31);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key)
}

fn read(chain: &str, key: &str) -> Result<Certificate, CertificateError> {
    Certificate::from_pem("a", chain.as_bytes(), key.as_bytes())
}

#[test]
fn names_and_times_are_read() {
    let (chain, key) = made(&["Shop.Example.com", "*.example.com", "192.0.2.1", "2001:db8::1"]);
    let certificate = read(&chain, &key.serialize_pem()).unwrap();
    let hosts = ["shop.example.com", "*.example.com", "192.0.2.1", "2001:db8::1"];
    assert_eq!(certificate.hosts, hosts);
    assert_eq!(certificate.algorithm, KeyKind::EcdsaP256);
    let (before, after) = (certificate.not_before_unix_s, certificate.not_after_unix_s);
    assert_eq!((before, after), (1_767_225_600, 1_798_675_200));
    assert_eq!(certificate.warning(before), None);
    assert_eq!(certificate.warning(before - 1), Some("the certificate is not valid yet"));
    assert_eq!(certificate.warning(after + 1), Some("the certificate has expired"));
}

#[test]
fn keys_come_in_every_usual_form() {
    for (chain, key, form, kind) in [
        (RSA_CHAIN, RSA_PKCS1, PrivateKeyForm::Pkcs1, KeyKind::Rsa),
        (EC_CHAIN, EC_SEC1, PrivateKeyForm::Sec1, KeyKind::EcdsaP256),
    ] {
        let certificate = read(chain, key).unwrap();
        assert_eq!((certificate.key.form, certificate.algorithm), (form, kind));
    }
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["a".to_owned()]).unwrap();
        let chain = params.self_signed(&key).unwrap().pem();
        assert!(read(&chain, &key.serialize_pem()).is_ok(), "{:?}", key.algorithm());
    }
}

#[test]
fn a_key_of_another_certificate_is_noticed() {
    let (chain, _) = made(&["a"]);
    let (_, other) = made(&["a"]);
    assert_eq!(read(&chain, &other.serialize_pem()).err(), Some(CertificateError::KeyMismatch));
    assert_eq!(read(EC_CHAIN, RSA_PKCS1).err(), Some(CertificateError::KeyMismatch));
    assert_eq!(read(&chain, EC_SEC1).err(), Some(CertificateError::KeyMismatch));
}

#[test]
fn what_is_wrong_is_said() {
    let (chain, key) = made(&["a"]);
    let key = key.serialize_pem();
    let (nameless, nameless_key) = made(&[]);
    assert_eq!(read("", &key).err(), Some(CertificateError::NoCertificate));
    assert_eq!(read(&key, &key).err(), Some(CertificateError::NoCertificate));
    assert_eq!(read(&chain, "").err(), Some(CertificateError::NoKey));
    assert_eq!(read(&chain, &chain).err(), Some(CertificateError::NoKey));
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert_eq!(read(&chain, &encrypted).err(), Some(CertificateError::KeyEncrypted));
    let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(read(&chain, damaged).err(), Some(CertificateError::KeyUnusable));
    let nameless = read(&nameless, &nameless_key.serialize_pem());
    assert_eq!(nameless.err(), Some(CertificateError::NoNames));
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(read(damaged, &key), Err(CertificateError::Unreadable(1, _))));
}

#[test]
fn an_authority_must_be_one() {
    let (chain, _) = made(&["a"]);
    let refused = ClientAuthority::from_pem(chain.as_bytes(), true);
    assert_eq!(refused.err(), Some(CertificateError::NotAnAuthority(1)));
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
    let one = ClientAuthority::from_pem(root.as_bytes(), true).unwrap();
    let again = ClientAuthority::from_pem(format!("\n{root}").as_bytes(), false).unwrap();
    assert_eq!(one.id, again.id, "the same certificates are the same authority");
}

#[test]
fn a_key_is_not_shown() {
    let certificate = read(EC_CHAIN, EC_SEC1).unwrap();
    let shown = format!("{certificate:?}");
    assert!(shown.contains("PrivateKey(Sec1, redacted)"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", certificate.key.expose())));
}
