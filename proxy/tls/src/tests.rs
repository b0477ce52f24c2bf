//! Handshakes with rustls' own client, over a pipe in memory.

use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tidegate_snapshot::{Certificate, ClientAuthority, Snapshot, TicketSecret, compile};
use tidegate_spec::Spec;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::{Failure, Protocol, Tls, TlsFacts, TlsStream, accept, self_signed};

const PATIENCE: Duration = Duration::from_secs(20);
const NOW_UNIX_S: fn() -> u64 = || 1_800_000_000;

struct Issuer(CertifiedIssuer<'static, KeyPair>);

impl Issuer {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Chain and key in PEM.
    fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "somebody");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn certificate(&self, name: &str, hosts: &[&str], default: bool) -> Certificate {
        let (chain, key) = self.issue(hosts);
        let certificate = Certificate::from_pem(name, chain.as_bytes(), key.as_bytes()).unwrap();
        Certificate { default, ..certificate }
    }
}

fn empty() -> Snapshot {
    compile(&Spec::default(), 1).unwrap()
}

fn tls(snapshot: &Snapshot, fallback: Option<Certificate>) -> Tls {
    let protocols = vec![vec![Protocol::Http2, Protocol::Http1], vec![Protocol::Http1]];
    let tls = Tls::new(fallback, protocols, NOW_UNIX_S).unwrap();
    tls.show(Arc::new(tls.prepare(snapshot).unwrap()));
    tls
}

fn server(certificates: Vec<Certificate>) -> Tls {
    let mut snapshot = empty();
    snapshot.certificates = certificates;
    tls(&snapshot, None)
}

fn client(issuer: &Issuer, identity: Option<(String, String)>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(issuer.0.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = vec![CertificateDer::from(der(&chain))];
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der(&key)));
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn der(pem: &str) -> Vec<u8> {
    x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes()).next().unwrap().unwrap().contents
}

type Shaken = Result<(TlsStream<DuplexStream>, TlsFacts), Failure>;
type ClientStream = tokio_rustls_like::Client;

/// A handshake, both sides; the client's is driven by hand.
async fn shake(
    tls: &Tls,
    config: &Arc<ClientConfig>,
    name: &str,
    authority: Option<&str>,
) -> (Shaken, ClientStream) {
    let (near, far) = duplex(16 * 1024);
    let name = name.to_owned().try_into().unwrap();
    let mut client = ClientStream::new(far, ClientConnection::new(config.clone(), name).unwrap());
    let authority = authority.map(Into::into);
    let (shaken, _) =
        tokio::join!(accept(tls, near, 0, |_| authority, PATIENCE), client.handshake());
    (shaken, client)
}

/// A client inside TLS, as plain as can be.
mod tokio_rustls_like {
    use std::io::{self, Read, Write};

    use rustls::ClientConnection;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    pub(super) struct Client {
        io: DuplexStream,
        pub(super) tls: ClientConnection,
    }

    impl Client {
        pub(super) fn new(io: DuplexStream, tls: ClientConnection) -> Self {
            Self { io, tls }
        }

        pub(super) async fn handshake(&mut self) -> io::Result<()> {
            let mut outcome = Ok(());
            while self.tls.is_handshaking() && outcome.is_ok() {
                self.send().await?;
                if self.tls.is_handshaking() {
                    outcome = self.receive().await;
                }
            }
            // Also the alert that says why not.
            self.send().await?;
            outcome
        }

        pub(super) async fn send(&mut self) -> io::Result<()> {
            let mut bytes = Vec::new();
            while self.tls.wants_write() {
                self.tls.write_tls(&mut bytes)?;
            }
            self.io.write_all(&bytes).await
        }

        async fn receive(&mut self) -> io::Result<()> {
            let mut some = [0; 4096];
            let read = self.io.read(&mut some).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut bytes = &some[..read];
            while !bytes.is_empty() {
                self.tls.read_tls(&mut bytes)?;
                self.tls.process_new_packets().map_err(io::Error::other)?;
            }
            Ok(())
        }

        pub(super) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
            while !bytes.is_empty() {
                let written = self.tls.writer().write(bytes)?;
                bytes = &bytes[written..];
                self.send().await?;
            }
            Ok(())
        }

        pub(super) async fn read_exact(&mut self, length: usize) -> io::Result<Vec<u8>> {
            let mut all = vec![0; length];
            let mut at = 0;
            while at < length {
                match self.tls.reader().read(&mut all[at..]) {
                    Ok(read) => at += read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.receive().await?
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(all)
        }
    }
}

#[tokio::test]
async fn the_name_asked_for_picks_the_certificate() {
    let issuer = Issuer::new("ca");
    let tls = server(vec![
        issuer.certificate("exact", &["a.example.com"], false),
        issuer.certificate("wildcard", &["*.example.com"], false),
        issuer.certificate("default", &["other.example"], true),
    ]);
    let config = Arc::new(client(&issuer, None));
    for name in ["a.example.com", "A.EXAMPLE.com", "b.example.com", "other.example"] {
        let (shaken, _) = shake(&tls, &config, name, None).await;
        let (_, facts) = shaken.unwrap();
        assert_eq!(facts.server_name.as_deref(), Some(&*name.to_ascii_lowercase()));
        assert_eq!((facts.protocol, facts.tls13, facts.resumed), (Protocol::Http2, true, false));
        assert!(facts.fingerprint.as_str().starts_with("t13d"));
    }
    // Two labels are not covered by a wildcard: the default is shown, and this client refuses it.
    let (shaken, _) = shake(&tls, &config, "x.b.example.com", None).await;
    assert!(matches!(shaken, Err(Failure::RefusedByClient(_))), "{:?}", shaken.err());
}

#[tokio::test]
async fn without_a_default_unknown_names_are_refused() {
    let issuer = Issuer::new("ca");
    let tls = server(vec![issuer.certificate("one", &["a.example"], false)]);
    let (shaken, _) = shake(&tls, &Arc::new(client(&issuer, None)), "b.example", None).await;
    assert!(matches!(shaken, Err(Failure::NameUnknown)), "{:?}", shaken.err());
}

#[tokio::test]
async fn a_listener_speaks_its_own_protocols() {
    let issuer = Issuer::new("ca");
    let tls = server(vec![issuer.certificate("one", &["a.example"], false)]);
    let mut config = client(&issuer, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (near, far) = duplex(16 * 1024);
    let name = "a.example".try_into().unwrap();
    let mut client = ClientStream::new(far, ClientConnection::new(Arc::new(config), name).unwrap());
    let (shaken, _) = tokio::join!(accept(&tls, near, 1, |_| None, PATIENCE), client.handshake());
    assert!(matches!(shaken, Err(Failure::NothingInCommon(_))));
}

#[tokio::test]
async fn sessions_resume_on_every_node_that_has_the_secret() {
    let issuer = Issuer::new("ca");
    let mut snapshot = empty();
    snapshot.certificates = vec![issuer.certificate("one", &["a.example"], false)];
    snapshot.tls.ticket_secrets = vec![TicketSecret::new(vec![7; 32])];
    let (here, there) = (tls(&snapshot, None), tls(&snapshot, None));
    snapshot.tls.ticket_secrets.clear();
    let stranger = tls(&snapshot, None);
    let mut config = client(&issuer, None);
    config.resumption = Resumption::in_memory_sessions(8);
    let config = Arc::new(config);
    for (node, resumed) in [(&here, false), (&there, true), (&here, true), (&stranger, false)] {
        let (shaken, mut client) = shake(node, &config, "a.example", None).await;
        let (mut stream, facts) = shaken.unwrap();
        assert_eq!(facts.resumed, resumed);
        // The tickets travel with the first bytes.
        stream.write_all(b"x").await.unwrap();
        assert_eq!(client.read_exact(1).await.unwrap(), b"x");
    }
}

#[tokio::test]
async fn a_clients_certificate_is_verified_against_the_sites_authority() {
    let (issuer, clients, others) = (Issuer::new("ca"), Issuer::new("clients"), Issuer::new("x"));
    let authority = ClientAuthority::from_pem(clients.pem().as_bytes(), true).unwrap();
    let spec = "sites: [{ name: s, hosts: ['a.example'], routes: [{ match: /*, action: { respond: {} } }] }]";
    let mut snapshot = compile(&tidegate_spec::read(spec).unwrap(), 1).unwrap();
    snapshot.certificates = vec![issuer.certificate("one", &["a.example"], false)];
    snapshot.sites[0].client_authority = Some(authority.clone());
    let tls = tls(&snapshot, None);
    let id = Some(&*authority.id);

    let known = Arc::new(client(&issuer, Some(clients.issue(&["me"]))));
    let (_, facts) = shake(&tls, &known, "a.example", id).await.0.unwrap();
    let peer = facts.peer.unwrap();
    assert_eq!((&*peer.authority, &*peer.subject), (&*authority.id, "CN=somebody"));
    assert!(peer.certificate.starts_with(":MII") && peer.certificate.ends_with(':'));
    let (_, facts) = shake(&tls, &known, "a.example", None).await.0.unwrap();
    assert!(facts.peer.is_none(), "it was not asked for");

    let anonymous = Arc::new(client(&issuer, None));
    let (_, facts) = shake(&tls, &anonymous, "a.example", id).await.0.unwrap();
    assert!(facts.peer.is_none() && facts.authority.as_deref() == id, "the site decides");

    let stranger = Arc::new(client(&issuer, Some(others.issue(&["me"]))));
    let (shaken, _) = shake(&tls, &stranger, "a.example", id).await;
    assert!(matches!(shaken, Err(Failure::ClientCertificate(_))), "{:?}", shaken.err());
}

#[tokio::test]
async fn bytes_arrive_whole_in_both_directions() {
    let issuer = Issuer::new("ca");
    let tls = server(vec![issuer.certificate("one", &["a.example"], false)]);
    let (shaken, mut client) =
        shake(&tls, &Arc::new(client(&issuer, None)), "a.example", None).await;
    let (mut stream, _) = shaken.unwrap();
    let sent: Vec<u8> = (0..700_001u32).map(|n| (n % 251) as u8).collect();
    let there = async {
        client.write_all(&sent).await.unwrap();
        client.read_exact(sent.len()).await.unwrap()
    };
    let here = async {
        let mut received = Vec::new();
        // Odd sizes, so that records are taken in parts.
        let mut some = vec![0; 7_919];
        while received.len() < sent.len() {
            let read = stream.read(&mut some).await.unwrap();
            assert_ne!(read, 0);
            received.extend_from_slice(&some[..read]);
        }
        assert!(received == sent);
        stream.write_all(&received).await.unwrap();
        stream.flush().await.unwrap();
        stream.shutdown().await.unwrap();
    };
    let (back, ()) = tokio::join!(there, here);
    assert!(back == sent);
}

#[tokio::test]
async fn what_is_no_tls_is_told_so() {
    let issuer = Issuer::new("ca");
    let tls = server(vec![issuer.certificate("one", &["a.example"], false)]);
    let (near, mut far) = duplex(1024);
    far.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let shaken = accept(&tls, near, 0, |_| None, PATIENCE).await;
    assert!(matches!(shaken, Err(Failure::NotTls)), "{:?}", shaken.err());
    let (near, far) = duplex(1024);
    drop(far);
    let shaken = accept(&tls, near, 0, |_| None, PATIENCE).await;
    assert!(matches!(shaken, Err(Failure::ClientGone(_))));
    let (near, _far) = duplex(1024);
    let shaken = accept(&tls, near, 0, |_| None, Duration::from_millis(1)).await;
    assert!(matches!(shaken, Err(Failure::Timeout)));
}

#[test]
fn the_nodes_own_certificate_is_kept_and_its_key_is_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let now = 1_800_000_000;
    let made = self_signed(folder.path(), now).unwrap();
    assert!(made.hosts.contains(&"localhost".to_owned()) && made.default);
    let lifetime_days = (made.not_after_unix_s - now) / (24 * 3600);
    assert!((364..=366).contains(&lifetime_days), "{lifetime_days}");
    let key = std::fs::metadata(folder.path().join("self-signed.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let again = self_signed(folder.path(), now + 1000).unwrap();
    assert_eq!(again.chain, made.chain, "kept");
    let later = self_signed(folder.path(), made.not_after_unix_s - 1000).unwrap();
    assert_ne!(later.chain, made.chain, "made anew before it ends");
    assert!(!format!("{made:?}").contains(&format!("{:?}", made.key.expose())));
    assert!(format!("{made:?}").contains("redacted"));
}

#[tokio::test]
async fn the_fallback_is_shown_only_while_there_is_nothing_else() {
    let issuer = Issuer::new("ca");
    let fallback = issuer.certificate("fallback", &["fallback.example"], true);
    let tls = tls(&empty(), Some(fallback));
    assert_eq!(tls.expiries()[0].0, "fallback");
    let config = Arc::new(client(&issuer, None));
    assert!(shake(&tls, &config, "fallback.example", None).await.0.is_ok());
    let one = issuer.certificate("one", &["a.example"], false);
    tls.show(Arc::new(tls.prepare_certificates(&[one]).unwrap()));
    assert_eq!(tls.expiries()[0].0, "one");
    assert!(shake(&tls, &config, "a.example", None).await.0.is_ok());
    assert!(shake(&tls, &config, "fallback.example", None).await.0.is_err());
}
