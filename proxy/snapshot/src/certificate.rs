//! Certificates with their keys, read and checked: what was accepted here can be served.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;

/// A certificate chain with its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Its name in metrics and logs.
    pub name: String,
    /// The chain in DER, the server's own certificate first.
    pub chain: Vec<Vec<u8>>,
    /// The private key of the first.
    pub key: PrivateKey,
    /// An OCSP response (DER) to staple.
    pub ocsp: Option<Vec<u8>>,
    /// The names it is good for, lowercase: hosts, `*.` and a host, and addresses.
    pub hosts: Vec<String>,
    /// What the key signs with.
    pub algorithm: KeyKind,
    /// First Unix second of its validity.
    pub not_before_unix_s: i64,
    /// Last Unix second of its validity.
    pub not_after_unix_s: i64,
    /// Whether it is shown where no other has the name.
    pub default: bool,
}

/// A private key in DER, and the form it is in.
#[derive(Clone)]
pub struct PrivateKey {
    /// The form of the bytes.
    pub form: PrivateKeyForm,
    der: Vec<u8>,
}

/// The forms private keys come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateKeyForm {
    /// RFC 5208.
    Pkcs8,
    /// RFC 8017: RSA alone.
    Pkcs1,
    /// RFC 5915: elliptic curves alone.
    Sec1,
}

/// What a key signs with. A name may have one certificate of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519.
    Ed25519,
    /// RSA.
    Rsa,
}

/// The authorities that clients' certificates of a site must come from.
#[derive(Clone, Debug)]
pub struct ClientAuthority {
    /// SHA-256 over the certificates, in hex: equal for equal lists.
    pub id: Box<str>,
    /// Their certificates in DER.
    pub roots: Vec<Vec<u8>>,
    /// Whether a request without a client certificate is refused.
    pub required: bool,
}

/// What is wrong with a certificate or its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no `CERTIFICATE` block.
    #[error("no certificate in PEM found")]
    NoCertificate,
    /// A block cannot be read as X.509.
    #[error("certificate {0} of the chain cannot be read: {1}")]
    Unreadable(usize, String),
    /// It names nobody. The common name has no say (RFC 9525 section 4.1).
    #[error("the certificate has no name in its subjectAltName")]
    NoNames,
    /// There is no private key block.
    #[error("no private key in PEM found")]
    NoKey,
    /// A key is there, under a passphrase.
    #[error("the private key is encrypted")]
    KeyEncrypted,
    /// The key is of a kind that is not spoken, or damaged.
    #[error(
        "the private key cannot be used: RSA (2048 to 8192 bits), ECDSA on P-256 or P-384, or Ed25519 is needed"
    )]
    KeyUnusable,
    /// The key belongs to another certificate.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// An authority that may not issue.
    #[error("certificate {0} is not that of a certificate authority")]
    NotAnAuthority(usize),
}

// === impl Certificate ===

impl Certificate {
    /// Reads a chain and its key, both in PEM, and checks that they belong together.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_pem(name: &str, chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = certificates(chain)?;
        let (_, own) = X509Certificate::from_der(&chain[0])
            .map_err(|error| CertificateError::Unreadable(1, error.to_string()))?;
        let hosts = hosts(&own);
        if hosts.is_empty() {
            return Err(CertificateError::NoNames);
        }
        let key = PrivateKey::from_pem(key)?;
        let algorithm = key.check(&own.public_key().subject_public_key.data)?;
        let validity = own.validity();
        Ok(Self {
            name: name.to_owned(),
            key,
            ocsp: None,
            hosts,
            algorithm,
            not_before_unix_s: validity.not_before.timestamp(),
            not_after_unix_s: validity.not_after.timestamp(),
            default: false,
            chain,
        })
    }

    /// What an operator should be told about it now, when anything.
    #[must_use]
    pub fn warning(&self, now_unix_s: i64) -> Option<&'static str> {
        if now_unix_s > self.not_after_unix_s {
            return Some("the certificate has expired");
        }
        (now_unix_s < self.not_before_unix_s).then_some("the certificate is not valid yet")
    }
}

// === impl PrivateKey ===

impl PrivateKey {
    /// The key itself, for the code that signs with it.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.der
    }

    fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        for block in Pem::iter_from_buffer(text).flatten() {
            let form = match block.label.as_str() {
                "PRIVATE KEY" => PrivateKeyForm::Pkcs8,
                "RSA PRIVATE KEY" => PrivateKeyForm::Pkcs1,
                "EC PRIVATE KEY" => PrivateKeyForm::Sec1,
                "ENCRYPTED PRIVATE KEY" => return Err(CertificateError::KeyEncrypted),
                _ => continue,
            };
            return Ok(Self { form, der: block.contents });
        }
        Err(CertificateError::NoKey)
    }

    /// What it signs with, when its public half is `public`.
    fn check(&self, public: &[u8]) -> Result<KeyKind, CertificateError> {
        let (kind, own) = match self.form {
            PrivateKeyForm::Pkcs8 => self.pkcs8_public()?,
            PrivateKeyForm::Pkcs1 => {
                let pair = RsaKeyPair::from_der(&self.der);
                let pair = pair.map_err(|_| CertificateError::KeyUnusable)?;
                (KeyKind::Rsa, pair.public_key().as_ref().to_vec())
            }
            PrivateKeyForm::Sec1 => return self.check_sec1(public),
        };
        if own == public { Ok(kind) } else { Err(CertificateError::KeyMismatch) }
    }

    fn pkcs8_public(&self) -> Result<(KeyKind, Vec<u8>), CertificateError> {
        let random = SystemRandom::new();
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| {
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.der, &random).ok()?;
            Some(pair.public_key().as_ref().to_vec())
        };
        if let Some(public) = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING) {
            return Ok((KeyKind::EcdsaP256, public));
        }
        if let Some(public) = ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING) {
            return Ok((KeyKind::EcdsaP384, public));
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&self.der) {
            return Ok((KeyKind::Ed25519, pair.public_key().as_ref().to_vec()));
        }
        match RsaKeyPair::from_pkcs8(&self.der) {
            Ok(pair) => Ok((KeyKind::Rsa, pair.public_key().as_ref().to_vec())),
            Err(_) => Err(CertificateError::KeyUnusable),
        }
    }

    /// The curve follows from the length of the public point; the pair is checked in one go.
    fn check_sec1(&self, public: &[u8]) -> Result<KeyKind, CertificateError> {
        let scalar = sec1_scalar(&self.der).ok_or(CertificateError::KeyUnusable)?;
        let (kind, algorithm) = match (scalar.len(), public.len()) {
            (32, _) => (KeyKind::EcdsaP256, &ECDSA_P256_SHA256_ASN1_SIGNING),
            (48, _) => (KeyKind::EcdsaP384, &ECDSA_P384_SHA384_ASN1_SIGNING),
            _ => return Err(CertificateError::KeyUnusable),
        };
        let random = SystemRandom::new();
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, public, &random)
            .map(|_| kind)
            .map_err(|_| CertificateError::KeyMismatch)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:?}, redacted)", self.form)
    }
}

// === impl ClientAuthority ===

impl ClientAuthority {
    /// Reads the authorities' certificates in PEM.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_pem(text: &[u8], required: bool) -> Result<Self, CertificateError> {
        let roots = certificates(text)?;
        for (at, root) in roots.iter().enumerate() {
            let (_, root) = X509Certificate::from_der(root)
                .map_err(|error| CertificateError::Unreadable(at + 1, error.to_string()))?;
            if !root.is_ca() {
                return Err(CertificateError::NotAnAuthority(at + 1));
            }
        }
        let id = tidegate_spec::canonical::sha256_hex(&roots.concat()).into();
        Ok(Self { id, roots, required })
    }
}

/// The certificates of a PEM text in DER.
fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, CertificateError> {
    let mut chain = Vec::new();
    for (at, block) in Pem::iter_from_buffer(text).enumerate() {
        let block =
            block.map_err(|error| CertificateError::Unreadable(at + 1, error.to_string()))?;
        if block.label == "CERTIFICATE" {
            chain.push(block.contents);
        }
    }
    if chain.is_empty() { Err(CertificateError::NoCertificate) } else { Ok(chain) }
}

fn hosts(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => Some(std::net::IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
            _ => Some(std::net::IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}

/// The private scalar of an `ECPrivateKey` (RFC 5915 section 3).
fn sec1_scalar(der: &[u8]) -> Option<&[u8]> {
    let (_, key) = der_parser::parse_der(der).ok()?;
    let scalar = key.as_sequence().ok()?.get(1)?;
    let DerContent::OctetString(bytes) = scalar.content else { return None };
    Some(bytes)
}

use x509_parser::der_parser::ber::BerObjectContent as DerContent;

#[cfg(test)]
mod tests;
