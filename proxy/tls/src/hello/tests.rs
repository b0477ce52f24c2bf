use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::ring};

use super::{Hello, Parsed, parse};
use crate::{Fingerprint, fuzz};

/// What rustls' own client begins with.
fn first_flight(name: &str, alpn: &[&str]) -> Vec<u8> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|word| word.as_bytes().to_vec()).collect();
    let name = name.to_owned().try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn hello(bytes: &[u8]) -> Hello {
    match parse(bytes) {
        Parsed::Complete(hello) => hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_name_and_the_protocol_are_read() {
    let hello = hello(&first_flight("shop.example.com", &["h2", "http/1.1"]));
    assert_eq!(hello.server_name.as_deref(), Some("shop.example.com"));
    assert_eq!(hello.alpn.as_deref(), Some(&b"h2"[..]));
    assert_eq!(hello.version, 0x0304);
}

#[test]
fn records_may_cut_the_message_anywhere() {
    let whole = first_flight("a.example", &["h2"]);
    let message = &whole[5..];
    for at in 1..message.len() {
        let mut cut = Vec::new();
        for part in [&message[..at], &message[at..]] {
            cut.extend_from_slice(&[22, 3, 1]);
            cut.extend_from_slice(&u16::try_from(part.len()).unwrap().to_be_bytes());
            cut.extend_from_slice(part);
        }
        assert_eq!(parse(&cut), parse(&whole), "cut at {at}");
    }
}

#[test]
fn other_protocols_are_told_at_once() {
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"G", b"\x16\x04\x00\x00\x01\x01", b"\x17\x03\x03"] {
        assert_eq!(parse(bytes), Parsed::Unreadable, "{bytes:?}");
    }
    assert_eq!(parse(&[22, 3, 1, 0, 0]), Parsed::Unreadable, "an empty record");
}

#[test]
fn damaged_messages_never_panic() {
    let whole = first_flight("a.example", &["h2", "http/1.1"]);
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            fuzz::client_hello(&damaged);
        }
        fuzz::client_hello(&whole[..at]);
    }
}

/// The example of the format's own description (JA4 by FoxIO, `technical_details/JA4.md`).
#[test]
fn a_fingerprint_as_published() {
    let hello = Hello {
        server_name: Some("example.com".to_owned()),
        version: 0x0304,
        ciphers: vec![
            0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ],
        extensions: vec![
            0x0a0a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023,
            0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0x3a3a,
        ],
        signatures: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
        alpn: Some(b"h2".to_vec()),
    };
    assert_eq!(Fingerprint::of(&hello).as_str(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

#[test]
fn a_fingerprint_of_little() {
    let hello = Hello { version: 0x0303, alpn: Some(vec![0xab, 0xcd]), ..Hello::default() };
    assert_eq!(Fingerprint::of(&hello).as_str(), "t12i0000ad_000000000000_000000000000");
}
