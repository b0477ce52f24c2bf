//! Certificates, session tickets, and the authorities of clients' certificates.

use std::collections::HashMap;

use tidegate_spec::{ClientCertificate, KeyMaterial, Problem, SiteTls, TlsVersion};

use super::Compiler;
use super::keysets::secret;
use super::names::Kind;
use crate::certificate::{Certificate, CertificateError, ClientAuthority, KeyKind};
use crate::material::Material;
use crate::snapshot::{TicketSecret, TlsPolicy};

/// Ticket keys older than this would undo what forward secrecy is for.
const TICKET_PERIOD_S_MAX: u64 = 7 * 24 * 3600;
const TICKET_PERIOD_S_MIN: u64 = 60;

impl Compiler<'_> {
    /// The certificates whose parts are at hand, and the names of the others.
    pub(super) fn certificates(&mut self, material: &Material) -> (Vec<Certificate>, Vec<String>) {
        let mut certificates: Vec<Certificate> = Vec::new();
        let mut missing = Vec::new();
        let mut taken = Taken::default();
        for (at, spec) in self.spec.certificates.iter().enumerate() {
            let path = format!("certificates[{at}]");
            match self.certificate(spec, &path, material) {
                Some(Ok(certificate)) => {
                    taken.check(self, &certificate, &path);
                    certificates.push(certificate);
                }
                Some(Err(())) => {}
                None => missing.push(format!("certificates/{}", spec.name)),
            }
        }
        (certificates, missing)
    }

    /// `None` while a file of it is not at hand.
    fn certificate(
        &mut self,
        spec: &tidegate_spec::Certificate,
        path: &str,
        material: &Material,
    ) -> Option<Result<Certificate, ()>> {
        let chain = match (&spec.certificate, &spec.certificate_file) {
            (Some(text), _) => text.as_bytes(),
            (None, file) => material.file(file.as_deref()?)?,
        };
        let key = match (&spec.key, &spec.key_file) {
            (Some(text), _) => text.expose().as_bytes(),
            (None, file) => material.file(file.as_deref()?)?,
        };
        let ocsp = match &spec.ocsp_file {
            None => None,
            Some(file) => Some(material.file(file)?.to_vec()),
        };
        match Certificate::from_pem(&spec.name, chain, key) {
            Ok(certificate) => Some(Ok(Certificate { ocsp, default: spec.default, ..certificate })),
            Err(error) => {
                self.problems.push(certificate_problem(spec, path, &error));
                Some(Err(()))
            }
        }
    }

    /// What holds for TLS everywhere.
    pub(super) fn tls(&mut self, material: &Material) -> TlsPolicy {
        let tls = &self.spec.tls;
        let period_s = tls.ticket_period.as_secs();
        if !(TICKET_PERIOD_S_MIN..=TICKET_PERIOD_S_MAX).contains(&period_s) {
            let message = "must be from 1m to 7d";
            let hint = "old ticket keys open old recordings: hours are usual";
            self.problems.push(Problem::new("tls.ticket_period", message).hint(hint));
        }
        TlsPolicy {
            tls13_only: tls.min_version == TlsVersion::Tls13,
            ticket_period_s: period_s.max(1),
            ticket_secrets: self.ticket_secrets(material),
        }
    }

    fn ticket_secrets(&mut self, material: &Material) -> Vec<TicketSecret> {
        let Some(name) = &self.spec.tls.session_tickets else { return Vec::new() };
        let Some(at) = self.resolve(Kind::Keyset, name, "tls.session_tickets") else {
            return Vec::new();
        };
        let keyset = &self.spec.keysets[at as usize];
        if keyset.keys.iter().any(|key| matches!(key.material(), KeyMaterial::Public(_))) {
            let message = format!("keyset \"{name}\" has public keys: tickets need secrets");
            self.problem("tls.session_tickets".to_owned(), message);
        }
        let secrets = keyset.keys.iter().filter_map(|key| secret(keyset, key, material));
        secrets.map(|secret| TicketSecret::new(secret.to_vec())).collect()
    }

    /// The authorities of a site's clients; `None` where none is asked for, or not at hand.
    pub(super) fn client_authority(
        &mut self,
        tls: Option<&SiteTls>,
        path: &str,
        material: &Material,
    ) -> Option<ClientAuthority> {
        let tls = tls?;
        let (text, key) = match (&tls.client_ca, &tls.client_ca_file) {
            (Some(text), _) => (text.as_bytes(), "client_ca"),
            (None, file) => (material.file(file.as_deref()?)?, "client_ca_file"),
        };
        let required = tls.client_certificate == ClientCertificate::Required;
        self.ok(&format!("{path}.tls.{key}"), ClientAuthority::from_pem(text, required))
    }
}

/// Which names are taken, by the kind of key: a client takes the kind it likes best.
#[derive(Default)]
struct Taken {
    hosts: HashMap<(String, KeyKind), String>,
    default: HashMap<KeyKind, String>,
}

impl Taken {
    fn check(&mut self, compiler: &mut Compiler<'_>, certificate: &Certificate, path: &str) {
        for host in &certificate.hosts {
            let place = (host.clone(), certificate.algorithm);
            let first = self.hosts.entry(place).or_insert_with(|| certificate.name.clone());
            if *first != certificate.name {
                let message = format!("host \"{host}\" is already of certificate \"{first}\"");
                let hint = "one certificate for each host and kind of key";
                compiler.problems.push(Problem::new(path, message).hint(hint));
                return;
            }
        }
        if certificate.default {
            let first = self.default.entry(certificate.algorithm);
            let first = first.or_insert_with(|| certificate.name.clone());
            if *first != certificate.name {
                let message = format!("\"{first}\" is the default already");
                compiler.problem(format!("{path}.default"), message);
            }
        }
    }
}

fn certificate_problem(
    spec: &tidegate_spec::Certificate,
    path: &str,
    error: &CertificateError,
) -> Problem {
    let of_key = matches!(
        error,
        CertificateError::NoKey
            | CertificateError::KeyEncrypted
            | CertificateError::KeyUnusable
            | CertificateError::KeyMismatch
    );
    let key = match of_key {
        true if spec.key.is_some() => "key",
        true => "key_file",
        false if spec.certificate.is_some() => "certificate",
        false => "certificate_file",
    };
    let problem = Problem::new(format!("{path}.{key}"), error.to_string());
    match error {
        CertificateError::NoCertificate | CertificateError::Unreadable(..) => {
            problem.hint("a block from -----BEGIN CERTIFICATE----- on, the server's own first")
        }
        CertificateError::NoKey => problem.hint("a block from -----BEGIN PRIVATE KEY----- on"),
        CertificateError::KeyEncrypted => {
            problem.hint("take the passphrase off: openssl pkey -in key.pem -out plain.pem")
        }
        CertificateError::KeyMismatch => {
            problem.hint("the chain's first certificate must be the server's own")
        }
        CertificateError::NoNames => problem.hint("common names are not looked at"),
        CertificateError::KeyUnusable | CertificateError::NotAnAuthority(_) => problem,
    }
}
