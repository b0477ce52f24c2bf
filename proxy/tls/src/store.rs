//! What a node shows: certificates by name, and a ready rustls configuration for every kind of
//! handshake.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
    },
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tidegate_snapshot::{
    Certificate, ClientAuthority, PrivateKey, PrivateKeyForm, Snapshot, TicketSecret, TlsPolicy,
};

use crate::{Protocol, tickets::Tickets};

const TLS13_ONLY: &[&SupportedProtocolVersion] = &[&TLS13];
const TLS12_AND_13: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
/// Bytes of a process's own ticket secret.
const OWN_SECRET_BYTES: usize = 32;

/// What a node shows to TLS clients, swapped whole.
pub struct Tls {
    current: ArcSwap<Prepared>,
    settings: Settings,
}

/// What outlives changes of the configuration.
struct Settings {
    provider: Arc<CryptoProvider>,
    /// Shown where the configuration has no certificate at all.
    fallback: Option<Certificate>,
    /// The lists of protocols that listeners speak.
    protocols: Vec<Vec<Protocol>>,
    own_secret: TicketSecret,
    now_unix_s: fn() -> u64,
}

/// A configuration made ready.
pub struct Prepared {
    certificates: Arc<Certificates>,
    policy: TlsPolicy,
    authorities: Vec<ClientAuthority>,
    /// By list of protocols, then by the authority of clients' certificates.
    configs: Vec<HashMap<Box<str>, Arc<ServerConfig>>>,
    expiries: Vec<(String, i64)>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate that rustls refuses.
    #[error("certificate {name}: {error}")]
    Certificate {
        /// The certificate's name.
        name: String,
        /// What rustls says.
        error: rustls::Error,
    },
    /// An authority that rustls refuses.
    #[error("client authority: {0}")]
    Authority(String),
    /// A list of protocols or versions that the provider does not speak.
    #[error("{0}")]
    Provider(#[from] rustls::Error),
    /// No randomness.
    #[error("no random bytes for ticket keys")]
    Random,
}

/// Certificates by name; of each name those of different keys, what clients like best first.
#[derive(Default)]
struct Certificates {
    exact: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    default: Vec<Arc<CertifiedKey>>,
}

// === impl Tls ===

impl Tls {
    /// Nothing to show yet but `fallback`. `protocols` are the lists that [`Tls::config`] is asked
    /// for by place.
    ///
    /// # Errors
    /// When the fallback cannot be used, or there is no randomness.
    pub fn new(
        fallback: Option<Certificate>,
        protocols: Vec<Vec<Protocol>>,
        now_unix_s: fn() -> u64,
    ) -> Result<Self, TlsError> {
        let mut secret = vec![0; OWN_SECRET_BYTES];
        let random = ::ring::rand::SystemRandom::new();
        ::ring::rand::SecureRandom::fill(&random, &mut secret).map_err(|_| TlsError::Random)?;
        let settings = Settings {
            provider: Arc::new(ring::default_provider()),
            fallback,
            protocols,
            own_secret: TicketSecret::new(secret),
            now_unix_s,
        };
        let policy =
            TlsPolicy { tls13_only: false, ticket_period_s: 12 * 3600, ticket_secrets: Vec::new() };
        let nothing = settings.prepare(&[], policy, Vec::new())?;
        Ok(Self { current: ArcSwap::from_pointee(nothing), settings })
    }

    /// Makes a snapshot's certificates ready; nothing of it is shown yet.
    ///
    /// # Errors
    /// The first thing that rustls refuses.
    pub fn prepare(&self, snapshot: &Snapshot) -> Result<Prepared, TlsError> {
        let sites = snapshot.sites.iter();
        let authorities = sites.filter_map(|site| site.client_authority.clone()).collect();
        self.settings.prepare(&snapshot.certificates, snapshot.tls.clone(), authorities)
    }

    /// Makes other certificates ready, with everything else as it is.
    ///
    /// # Errors
    /// The first thing that rustls refuses.
    pub fn prepare_certificates(&self, all: &[Certificate]) -> Result<Prepared, TlsError> {
        let current = self.current.load();
        self.settings.prepare(all, current.policy.clone(), current.authorities.clone())
    }

    /// Shows it from now on.
    pub fn show(&self, prepared: Arc<Prepared>) {
        self.current.store(prepared);
    }

    /// Certificates by name with the last Unix second of their validity.
    pub fn expiries(&self) -> Vec<(String, i64)> {
        self.current.load().expiries.clone()
    }

    /// What a handshake runs with: protocols by their place, clients' certificates by authority.
    pub(crate) fn config(
        &self,
        protocols: usize,
        authority: Option<&str>,
    ) -> Option<Arc<ServerConfig>> {
        let current = self.current.load();
        current.configs.get(protocols)?.get(authority.unwrap_or("")).cloned()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificates", &self.expiries()).finish_non_exhaustive()
    }
}

// === impl Settings ===

impl Settings {
    fn prepare(
        &self,
        certificates: &[Certificate],
        policy: TlsPolicy,
        authorities: Vec<ClientAuthority>,
    ) -> Result<Prepared, TlsError> {
        let all = match (certificates, &self.fallback) {
            ([], Some(fallback)) => std::slice::from_ref(fallback),
            (all, _) => all,
        };
        let mut prepared = Prepared {
            certificates: Arc::new(Certificates::load(all, &self.provider)?),
            policy,
            authorities,
            configs: Vec::with_capacity(self.protocols.len()),
            expiries: all.iter().map(|c| (c.name.clone(), c.not_after_unix_s)).collect(),
        };
        for protocols in &self.protocols {
            let mut configs = HashMap::new();
            configs.insert("".into(), Arc::new(self.config(&prepared, protocols, None)?));
            for authority in &prepared.authorities {
                let config = self.config(&prepared, protocols, Some(authority))?;
                configs.insert(authority.id.clone(), Arc::new(config));
            }
            prepared.configs.push(configs);
        }
        Ok(prepared)
    }

    fn config(
        &self,
        prepared: &Prepared,
        protocols: &[Protocol],
        authority: Option<&ClientAuthority>,
    ) -> Result<ServerConfig, TlsError> {
        let versions = if prepared.policy.tls13_only { TLS13_ONLY } else { TLS12_AND_13 };
        let builder = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(versions)?;
        let builder = match authority {
            None => builder.with_no_client_auth(),
            Some(authority) => builder.with_client_cert_verifier(self.verifier(authority)?),
        };
        let mut config = builder.with_cert_resolver(prepared.certificates.clone());
        config.alpn_protocols = protocols.iter().map(|p| p.alpn().to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let secrets = match prepared.policy.ticket_secrets.as_slice() {
            [] => std::slice::from_ref(&self.own_secret),
            shared => shared,
        };
        let purpose = authority.map_or("", |authority| &authority.id);
        let period_s = prepared.policy.ticket_period_s;
        config.ticketer = Arc::new(Tickets::new(secrets, purpose, period_s, self.now_unix_s));
        Ok(config)
    }

    /// A client may come without a certificate: what that means is the site's to say, in an answer
    /// that a person can read.
    fn verifier(
        &self,
        authority: &ClientAuthority,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for root in &authority.roots {
            roots.add(CertificateDer::from(root.clone()))?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| TlsError::Authority(error.to_string()))
    }
}

// === impl Certificates ===

impl Certificates {
    fn load(all: &[Certificate], provider: &CryptoProvider) -> Result<Self, TlsError> {
        let mut loaded = Self::default();
        let mut by_liking: Vec<&Certificate> = all.iter().collect();
        by_liking.sort_by_key(|certificate| certificate.algorithm);
        for certificate in by_liking {
            let key = certified_key(certificate, provider)
                .map_err(|error| TlsError::Certificate { name: certificate.name.clone(), error })?;
            for host in &certificate.hosts {
                let (map, host) = match host.strip_prefix("*.") {
                    Some(domain) => (&mut loaded.wildcard, domain),
                    None => (&mut loaded.exact, host.as_str()),
                };
                map.entry(host.into()).or_default().push(key.clone());
            }
            if certificate.default {
                loaded.default.push(key);
            }
        }
        Ok(loaded)
    }

    /// Exact before wildcard (one label, RFC 9525 section 6.3) before default.
    fn of(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let Some(name) = name else { return &self.default };
        let name = name.to_ascii_lowercase();
        let wildcard = || self.wildcard.get(name.split_once('.')?.1);
        self.exact.get(name.as_str()).or_else(wildcard).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = self.of(hello.server_name());
        let offered = hello.signature_schemes();
        let fits = keys.iter().find(|key| key.key.choose_scheme(offered).is_some());
        fits.or(keys.first()).cloned()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.exact.keys()).entries(self.wildcard.keys()).finish()
    }
}

fn certified_key(
    certificate: &Certificate,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, rustls::Error> {
    let chain = certificate.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let mut key = CertifiedKey::from_der(chain, private_key(&certificate.key), provider)?;
    key.ocsp.clone_from(&certificate.ocsp);
    Ok(Arc::new(key))
}

fn private_key(key: &PrivateKey) -> PrivateKeyDer<'static> {
    let der = key.expose().to_vec();
    match key.form {
        PrivateKeyForm::Pkcs8 => PrivatePkcs8KeyDer::from(der).into(),
        PrivateKeyForm::Pkcs1 => PrivatePkcs1KeyDer::from(der).into(),
        PrivateKeyForm::Sec1 => PrivateSec1KeyDer::from(der).into(),
    }
}
