use super::{ResponseBody, ResponseHead, parse_response, write_status_line};
use crate::{HeadLimits, Method, Refusal, Version};

fn parse(text: &str) -> Result<Option<(ResponseHead, Version, usize)>, Refusal> {
    parse_response(text.as_bytes(), &HeadLimits::default())
}

fn with(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n")
}

fn refuse(text: &str, want: Refusal) {
    assert_eq!(parse(text).err(), Some(want), "{text:?}");
}

/// The body of a response with these lines to GET.
fn body(status: u16, lines: &str) -> Result<ResponseBody, Refusal> {
    let text = format!("HTTP/1.1 {status} X\r\n{lines}\r\n");
    let (head, version, _) = parse(&text).unwrap().unwrap();
    head.body(Method::Get, version)
}

#[test]
fn a_head_reads_as_sent() {
    let text = "HTTP/1.0 404 Not Found\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc";
    let (head, version, len) = parse(text).unwrap().unwrap();
    assert_eq!((head.status, version, &text[len..]), (404, Version::Http10, "abc"));
    assert_eq!(head.fields.wire(), b"Server: x\r\nContent-Length: 3\r\n");
    for len in 0..len {
        assert_eq!(parse(&text[..len]), Ok(None), "{len} bytes");
    }
    assert!(parse("HTTP/1.1 200\r\n\r\n").unwrap().is_some(), "a status line without phrase");
}

#[test]
fn lines_are_as_strict_as_in_a_request() {
    refuse(&with("X: a\n"), Refusal::BARE_LF);
    refuse("HTTP/1.1 200 OK\nX: a\r\n\r\n", Refusal::BARE_LF);
    refuse(&with("X: a\rb\r\n"), Refusal::BARE_CR);
    refuse(&with("X: a\r\n b\r\n"), Refusal::OBS_FOLD);
    refuse(&with("X : a\r\n"), Refusal::SPACE_BEFORE_COLON);
    refuse(&with("X: a\0\r\n"), Refusal::FIELD_VALUE);
    refuse(&with("X y: a\r\n"), Refusal::FIELD_NAME);
    refuse(&with(&"X: a\r\n".repeat(101)), Refusal::FIELDS_TOO_MANY);
    let limits = HeadLimits { head_bytes_max: 20, ..HeadLimits::default() };
    let long = parse_response(with("X: aaaaaaaa\r\n").as_bytes(), &limits);
    assert_eq!(long, Err(Refusal::HEAD_TOO_LARGE));
}

#[test]
fn status_lines_that_are_none() {
    for line in [
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 X",
        "HTTP/1.1 600 X",
        "HTTP/1.1 abc X",
        "HTTP/2.0 200 OK",
        "ICY 200 OK",
        "<html>",
    ] {
        refuse(&format!("{line}\r\n\r\n"), Refusal::STATUS_LINE);
    }
    refuse("\r\nHTTP/1.1 200 OK\r\n\r\n", Refusal::STATUS_LINE);
}

#[test]
fn the_length_follows_the_list_of_the_standard() {
    assert_eq!(body(200, "Content-Length: 7\r\n"), Ok(ResponseBody::Length(7)));
    assert_eq!(body(200, "Content-Length: 0\r\n"), Ok(ResponseBody::Length(0)));
    assert_eq!(body(200, "Transfer-Encoding: chunked\r\n"), Ok(ResponseBody::Chunked));
    assert_eq!(body(200, ""), Ok(ResponseBody::UntilClose));
    for status in [100, 103, 204, 304] {
        assert_eq!(body(status, "Content-Length: 7\r\n"), Ok(ResponseBody::Empty));
    }
    let head = ResponseHead::new(200).with("content-length", "7");
    assert_eq!(head.body(Method::Head, Version::Http11), Ok(ResponseBody::Empty));
    assert_eq!(ResponseHead::new(200).body(Method::Get, Version::Http2), Ok(ResponseBody::Chunked));
}

#[test]
fn a_length_that_could_be_read_otherwise_is_refused() {
    let both = "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(body(200, both), Err(Refusal::LENGTH_WITH_ENCODING));
    let twice = "Content-Length: 7\r\ncontent-length: 7\r\n";
    assert_eq!(body(200, twice), Err(Refusal::LENGTH_REPEATED));
    assert_eq!(body(200, "Content-Length: 7, 7\r\n"), Err(Refusal::LENGTH_INVALID));
    assert_eq!(body(200, "Transfer-Encoding: gzip\r\n"), Err(Refusal::ENCODING_INVALID));
    let old = parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap().unwrap();
    assert_eq!(old.0.body(Method::Get, old.1), Err(Refusal::ENCODING_IN_HTTP10));
}

#[test]
fn a_head_is_written_with_its_phrase() {
    let mut out = Vec::new();
    ResponseHead::new(308).with("location", "/x").write_h1(&mut out);
    assert_eq!(out, b"HTTP/1.1 308 Permanent Redirect\r\nlocation: /x\r\n\r\n");
    out.clear();
    write_status_line(299, &mut out);
    assert_eq!(out, b"HTTP/1.1 299 \r\n");
}
