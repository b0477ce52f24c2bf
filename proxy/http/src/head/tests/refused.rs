use super::{HeadLimits, parse, parse_head};
use crate::{Refusal, Scheme};

fn refuse(text: impl AsRef<[u8]>, want: Refusal) {
    let text = text.as_ref();
    match parse(text) {
        Err(got) => assert_eq!(got, want, "{:?}", String::from_utf8_lossy(text)),
        Ok(_) => panic!("{:?} passes", String::from_utf8_lossy(text)),
    }
}

/// A request line and Host around the lines in question.
fn with(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn line(request_line: &str) -> String {
    format!("{request_line}\r\nHost: a\r\n\r\n")
}

#[test]
fn content_length_with_transfer_encoding() {
    let both = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
    refuse(with(both), Refusal::LENGTH_WITH_ENCODING);
    refuse(
        with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
        Refusal::LENGTH_WITH_ENCODING,
    );
}

#[test]
fn several_content_lengths_even_if_equal() {
    refuse(with("Content-Length: 3\r\nContent-Length: 3\r\n"), Refusal::LENGTH_REPEATED);
    refuse(with("Content-Length: 3\r\nX: y\r\ncontent-length: 4\r\n"), Refusal::LENGTH_REPEATED);
    refuse(with("Content-Length: 3, 3\r\n"), Refusal::LENGTH_INVALID);
}

#[test]
fn odd_content_lengths() {
    for odd in [
        "",
        "+3",
        "-3",
        "3 4",
        "0x3",
        "3a",
        "3.0",
        "3,",
        "\u{661}",
        "10000000000000000000",
        "99999999999999999999",
    ] {
        refuse(with(&format!("Content-Length: {odd}\r\n")), Refusal::LENGTH_INVALID);
    }
}

#[test]
fn odd_transfer_encodings() {
    for odd in [
        "",
        "identity",
        "chunked, gzip",
        "chunked;q=1",
        "\"chunked\"",
        "xchunked",
        "chunked x",
        "chunked,",
    ] {
        refuse(with(&format!("Transfer-Encoding: {odd}\r\n")), Refusal::ENCODING_INVALID);
    }
    refuse(with("Transfer-Encoding: \u{b}chunked\r\n"), Refusal::FIELD_VALUE);
}

#[test]
fn transfer_encoding_twice() {
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    refuse(with(twice), Refusal::ENCODING_REPEATED);
    let hidden = "Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n";
    refuse(with(hidden), Refusal::ENCODING_REPEATED);
    refuse(with("Transfer-Encoding: chunked, chunked\r\n"), Refusal::ENCODING_REPEATED);
}

#[test]
fn a_coding_before_chunked_is_not_implemented() {
    refuse(with("Transfer-Encoding: gzip, chunked\r\n"), Refusal::ENCODING_UNSUPPORTED);
    assert_eq!(Refusal::ENCODING_UNSUPPORTED.status, 501);
}

#[test]
fn transfer_encoding_in_http10() {
    let text = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    refuse(text, Refusal::ENCODING_IN_HTTP10);
}

#[test]
fn obs_fold() {
    refuse(with("X: a\r\n b\r\n"), Refusal::OBS_FOLD);
    refuse(with("X: a\r\n\tb\r\n"), Refusal::OBS_FOLD);
    refuse("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refusal::OBS_FOLD);
    refuse(with("Transfer-Encoding:\r\n chunked\r\n"), Refusal::OBS_FOLD);
}

#[test]
fn bare_cr() {
    refuse(with("X: a\rb\r\n"), Refusal::BARE_CR);
    refuse(with("X: a\r\r\n"), Refusal::BARE_CR);
    refuse("GET / HTTP/1.1\rHost: a\r\n\r\n", Refusal::BARE_CR);
    refuse("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BARE_CR);
}

#[test]
fn bare_lf() {
    refuse("GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::BARE_LF);
    refuse("GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::BARE_LF);
    refuse("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", Refusal::BARE_LF);
    refuse("GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::BARE_LF);
    refuse("GET / HTTP/1.0\n\n", Refusal::BARE_LF);
    refuse("GET / HTTP/1.0\r\n\n", Refusal::BARE_LF);
    refuse("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BARE_LF);
    refuse(with("X:\n\r\n"), Refusal::BARE_LF);
}

#[test]
fn whitespace_before_the_colon() {
    refuse(with("Content-Length : 3\r\n"), Refusal::SPACE_BEFORE_COLON);
    refuse(with("Transfer-Encoding\t: chunked\r\n"), Refusal::SPACE_BEFORE_COLON);
}

#[test]
fn nul_and_control_bytes() {
    refuse(with("X: a\0b\r\n"), Refusal::FIELD_VALUE);
    refuse(with("X: a\u{1}\r\n"), Refusal::FIELD_VALUE);
    refuse(with("X: a\u{7f}\r\n"), Refusal::FIELD_VALUE);
    refuse(with("X\0: a\r\n"), Refusal::FIELD_NAME);
}

#[test]
fn field_names_that_are_no_tokens() {
    for name in ["", "X(", "X\u{80}", "X@", "[", "X/Y", "X\u{1}"] {
        refuse(with(&format!("{name}: a\r\n")), Refusal::FIELD_NAME);
    }
    refuse(with("no colon\r\n"), Refusal::FIELD_NAME);
    refuse(with("nocolon\r\n"), Refusal::FIELD_NAME);
}

#[test]
fn host_must_be_there_once() {
    refuse("GET / HTTP/1.1\r\n\r\n", Refusal::HOST_MISSING);
    refuse("GET http://a/ HTTP/1.1\r\n\r\n", Refusal::HOST_MISSING);
    refuse("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Refusal::HOST_REPEATED);
    refuse("GET / HTTP/1.0\r\nHost: a\r\nhOST: b\r\n\r\n", Refusal::HOST_REPEATED);
}

#[test]
fn host_must_be_a_host() {
    for host in ["", "a b", "a/b", "u@a", "a,b", "a:x", "a:99999", "[::1", "a\u{80}"] {
        refuse(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), Refusal::HOST_INVALID);
    }
    refuse("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::HOST_INVALID);
    refuse("GET http://u:p@a/x HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::HOST_INVALID);
}

#[test]
fn host_against_the_target() {
    refuse("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", Refusal::HOST_CONFLICT);
    refuse("GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::HOST_CONFLICT);
}

#[test]
fn targets_without_a_form() {
    for target in ["a", "a/b", "*", "a:80", "mailto:x"] {
        refuse(line(&format!("GET {target} HTTP/1.1")), Refusal::TARGET_FORM);
    }
    refuse(line("OPTIONS ** HTTP/1.1"), Refusal::TARGET_FORM);
    refuse(line("GET ftp://a/ HTTP/1.1"), Refusal::SCHEME_INVALID);
    refuse(line("GET https://a/ HTTP/1.1"), Refusal::SCHEME_MISDIRECTED);
    let text = line("GET https://a/ HTTP/1.1");
    assert!(parse_head(text.as_bytes(), &HeadLimits::default(), Scheme::Https).is_ok());
}

#[test]
fn illegal_bytes_in_the_target() {
    for target in ["/\u{1}", "/\u{7f}", "/ä", "/a\"b", "/<", "/a#b", "/\\", "/{", "/a\tb"] {
        refuse(line(&format!("GET {target} HTTP/1.1")), Refusal::TARGET_BYTES);
    }
    refuse(line("GET /%zz HTTP/1.1"), Refusal::TARGET_PERCENT);
    refuse(line("GET /%00 HTTP/1.1"), Refusal::TARGET_NUL);
}

#[test]
fn connect_and_trace_are_not_implemented() {
    refuse("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Refusal::CONNECT_REFUSED);
    refuse("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::TRACE_REFUSED);
}

#[test]
fn request_lines_that_are_none() {
    refuse("GET /\r\nHost: a\r\n\r\n", Refusal::REQUEST_LINE);
    refuse("GET\r\n\r\n", Refusal::REQUEST_LINE);
    refuse("GET / \r\n\r\n", Refusal::VERSION_INVALID);
    refuse("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::REQUEST_LINE);
    refuse("GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::VERSION_INVALID);
    refuse("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Refusal::REQUEST_LINE);
    refuse("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::REQUEST_LINE);
    refuse("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::METHOD_INVALID);
    refuse(" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::METHOD_INVALID);
    refuse("\u{16}\u{3}\u{1}\u{2}", Refusal::METHOD_INVALID);
}

#[test]
fn versions_that_are_not_spoken() {
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0"] {
        refuse(line(&format!("GET / {version}")), Refusal::VERSION_UNSUPPORTED);
    }
    refuse("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::VERSION_UNSUPPORTED);
    for version in ["http/1.1", "HTTP/1", "HTTP/11.1", "HTTPS/1.1", "HTTP/1,1", "ICY/1.1"] {
        refuse(line(&format!("GET / {version}")), Refusal::VERSION_INVALID);
    }
}

#[test]
fn connection_may_not_name_what_frames_the_request() {
    refuse(with("Connection: close, Content-Length\r\n"), Refusal::CONNECTION_NAMES_FRAMING);
    refuse(with("Connection: x\r\nConnection: HOST\r\n"), Refusal::CONNECTION_NAMES_FRAMING);
}

#[test]
fn other_expectations() {
    refuse(with("Expect: 200-ok\r\n"), Refusal::EXPECTATION_UNKNOWN);
    assert_eq!(Refusal::EXPECTATION_UNKNOWN.status, 417);
}

fn limited(text: &str, limits: HeadLimits) -> Result<bool, Refusal> {
    parse_head(text.as_bytes(), &limits, Scheme::Http).map(|head| head.is_some())
}

#[test]
fn a_target_at_its_limit_passes_and_one_more_does_not() {
    let limits = HeadLimits { target_bytes_max: 10, ..HeadLimits::default() };
    assert_eq!(limited(&line("GET /123456789 HTTP/1.1"), limits), Ok(true));
    assert_eq!(limited(&line("GET /1234567890 HTTP/1.1"), limits), Err(Refusal::TARGET_TOO_LONG));
    let endless = format!("GET /{}", "a".repeat(100));
    assert_eq!(limited(&endless, limits), Err(Refusal::TARGET_TOO_LONG));
}

#[test]
fn a_head_at_its_limit_passes_and_one_more_does_not() {
    let text = with("X: 1234567890\r\n");
    let limits = |head_bytes_max| HeadLimits { head_bytes_max, ..HeadLimits::default() };
    assert_eq!(limited(&text, limits(text.len())), Ok(true));
    assert_eq!(limited(&text, limits(text.len() - 1)), Err(Refusal::HEAD_TOO_LARGE));
    assert_eq!(limited(&text[..text.len() - 2], limits(text.len() - 1)), Ok(false));
    let cap = limits(usize::MAX);
    let huge = with(&format!("X: {}\r\n", "a".repeat(70_000)));
    assert_eq!(limited(&huge, cap), Err(Refusal::HEAD_TOO_LARGE));
}

#[test]
fn a_line_too_many() {
    let limits = HeadLimits { fields_max: 3, ..HeadLimits::default() };
    assert_eq!(limited(&with("A: 1\r\nB: 2\r\n"), limits), Ok(true));
    assert_eq!(limited(&with("A: 1\r\nB: 2\r\nC: 3\r\n"), limits), Err(Refusal::FIELDS_TOO_MANY));
    let cap = HeadLimits { fields_max: usize::MAX, ..HeadLimits::default() };
    assert_eq!(limited(&with(&"A: 1\r\n".repeat(127)), cap), Ok(true));
    assert_eq!(limited(&with(&"A: 1\r\n".repeat(128)), cap), Err(Refusal::FIELDS_TOO_MANY));
}
