//! Certificates, session tickets, and what sites ask of clients' certificates.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::reader::Reader;
use crate::resource::{resource, words};
use crate::tree::Node;
use crate::value::Value;

resource! {
    /// A certificate with its key. It serves the names in its subjectAltName; files are read again
    /// when they change.
    pub struct Certificate check certificate_sources {
        /// Its name in metrics and logs.
        pub name: String,
        /// The chain in PEM, the server's own certificate first.
        pub certificate: Option<String>,
        /// A file on each node with the chain in PEM.
        pub certificate_file: Option<String>,
        /// The private key in PEM.
        pub key: Option<SecretText>,
        /// A file on each node with the private key in PEM.
        pub key_file: Option<String>,
        /// A file on each node with an OCSP response (DER), which is stapled.
        pub ocsp_file: Option<String>,
        /// Whether it is shown to clients that ask for no name, or for one that no certificate has.
        pub default: bool = false,
    }
}

resource! {
    /// What holds for TLS on every listener.
    pub struct TlsSettings {
        /// The oldest version of TLS that is spoken.
        pub min_version: TlsVersion = TlsVersion::Tls12,
        /// A keyset that session tickets are sealed with, so that every node of the fleet resumes
        /// every session; keys of each process's own when absent.
        pub session_tickets: Option<String>,
        /// How often ticket keys change by themselves. Tickets of the period before are still taken.
        pub ticket_period: Duration = Duration::from_secs(12 * 3600),
    }
}

resource! {
    /// What a site asks of its clients' certificates.
    pub struct SiteTls check client_ca_source {
        /// The certificate authorities that clients' certificates must come from, in PEM.
        pub client_ca: Option<String>,
        /// A file on each node that holds them.
        pub client_ca_file: Option<String>,
        /// Whether a client must show a certificate.
        pub client_certificate: ClientCertificate = ClientCertificate::Required,
    }
}

words! {
    /// A version of TLS.
    pub enum TlsVersion {
        /// TLS 1.2 (RFC 5246).
        Tls12 = "1.2",
        /// TLS 1.3 (RFC 8446).
        Tls13 = "1.3",
    }
}

words! {
    /// Whether a client must show a certificate.
    pub enum ClientCertificate {
        /// Requests without one are answered 403.
        Required = "required",
        /// One that is shown must be good.
        Optional = "optional",
    }
}

/// A secret that is text. It is written into specs and never into a log.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret, for the code that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(redacted)")
    }
}

impl Value for SecretText {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        // The message never shows what was found: it may be a key with one slip in it.
        if let Some(text) = node.text().filter(|text| !text.trim().is_empty()) {
            return Self(text.to_owned());
        }
        reader.problem(node, "expected a key in PEM", None);
        Self::placeholder()
    }

    fn placeholder() -> Self {
        Self(String::new())
    }

    fn write(&self) -> Json {
        self.0.clone().into()
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "writeOnly": true })
    }
}

fn certificate_sources(certificate: &Certificate, node: &Node, reader: &mut Reader) {
    let Certificate { certificate: chain, certificate_file, key, key_file, .. } = certificate;
    if chain.is_some() == certificate_file.is_some() {
        reader.problem(node, "expected exactly one of: certificate, certificate_file", None);
    }
    if key.is_some() == key_file.is_some() {
        reader.problem(node, "expected exactly one of: key, key_file", None);
    }
}

fn client_ca_source(tls: &SiteTls, node: &Node, reader: &mut Reader) {
    if tls.client_ca.is_some() == tls.client_ca_file.is_some() {
        reader.problem(node, "expected exactly one of: client_ca, client_ca_file", None);
    }
}
