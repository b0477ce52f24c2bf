//! One named test for each rule.

mod http2;
mod refused;

use super::{Framing, Head, HeadLimits, head_may_end, parse_head};
use crate::{Fields, Known, Method, Refusal, Scheme, Version};

fn parse(text: &[u8]) -> Result<Option<(Head<'_>, usize)>, Refusal> {
    parse_head(text, &HeadLimits::default(), Scheme::Http)
}

fn accept(text: &str) -> Head<'_> {
    let (head, len) = parse(text.as_bytes()).unwrap().expect("a complete head");
    assert_eq!(len, text.len(), "{text:?}");
    head
}

#[test]
fn a_browser_request_reads_as_sent() {
    let head = accept(concat!(
        "GET /media/a.ts?x=1 HTTP/1.1\r\n",
        "Host: Example.com:8080\r\n",
        "User-Agent: Mozilla/5.0\r\n",
        "Accept: */*\r\n",
        "Accept-Encoding: gzip, br\r\n",
        "Connection: keep-alive\r\n",
        "X-Custom:  padded \t\r\n",
        "Empty:\r\n",
        "\r\n"
    ));
    assert_eq!(
        (head.method(), head.version(), head.scheme()),
        (Method::Get, Version::Http11, Scheme::Http)
    );
    assert_eq!((head.host(), head.port()), ("example.com", Some(8080)));
    assert_eq!(head.authority(), "example.com:8080");
    assert_eq!(
        (head.path(), head.query(), head.target()),
        ("/media/a.ts", Some("x=1"), "/media/a.ts?x=1")
    );
    assert_eq!(head.field(Known::AcceptEncoding), Some(&b"gzip, br"[..]));
    assert_eq!(head.text(Known::UserAgent), Some("Mozilla/5.0"));
    assert_eq!(head.first("x-custom"), Some(&b"padded"[..]));
    assert_eq!(head.first("empty"), Some(&b""[..]));
    assert_eq!(head.first("absent"), None);
    assert_eq!(
        (head.body(), head.keep_alive(), head.expects_continue()),
        (Framing::Empty, true, false)
    );
    assert_eq!(head.upgrade(), None);
    assert_eq!(head.to_field_list().len(), 7);
}

#[test]
fn the_ordinary_request_allocates_nothing() {
    let lines = "x-some-field: value\r\n".repeat(20);
    let text = format!("GET /a/b.c?d HTTP/1.1\r\nhost: example.com.:80\r\n{lines}\r\n");
    let head = accept(&text);
    assert!(head.is_borrowed());
    assert!(!accept("GET /./ HTTP/1.1\r\nHost: a\r\n\r\n").is_borrowed());
    assert!(!accept("GET / HTTP/1.1\r\nHost: A\r\n\r\n").is_borrowed());
}

#[test]
fn every_prefix_asks_for_more() {
    let text = b"\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX: y\r\n\r\n";
    for len in 0..text.len() {
        assert!(parse(&text[..len]).unwrap().is_none(), "{len} bytes");
    }
    let (head, len) = parse(text).unwrap().unwrap();
    assert_eq!((head.body(), len), (Framing::Length(3), text.len()));
}

#[test]
fn what_follows_the_head_is_left_alone() {
    let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /second";
    let (head, len) = parse(text).unwrap().unwrap();
    assert_eq!((head.path(), &text[len..]), ("/", &b"GET /second"[..]));
}

#[test]
fn the_path_is_normalised_and_the_query_kept() {
    let head = accept("GET /a/%2e%2e/%7eb/./c%2fd?q=%zz&r[]=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(head.path(), "/~b/c%2Fd");
    assert_eq!(head.query(), Some("q=%zz&r[]=1"));
    assert_eq!(head.target(), "/~b/c%2Fd?q=%zz&r[]=1");
}

#[test]
fn absolute_form_is_split() {
    let head = accept("GET http://A.example:80/x/../y?z HTTP/1.1\r\nHost: a.example\r\n\r\n");
    assert_eq!((head.host(), head.port(), head.target()), ("a.example", None, "/y?z"));
    let head = accept("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((head.path(), head.query()), ("/", None));
    let head = accept("GET HTTP://a?q HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(head.target(), "/?q");
    let head = accept("GET http://a/ HTTP/1.0\r\n\r\n");
    assert_eq!(head.host(), "a");
}

#[test]
fn asterisk_is_for_options() {
    let head = accept("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((head.method(), head.path(), head.query()), (Method::Options, "*", None));
    let head = accept("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(head.path(), "*");
}

#[test]
fn http10_may_do_without_host() {
    let head = accept("GET /a HTTP/1.0\r\n\r\n");
    assert_eq!((head.version(), head.host(), head.keep_alive()), (Version::Http10, "", false));
    assert!(accept("GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive());
}

#[test]
fn connection_options_are_found_on_any_line() {
    let head = accept(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nA: b\r\nconnection: y, Close\r\n\r\n",
    );
    assert!(!head.keep_alive());
    let both = "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n";
    assert!(!accept(both).keep_alive());
}

#[test]
fn upgrade_needs_both_fields_and_http11() {
    let lines = "Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let ask = |version: &str| format!("GET /ws HTTP/{version}\r\n{lines}");
    assert_eq!(accept(&ask("1.1")).upgrade(), Some(&b"websocket"[..]));
    assert_eq!(accept(&ask("1.0")).upgrade(), None);
    assert_eq!(accept("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n").upgrade(), None);
    assert_eq!(accept("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n").upgrade(), None);
}

#[test]
fn continue_is_expected_only_with_a_body() {
    let ask =
        |lines: &str| format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n{lines}\r\n");
    assert!(accept(&ask("Content-Length: 1\r\n")).expects_continue());
    assert!(!accept(&ask("Content-Length: 0\r\n")).expects_continue());
    let old = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert!(!accept(old).expects_continue());
}

#[test]
fn bodies_are_framed() {
    let framing =
        |lines: &str| accept(&format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).body();
    assert_eq!(framing(""), Framing::Empty);
    assert_eq!(framing("Content-Length: 0\r\n"), Framing::Empty);
    assert_eq!(framing("content-length:  00042 \r\n"), Framing::Length(42));
    let most = framing("Content-Length: 9999999999999999999\r\n");
    assert_eq!(most, Framing::Length(9_999_999_999_999_999_999));
    assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Framing::Chunked);
}

#[test]
fn unknown_methods_pass_and_keep_their_case() {
    let head = accept("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(head.method(), Method::Other("PROPFIND"));
    assert!(!head.method().is_safe());
    assert_eq!(accept("get / HTTP/1.1\r\nHost: a\r\n\r\n").method(), Method::Other("get"));
}

#[test]
fn repeated_fields_are_joined_and_counted() {
    let head =
        accept("GET / HTTP/1.1\r\nHost: a\r\nAccept: x\r\nX-A: 1\r\nACCEPT: y\r\nx-a: 2\r\n\r\n");
    assert_eq!(head.joined("accept").unwrap().as_ref(), b"x, y");
    assert_eq!(head.joined("x-a").unwrap().as_ref(), b"1, 2");
    assert_eq!(
        (head.count("accept"), head.count("x-a"), head.count("host"), head.count("b")),
        (2, 2, 1, 0)
    );
    assert_eq!(head.values(Known::Accept).collect::<Vec<_>>(), [b"x", b"y"]);
}

#[test]
fn obs_text_in_a_value_passes() {
    let text = b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\xff\r\n\r\n";
    let (head, _) = parse(text).unwrap().unwrap();
    assert_eq!(head.first("x"), Some(&b"\xe4\xff"[..]));
}

#[test]
fn debug_shows_no_values() {
    let shown =
        format!("{:?}", accept("GET /p?token=s3 HTTP/1.1\r\nHost: a\r\nCookie: s4\r\n\r\n"));
    assert!(shown.contains("/p") && !shown.contains("s3") && !shown.contains("s4"), "{shown}");
}

#[test]
fn a_head_in_pieces_is_parsed_when_it_may_end() {
    let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    let end = text.len() - b"rest".len();
    for from in 0..end {
        for len in from..text.len() {
            assert_eq!(head_may_end(&text[..len], from), len >= end, "{from}..{len}");
        }
    }
    assert!(head_may_end(b"GET / HTTP/1.1\n\n", 15));
    assert!(!head_may_end(b"", 9));
}
