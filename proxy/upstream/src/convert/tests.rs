use bytes::Bytes;
use tidegate_http::Fields;

use super::*;

fn out() -> Outbound {
    Outbound::new(http::Method::POST, "example.com", "/a?b=c")
}

fn sent(out: &Outbound, version: Version) -> Vec<(String, String)> {
    let uri = Uri::from_maybe_shared(out.target.clone()).unwrap();
    let request = request(out, &uri, version).unwrap();
    assert_eq!(request.raw_path(), b"/a?b=c");
    let text = |v: &HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    request.headers.iter().map(|(n, v)| (n.to_string(), text(v))).collect()
}

fn answer(status: u16, lines: &[(&str, &[u8])]) -> ResponseHeader {
    let mut header = ResponseHeader::build(status, None).unwrap();
    for (name, value) in lines {
        header.append_header((*name).to_owned(), *value).unwrap();
    }
    header
}

#[test]
fn a_request_keeps_order_duplicates_and_odd_bytes() {
    let mut out = out();
    out.framing = Framing::Length(5);
    for (name, value) in [("X-B", &b"1"[..]), ("x-a", b"\xfcber"), ("X-B", b"2")] {
        out.fields.push(name, value);
    }
    let lines = sent(&out, Version::HTTP_11);
    let names: Vec<&str> = lines.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["host", "x-b", "x-b", "x-a", "content-length"]);
    assert_eq!(lines[3].1, "\u{fffd}ber");
}

#[test]
fn framing_and_connection_fields_are_never_taken_from_the_list() {
    let mut out = out();
    out.framing = Framing::Chunked;
    for name in ["Content-Length", "Transfer-Encoding", "Connection", "Host", "TE", "Upgrade"] {
        out.fields.push(name, "7");
    }
    let h1 = [("host", "example.com"), ("transfer-encoding", "chunked")];
    assert_eq!(sent(&out, Version::HTTP_11), h1.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(sent(&out, Version::HTTP_2).len(), 1);
}

#[test]
fn an_upgrade_goes_by_http_1_only() {
    let mut out = out();
    out.upgrade = Some(Bytes::from_static(b"websocket"));
    let lines = sent(&out, Version::HTTP_11);
    assert!(lines.contains(&("connection".to_owned(), "Upgrade".to_owned())));
    assert!(lines.contains(&("upgrade".to_owned(), "websocket".to_owned())));
    let uri = Uri::from_static("/a?b=c");
    assert_eq!(request(&out, &uri, Version::HTTP_2).err(), Some("upgrade_over_http2"));
}

#[test]
fn a_response_loses_what_belongs_to_the_connection() {
    let header = answer(
        200,
        &[
            ("Connection", b"x-hop, keep-alive"),
            ("X-Hop", b"1"),
            ("Keep-Alive", b"timeout=5"),
            ("Content-Length", b"3"),
            ("Date", b"Sun, 06 Nov 1994 08:49:37 GMT"),
            ("X-Odd", b"\xe4"),
        ],
    );
    let (head, framing) = response(&header, false, false).unwrap();
    assert_eq!(framing, ResponseFraming::Length(3));
    assert_eq!(head.fields.len(), 2);
    assert_eq!(head.fields.first("x-odd"), Some(&b"\xe4"[..]));
}

#[test]
fn a_response_that_two_readers_could_end_differently_is_refused() {
    let refused = |lines: &[(&str, &[u8])]| response(&answer(200, lines), false, false).err();
    assert_eq!(
        refused(&[("content-length", b"3"), ("content-length", b"3")]),
        Some("content_length")
    );
    for odd in [&b"3, 3"[..], b"+3", b"-1", b"0x3", b"", b"99999999999999999999"] {
        assert_eq!(refused(&[("content-length", odd)]), Some("content_length"), "{odd:?}");
    }
    assert_eq!(refused(&[("transfer-encoding", b"gzip, chunked")]), Some("transfer_encoding"));
    let mut old = answer(200, &[("transfer-encoding", b"chunked")]);
    old.set_version(Version::HTTP_10);
    assert_eq!(response(&old, false, false).err(), Some("transfer_encoding"));
}

#[test]
fn answers_without_body_keep_the_length_they_declare() {
    let header = answer(200, &[("content-length", b"12")]);
    let framing = |status, ended, head| {
        let mut header = header.clone();
        header.set_status(status).unwrap();
        response(&header, ended, head).unwrap().1
    };
    assert_eq!(framing(200, true, true), ResponseFraming::Empty { declared: Some(12) });
    assert_eq!(framing(304, true, false), ResponseFraming::Empty { declared: Some(12) });
    assert_eq!(framing(200, false, false), ResponseFraming::Length(12));
    let bare = answer(200, &[]);
    assert_eq!(response(&bare, true, false).unwrap().1, ResponseFraming::Length(0));
    assert_eq!(response(&bare, false, false).unwrap().1, ResponseFraming::Unknown);
}
