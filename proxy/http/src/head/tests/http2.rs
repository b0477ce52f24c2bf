use super::{Framing, HeadLimits};
use crate::{
    Fields, H2Layout, H2Parts, Known, Method, Refusal, Scheme, StoredHead, Version, head_from_h2,
};

const GET: H2Parts<'static> = H2Parts {
    method: "GET",
    authority: Some("Example.com"),
    path: "/a/../b?q",
    protocol: None,
    ended: true,
};

fn bytes<'f>(fields: &'f [(&str, &str)]) -> impl Iterator<Item = (&'f [u8], &'f [u8])> {
    fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

fn refuse(parts: H2Parts<'_>, fields: &[(&str, &str)], want: Refusal) {
    let mut scratch = Vec::new();
    let got =
        head_from_h2(parts, bytes(fields), &HeadLimits::default(), Scheme::Https, &mut scratch);
    assert_eq!(got.err(), Some(want), "{parts:?} {fields:?}");
}

#[test]
fn a_stream_enters_like_a_connection() {
    let fields = [("accept", "x"), ("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2")];
    let mut scratch = b"of the last stream".to_vec();
    let limits = HeadLimits::default();
    let head = head_from_h2(GET, bytes(&fields), &limits, Scheme::Https, &mut scratch).unwrap();
    assert_eq!(
        (head.method(), head.version(), head.scheme()),
        (Method::Get, Version::Http2, Scheme::Https)
    );
    assert_eq!((head.host(), head.target()), ("example.com", "/b?q"));
    assert_eq!((head.body(), head.keep_alive(), head.upgrade()), (Framing::Empty, true, None));
    assert_eq!(head.field(Known::Cookie), Some(&b"a=1; b=2"[..]));
    assert_eq!((head.count("cookie"), head.first("x-a")), (1, Some(&b"1"[..])));
}

#[test]
fn bodies_follow_the_stream() {
    let framing = |ended, fields: &[(&str, &str)]| {
        let parts = H2Parts { method: "POST", ended, ..GET };
        let mut scratch = Vec::new();
        head_from_h2(parts, bytes(fields), &HeadLimits::default(), Scheme::Http, &mut scratch)
            .unwrap()
            .body()
    };
    assert_eq!(framing(true, &[]), Framing::Empty);
    assert_eq!(framing(false, &[]), Framing::Chunked);
    assert_eq!(framing(false, &[("content-length", "7")]), Framing::Length(7));
    assert_eq!(framing(false, &[("content-length", "0")]), Framing::Empty);
    refuse(GET, &[("content-length", "7")], Refusal::LENGTH_INVALID);
    refuse(GET, &[("content-length", "0"), ("content-length", "0")], Refusal::LENGTH_REPEATED);
}

#[test]
fn authority_and_host_must_agree() {
    let without = H2Parts { authority: None, ..GET };
    refuse(without, &[], Refusal::HOST_MISSING);
    refuse(GET, &[("host", "b")], Refusal::HOST_CONFLICT);
    refuse(H2Parts { authority: Some(""), ..GET }, &[], Refusal::HOST_INVALID);
    let mut scratch = Vec::new();
    let limits = HeadLimits::default();
    for (parts, host) in [(without, "EXAMPLE.com"), (GET, "example.com:443")] {
        let fields = [("host", host)];
        let head = head_from_h2(parts, bytes(&fields), &limits, Scheme::Https, &mut scratch);
        assert_eq!(head.unwrap().host(), "example.com");
    }
}

#[test]
fn connection_specific_fields_are_malformed() {
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
    ] {
        refuse(GET, &[(name, value)], Refusal::H2_CONNECTION_FIELD);
    }
}

#[test]
fn fields_that_would_split_are_malformed() {
    refuse(GET, &[("x", "a\r\nb: c")], Refusal::FIELD_VALUE);
    refuse(GET, &[("x", "a\nb")], Refusal::FIELD_VALUE);
    refuse(GET, &[("x", "a\0")], Refusal::FIELD_VALUE);
    refuse(GET, &[("x", " a")], Refusal::FIELD_VALUE);
    refuse(GET, &[("x:y", "a")], Refusal::FIELD_NAME);
    refuse(GET, &[("x y", "a")], Refusal::FIELD_NAME);
    refuse(GET, &[("", "a")], Refusal::FIELD_NAME);
    refuse(GET, &[("X", "a")], Refusal::H2_FIELD_CASE);
    refuse(GET, &[(":path", "/")], Refusal::H2_PSEUDO);
}

#[test]
fn pseudo_fields_are_checked() {
    refuse(H2Parts { method: "G T", ..GET }, &[], Refusal::METHOD_INVALID);
    refuse(H2Parts { method: "", ..GET }, &[], Refusal::METHOD_INVALID);
    refuse(H2Parts { method: "CONNECT", ..GET }, &[], Refusal::CONNECT_REFUSED);
    refuse(H2Parts { path: "", ..GET }, &[], Refusal::H2_PSEUDO);
    refuse(H2Parts { path: "http://a/", ..GET }, &[], Refusal::H2_PSEUDO);
    refuse(H2Parts { path: "*", ..GET }, &[], Refusal::H2_PSEUDO);
    refuse(H2Parts { path: "/a b", ..GET }, &[], Refusal::TARGET_BYTES);
    refuse(H2Parts { path: "/a HTTP/1.1\r\nx: y", ..GET }, &[], Refusal::TARGET_BYTES);
}

#[test]
fn limits_hold_here_too() {
    let limits = HeadLimits { head_bytes_max: 64, fields_max: 2, target_bytes_max: 16 };
    let mut scratch = Vec::new();
    let mut refused = |parts, fields: &[(&str, &str)]| {
        head_from_h2(parts, bytes(fields), &limits, Scheme::Http, &mut scratch).err()
    };
    let long = "a".repeat(64);
    assert_eq!(refused(GET, &[("x", &long)]), Some(Refusal::HEAD_TOO_LARGE));
    assert_eq!(
        refused(GET, &[("a", "1"), ("cookie", "2"), ("b", "3")]),
        Some(Refusal::FIELDS_TOO_MANY)
    );
    let parts = H2Parts { path: "/1234567890123456", ..GET };
    assert_eq!(refused(parts, &[]), Some(Refusal::TARGET_TOO_LONG));
    assert_eq!(refused(GET, &[("a", "1"), ("b", "2")]), None);
}

#[test]
fn an_extended_connect_is_an_upgrade() {
    let parts = H2Parts { method: "CONNECT", protocol: Some("websocket"), ended: false, ..GET };
    let mut scratch = Vec::new();
    let fields = [("sec-websocket-version", "13")];
    let limits = HeadLimits::default();
    let head = head_from_h2(parts, bytes(&fields), &limits, Scheme::Https, &mut scratch).unwrap();
    assert_eq!(head.method(), Method::Get);
    assert_eq!(head.upgrade(), Some(&b"websocket"[..]));
    assert_eq!(head.body(), Framing::Empty);
    refuse(H2Parts { protocol: Some("websocket"), ..GET }, &[], Refusal::H2_PSEUDO);
}

#[test]
fn a_stored_head_reads_the_same_again() {
    let (mut scratch, limits) = (Vec::new(), HeadLimits::default());
    let parts = H2Parts { method: "POST", ended: false, ..GET };
    let fields = [("cookie", "a=1"), ("content-length", "3"), ("cookie", "b=2")];
    let layout = H2Layout::copy(parts, bytes(&fields), &limits, &mut scratch).unwrap();
    let stored = StoredHead::h2(scratch.clone().into(), layout, Scheme::Https);
    let head = stored.read().unwrap();
    assert_eq!((head.method(), head.version()), (Method::Post, Version::Http2));
    assert_eq!((head.host(), head.target()), ("example.com", "/b?q"));
    assert_eq!(head.body(), Framing::Length(3));
    assert_eq!(head.first("cookie"), Some(&b"a=1; b=2"[..]));

    let text = b"GET /a HTTP/1.0\r\nHost: h\r\n\r\n";
    let stored = StoredHead::h1(text[..].into(), Scheme::Http);
    assert_eq!(stored.read().unwrap().version(), Version::Http10);
}
