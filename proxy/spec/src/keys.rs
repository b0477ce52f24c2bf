//! Keysets: what signed URLs are checked with.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json, json};

use crate::reader::Reader;
use crate::resource::{resource, words};
use crate::tree::Node;
use crate::value::Value;

resource! {
    /// Keys that are valid side by side, so that they can be rotated.
    pub struct Keyset {
        /// Its name.
        pub name: String,
        /// The keys; new URLs are signed with the first that can sign.
        pub keys: Vec<Key>,
        /// Token formats that are accepted; Tidegate's own when absent.
        pub formats: Vec<TokenFormat>,
        /// How far the clocks of signers may be off.
        pub clock_skew: Duration = Duration::ZERO,
    }
}

resource! {
    /// A token format with its settings. Text alone is the format.
    pub struct TokenFormat short "format" {
        /// Its word.
        pub format: String,
        /// Its settings.
        pub settings: BTreeMap<String, String>,
    }
}

resource! {
    /// One key: exactly one of `secret`, `secret_file`, `generate` and `public`.
    pub struct Key check one_source {
        /// Its id, as signed URLs carry it.
        pub id: String,
        /// What it signs with.
        pub algorithm: KeyAlgorithm = KeyAlgorithm::HmacSha256,
        /// The key itself in base64url: at least 16 bytes for HMAC, the 32-byte seed for Ed25519.
        pub secret: Option<Secret>,
        /// A file on each node that holds the key in base64url.
        pub secret_file: Option<String>,
        /// Made by the control plane when the spec is first applied.
        pub generate: bool = false,
        /// A public key, PEM or base64url: enough to check, not to sign.
        pub public: Option<String>,
    }
}

words! {
    /// What a key signs with.
    pub enum KeyAlgorithm {
        /// HMAC with SHA-256 (RFC 2104).
        HmacSha256 = "hmac-sha256",
        /// Ed25519 (RFC 8032), signing and checking.
        Ed25519 = "ed25519",
        /// Ed25519, checking only.
        Ed25519Public = "ed25519-public",
        /// RSA, checking only.
        RsaPublic = "rsa-public",
        /// ECDSA on P-256, checking only.
        EcdsaP256Public = "ecdsa-p256-public",
    }
}

/// Key material. It is written into specs and never into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Where the material of a key comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum KeyMaterial<'a> {
    /// It is here.
    Secret(&'a Secret),
    /// It is in a file on the node.
    File(&'a str),
    /// It is not made yet.
    Generate,
    /// Only the public half is known, PEM or base64url.
    Public(&'a str),
}

impl Key {
    /// Where its material comes from.
    pub fn material(&self) -> KeyMaterial<'_> {
        if let Some(secret) = &self.secret {
            return KeyMaterial::Secret(secret);
        }
        if let Some(file) = &self.secret_file {
            return KeyMaterial::File(file);
        }
        self.public.as_deref().map_or(KeyMaterial::Generate, KeyMaterial::Public)
    }
}

impl KeyAlgorithm {
    /// Whether the key can only check.
    pub fn is_public(self) -> bool {
        self.as_str().ends_with("-public")
    }
}

impl Secret {
    /// Takes key material.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The material, for the code that signs and checks.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl Value for Secret {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        // The message never shows what was found: it may be a key with one slip in it.
        let decoded =
            node.text().and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok());
        if let Some(bytes) = decoded.filter(|bytes| !bytes.is_empty()) {
            return Self(bytes);
        }
        let hint = "letters, digits, - and _, as `tidegate sign keygen` prints it".to_owned();
        reader.problem(node, "expected a key in base64url", Some(hint));
        Self::placeholder()
    }

    fn placeholder() -> Self {
        Self(vec![0; 32])
    }

    fn write(&self) -> Json {
        URL_SAFE_NO_PAD.encode(&self.0).into()
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]+=*$", "writeOnly": true })
    }
}

fn one_source(key: &Key, node: &Node, reader: &mut Reader) {
    let given =
        [key.secret.is_some(), key.secret_file.is_some(), key.generate, key.public.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        let message = "expected exactly one of: secret, secret_file, generate, public";
        return reader.problem(node, message, None);
    }
    if key.algorithm.is_public() && (key.generate || key.secret.is_some()) {
        let message = format!("{} checks only: it needs public", key.algorithm.as_str());
        reader.problem(node, message, None);
    }
    if !key.algorithm.is_public() && key.public.is_some() {
        let message = format!("{} needs a secret", key.algorithm.as_str());
        let hint = "the algorithms of public keys end in -public".to_owned();
        reader.problem(node, message, Some(hint));
    }
}
