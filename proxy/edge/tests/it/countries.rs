//! Countries from a database file: rules act by them, and a changed file is read again.

use std::path::Path;

use tidegate_edge::Clock;
use tidegate_testkit::{Client, Edge as _, WAIT_MAX};

use crate::node::Node;

const SPEC: &str = "
sites:
  - name: media
    hosts: ['*']
    routes:
      - { match: /only/*, action: { respond: { body: in } }, countries: { only: [DE, JP] } }
      - { match: /except/*, action: { respond: { body: in } }, countries: { except: [FR] } }
      - { match: /embed/*, action: { respond: { body: in } }, referers: { only: ['*.example.com'] } }
";

async fn status(node: &Node, path: &str, client: &str, more: &str) -> u16 {
    let mut stream = Client::connect(node.addr()).await;
    stream
        .send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\n{more}\r\n"))
        .await;
    stream.response().await.unwrap().status()
}

async fn until(node: &Node, path: &str, client: &str, wanted: u16) {
    let waited = tokio::time::timeout(WAIT_MAX, async {
        while status(node, path, client, "").await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{path} of {client} never became {wanted}"));
}

#[test]
fn rules_act_by_a_database_and_follow_its_file() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("countries.mmdb");
        let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/countries.mmdb");
        std::fs::copy(&made, &file).unwrap();
        let node_file =
            format!("trusted_proxies = ['127.0.0.1']\ncountries = '{}'\n", file.display());
        let node = Node::with_file(SPEC, &node_file, Clock::system(), 1).await.unwrap();
        for (client, only, except) in [
            ("192.0.2.1", 200, 200),
            ("2001:db8::7", 200, 200),
            ("198.51.100.7", 403, 403),
            ("203.0.113.7", 403, 200),
            ("198.51.101.7", 403, 200),
        ] {
            assert_eq!(status(&node, "/only/a", client, "").await, only, "{client}");
            assert_eq!(status(&node, "/except/a", client, "").await, except, "{client}");
        }
        let page = |page: &str| format!("Referer: {page}\r\n");
        assert_eq!(
            status(&node, "/embed/a", "192.0.2.1", &page("https://w.example.com/x")).await,
            200
        );
        assert_eq!(
            status(&node, "/embed/a", "192.0.2.1", &page("https://evil.example/x")).await,
            403
        );
        // What is not whole changes nothing; what is, does.
        std::fs::write(&file, b"half a database").unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        assert_eq!(status(&node, "/only/a", "192.0.2.1", "").await, 200);
        std::fs::remove_file(&file).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
        assert_eq!(status(&node, "/only/a", "192.0.2.1", "").await, 200);
        let other = std::fs::read(&made).unwrap();
        let turned = replaced(&other, b"BDE", b"BFR");
        std::fs::write(&file, turned).unwrap();
        until(&node, "/only/a", "192.0.2.1", 403).await;
        node.stop().await;
    });
}

#[test]
fn a_node_says_what_is_wrong_with_its_file() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let missing = "countries = '/nowhere/countries.mmdb'\n";
        let error = Node::with_file(SPEC, missing, Clock::system(), 1).await.err().unwrap();
        assert!(error.contains("/nowhere/countries.mmdb"), "{error}");
    });
}

/// A text of two letters is stored as its length (0x42) and the letters.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let at: Vec<_> = (0..out.len() - 2).filter(|&at| &out[at..at + 3] == from).collect();
    assert!(!at.is_empty());
    at.iter().for_each(|&at| out[at..at + 3].copy_from_slice(to));
    out
}
