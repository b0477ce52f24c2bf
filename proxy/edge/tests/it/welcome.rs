//! What a connection goes through before its first request.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tidegate_edge::{Bound, Clock};
use tidegate_testkit::Edge as _;

use crate::node::Node;

const PATIENCE: Duration = Duration::from_secs(60);
const SPEC: &str = "
limits: [{ name: one, rate: 1/h, burst: 1, key: [client_ip] }]
sites:
  - name: s
    hosts: ['*']
    routes:
      - { match: /hello, action: { respond: { body: hello } } }
      - { match: /once, action: { respond: { body: once } }, limits: [one] }
";

/// Waits on the thread until the metrics say so.
async fn wait_for_metric(node: &Node, line: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !node.handle().metrics().lines().any(|found| found.starts_with(line)) {
        assert!(std::time::Instant::now() < deadline, "never said: {line}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Sends bytes and reads to the end.
fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> String {
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A connection that is cut has answered what it has answered.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn get(path: &str, host: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
}

async fn node(spec: &str, listeners: &str) -> Node {
    Node::with_file(spec, listeners, Clock::system(), 2).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_whom_a_proxy_header_names() {
    let file = "[[listeners]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = true\n";
    let node = node(SPEC, file).await;
    let addr = node.addr();
    let once = |header: &[u8]| exchange(connect(addr), &[header, &get("/once", "a")].concat());
    let v2 = |last: u8| {
        let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02";
        [&head[..], &[last], b"\x0a\x00\x00\x01\x30\x39\x00\x50"].concat()
    };
    assert!(once(b"PROXY TCP4 192.0.2.1 10.0.0.1 1 80\r\n").starts_with("HTTP/1.1 200"));
    assert!(once(b"PROXY TCP4 192.0.2.1 10.0.0.1 2 80\r\n").starts_with("HTTP/1.1 429"));
    assert!(once(&v2(1)).starts_with("HTTP/1.1 429"), "the same client by version 2");
    assert!(once(&v2(2)).starts_with("HTTP/1.1 200"), "another client");
    assert!(once(b"PROXY UNKNOWN\r\n").starts_with("HTTP/1.1 200"), "the connection's own");
    assert_eq!(once(b""), "", "no header, no answer");
    wait_for_metric(
        &node,
        "tidegate_edge_connections_failed_total{fault=\"proxy_header_invalid\"}",
    )
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_headers_are_believed_of_networks_that_may_send_them() {
    let file = |word: &str, from: &str| {
        format!(
            "[[listeners]]\naddress = \"127.0.0.1:0\"\nproxy_protocol = {word}\n\
             proxy_protocol_from = [\"{from}\"]\n"
        )
    };
    let header = b"PROXY TCP4 192.0.2.1 10.0.0.1 1 80\r\n";
    let hello = get("/hello", "a");
    let foreign = node(SPEC, &file("true", "10.0.0.0/8")).await;
    assert_eq!(exchange(connect(foreign.addr()), &[header, &hello[..]].concat()), "");
    let optional = node(SPEC, &file("\"optional\"", "127.0.0.0/8")).await;
    assert!(exchange(connect(optional.addr()), &hello).ends_with("hello"));
    assert!(exchange(connect(optional.addr()), &[header, &hello[..]].concat()).ends_with("hello"));
    let elsewhere = node(SPEC, &file("\"optional\"", "10.0.0.0/8")).await;
    let answer = exchange(connect(elsewhere.addr()), &[header, &hello[..]].concat());
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    foreign.stop().await;
    optional.stop().await;
    elsewhere.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_so_many_connections_and_no_more() {
    let file = "[limits]\nconnections_per_client_max = 2\n";
    let node = node(SPEC, file).await;
    let mut held: Vec<_> = (0..2).map(|_| connect(node.addr())).collect();
    for stream in &mut held {
        stream.write_all(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_ne!(stream.read(&mut [0; 64]).unwrap(), 0);
    }
    let mut refused = connect(node.addr());
    let _ = refused.write_all(&get("/hello", "a"));
    assert!(matches!(refused.read(&mut [0; 64]), Ok(0) | Err(_)));
    held.clear();
    let deadline = std::time::Instant::now() + PATIENCE;
    while !exchange(connect(node.addr()), &get("/hello", "a")).ends_with("hello") {
        assert!(std::time::Instant::now() < deadline, "the places are never free again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_a_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.sock");
    let file = format!("[[listeners]]\naddress = \"unix:{}\"\n", path.display());
    let node = node(SPEC, &file).await;
    assert_eq!(node.handle().bound().next(), Some((&Bound::Unix(path.clone()), false)));
    for _ in 0..4 {
        let answer = exchange(UnixStream::connect(&path).unwrap(), &get("/hello", "a"));
        assert!(answer.ends_with("hello"), "{answer}");
    }
    node.stop().await;
}

// === TLS ===

const TLS: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = true\n";

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Chain in PEM, chain in DER, and the key.
    fn issue(&self, name: &str) -> (String, CertificateDer<'static>, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), certificate.der().clone(), key)
    }
}

/// A connection inside TLS to `name`, with HTTP/1.1 in it.
fn secure(
    addr: SocketAddr,
    trusted: &Authority,
    name: &str,
    identity: Option<(CertificateDer<'static>, KeyPair)>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.0.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            builder.with_client_auth_cert(vec![chain], key).unwrap()
        }
    };
    let name = name.to_owned().try_into().unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), connect(addr))
}

fn indented(pem: &str) -> String {
    pem.lines().map(|line| format!("        {line}\n")).collect()
}

fn spec_with(certificates: &[(&str, &str, &KeyPair)], client_ca: &str) -> String {
    let mut spec = "certificates:\n".to_owned();
    for (name, chain, key) in certificates {
        spec += &format!("  - name: {name}\n    certificate: |\n{}", indented(chain));
        spec += &format!("    key: |\n{}", indented(&key.serialize_pem()));
    }
    spec + &format!(
        "sites:
  - name: open
    hosts: [open.example]
    routes: [{{ match: /*, action: {{ respond: {{ body: open }} }} }}]
  - name: closed
    hosts: [closed.example]
    tls:
      client_ca: |
{}
    routes: [{{ match: /*, action: {{ respond: {{ body: closed }} }} }}]
",
        indented(client_ca)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_knows_its_clients_by_their_certificates() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (open_pem, _, open_key) = servers.issue("open.example");
    let (closed_pem, _, closed_key) = servers.issue("closed.example");
    let certificates =
        [("open", open_pem.as_str(), &open_key), ("closed", closed_pem.as_str(), &closed_key)];
    let node = node(&spec_with(&certificates, &clients.0.pem()), TLS).await;
    let ask = |name: &str, host: &str, identity| {
        let stream = secure(node.addr(), &servers, name, identity);
        exchange(stream, &get("/", host))
    };
    let me = || {
        let (_, chain, key) = clients.issue("me");
        Some((chain, key))
    };
    assert!(ask("open.example", "open.example", None).ends_with("open"));
    assert!(ask("closed.example", "closed.example", me()).ends_with("closed"));
    let without = ask("closed.example", "closed.example", None);
    assert!(without.starts_with("HTTP/1.1 403"), "{without}");
    assert!(without.contains("client_certificate_missing"), "{without}");
    let misdirected = ask("open.example", "closed.example", me());
    assert!(misdirected.starts_with("HTTP/1.1 421"), "{misdirected}");
    assert!(ask("closed.example", "open.example", None).ends_with("open"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_configuration_shows_other_certificates() {
    let servers = Authority::new();
    let (pem, _, key) = servers.issue("open.example");
    let clients = Authority::new().0.pem();
    let mut node = node(&spec_with(&[("first", &pem, &key)], &clients), TLS).await;
    let ask = |node: &Node, name: &str| {
        exchange(secure(node.addr(), &servers, name, None), &get("/", "open.example"))
    };
    assert!(ask(&node, "open.example").ends_with("open"));
    let metric = "tidegate_edge_certificate_expiry_unix_seconds{certificate=\"first\"}";
    assert!(node.handle().metrics().contains(metric));
    let (pem, _, key) = servers.issue("other.example");
    node.apply(&spec_with(&[("second", &pem, &key)], &clients)).await.unwrap();
    assert!(ask(&node, "other.example").ends_with("open"));
    // A key of another certificate changes nothing, and is not in what is said about it.
    let (_, _, wrong) = servers.issue("other.example");
    let problems = node.apply(&spec_with(&[("third", &pem, &wrong)], &clients)).await.unwrap_err();
    assert!(
        problems.contains("certificates[0].key: the private key does not belong"),
        "{problems}"
    );
    assert!(!problems.contains("PRIVATE KEY-----\n"), "{problems}");
    assert!(ask(&node, "other.example").ends_with("open"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let servers = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let (pem, _, key) = servers.issue(name);
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(folder.path().join("chain.pem"), pem).unwrap();
    };
    write("before.example");
    let at = folder.path().display();
    let spec = format!(
        "certificates: [{{ name: file, certificate_file: {at}/chain.pem, key_file: {at}/key.pem }}]
sites: [{{ name: s, hosts: ['*'], routes: [{{ match: /*, action: {{ respond: {{ body: here }} }} }}] }}]
"
    );
    let node = node(&spec, TLS).await;
    let ask = |name: &str| {
        let mut stream = secure(node.addr(), &servers, name, None);
        let mut answer = Vec::new();
        let _ = stream.write_all(&get("/", name)).and_then(|()| stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).ends_with("here")
    };
    assert!(ask("before.example"));
    write("after.example");
    let deadline = std::time::Instant::now() + PATIENCE;
    while !ask("after.example") {
        assert!(std::time::Instant::now() < deadline, "the changed file is never shown");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    std::fs::write(folder.path().join("chain.pem"), "no certificate").unwrap();
    wait_for_metric(&node, "tidegate_edge_tls_reloads_failed_total 1").await;
    assert!(ask("after.example"), "what was shown stays");
    node.stop().await;
}
