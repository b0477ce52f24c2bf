use super::*;
use crate::hpack::{Decoder, SectionLimits};

fn decoded(block: &[u8]) -> Vec<(String, String)> {
    let mut decoder = Decoder::new(4096, SectionLimits { bytes_max: 1 << 16, lines_max: 100 });
    decoder.decode(block).expect("what is encoded can be decoded");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the tests use text");
    let arena = decoder.arena();
    decoder.lines().iter().map(|line| (text(line.name(arena)), text(line.value(arena)))).collect()
}

#[test]
fn every_status_comes_back() {
    for status in 100..=599 {
        let mut block = Vec::new();
        Encoder::status(&mut block, status);
        assert_eq!(decoded(&block), [(":status".to_owned(), status.to_string())]);
    }
}

#[test]
fn fields_come_back_in_lower_case() {
    let mut block = Vec::new();
    let long = "x".repeat(5000);
    for (name, value) in [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", "1024"),
        ("X-Cache", "HIT"),
        ("Set-Cookie", "a=b"),
        ("accept-encoding", "gzip, deflate"),
        ("Empty", ""),
        ("X-Long", &long),
        (&"N".repeat(200), "v"),
    ] {
        assert!(Encoder::field(&mut block, name.as_bytes(), value.as_bytes()));
    }
    let lines = decoded(&block);
    assert_eq!(lines.len(), 8);
    assert_eq!(lines[0], ("content-type".into(), "text/html; charset=utf-8".into()));
    assert_eq!(lines[6].1, long);
    assert_eq!(lines[7].0, "n".repeat(200));
}

#[test]
fn blocks_need_no_table() {
    let (mut block, mut other) = (Vec::new(), Vec::new());
    Encoder::status(&mut block, 200);
    Encoder::field(&mut block, b"x-a", b"1");
    Encoder::field(&mut other, b"date", b"Sun, 06 Nov 1994 08:49:37 GMT");
    block.extend_from_slice(&other);
    assert_eq!(decoded(&block).len(), 3);
    // Nothing enters the dynamic table: no byte pattern 01 begins a line.
    assert_eq!(block[0], 0x88);
}

#[test]
fn secrets_are_never_indexed() {
    let mut block = Vec::new();
    Encoder::field(&mut block, b"Set-Cookie", b"id=1");
    assert_eq!(block[0] & 0xf0, 0x10);
}

#[test]
fn what_http2_forbids_is_left_out() {
    let mut block = Vec::new();
    for (name, value) in [
        ("Connection", "close"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("TE", "gzip"),
        (":path", "/"),
        ("", "x"),
        ("a b", "x"),
        ("x", "a\r\nb: c"),
        ("x", "a\0"),
        ("x", " a"),
        ("x", "a\t"),
    ] {
        assert!(!Encoder::field(&mut block, name.as_bytes(), value.as_bytes()), "{name}: {value}");
    }
    assert!(block.is_empty());
    assert!(Encoder::field(&mut block, b"te", b"trailers"));
}
