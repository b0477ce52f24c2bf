use super::{Header, Parsed, parse};
use crate::fuzz;

fn header(bytes: &[u8]) -> Header {
    match parse(bytes) {
        Parsed::Complete(header) => header,
        other => panic!("{other:?}"),
    }
}

fn addresses(bytes: &[u8]) -> Option<(String, String)> {
    let (from, to) = header(bytes).addresses?;
    Some((from.to_string(), to.to_string()))
}

/// Version 2 with `rest` behind the head.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[0x20 | command, family], &length, rest].concat()
}

#[test]
fn version_1_as_in_the_specification() {
    let v4 = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
    let all = "255.255.255.255:65535".to_owned();
    assert_eq!(addresses(v4), Some((all.clone(), all)));
    assert_eq!(header(v4).length, 56, "section 2.1");
    let v6 = b"PROXY TCP6 2001:db8::1 ffff:f::1 1 443\r\nGET";
    assert_eq!(addresses(v6), Some(("[2001:db8::1]:1".into(), "[ffff:f::1]:443".into())));
    assert_eq!(header(v6).length, v6.len() - 3);
    assert_eq!(addresses(b"PROXY UNKNOWN\r\n"), None);
    let long = format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", "ffff:".repeat(7) + "ffff");
    assert_eq!(long.len(), 107, "the worst case of section 2.1");
    assert_eq!(header(long.as_bytes()).addresses, None);
}

#[test]
fn version_1_has_one_spelling() {
    for line in [
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
        "PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
        "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY tcp4 1.1.1.1 2.2.2.2 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
    ] {
        assert!(matches!(parse(line.as_bytes()), Parsed::Invalid(_)), "{line:?}");
    }
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat();
    assert!(matches!(parse(&endless), Parsed::Invalid(_)));
}

#[test]
fn version_2_with_extensions() {
    let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb];
    let known = Some(("192.0.2.1:12345".to_owned(), "198.51.100.2:443".to_owned()));
    assert_eq!(addresses(&v2(1, 0x11, &v4)), known);
    let extended = v2(1, 0x11, &[&v4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat());
    assert_eq!(addresses(&extended), known);
    assert_eq!(header(&extended).length, 16 + 12 + 7);
    let mut v6 = [0; 36];
    v6[15] = 1;
    v6[31] = 2;
    v6[35] = 80;
    assert_eq!(addresses(&v2(1, 0x21, &v6)), Some(("[::1]:0".into(), "[::2]:80".into())));
}

#[test]
fn version_2_without_addresses_of_clients() {
    let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb];
    for bytes in [v2(0, 0, &[]), v2(0, 0x11, &v4), v2(1, 0, &[]), v2(1, 0x12, &v4)] {
        assert_eq!(addresses(&bytes), None, "{bytes:?}");
    }
    let unix = v2(1, 0x31, &[b'/'; 216]);
    assert_eq!(header(&unix), Header { length: 232, addresses: None });
}

#[test]
fn version_2_that_breaks_a_rule() {
    let mut version = v2(1, 0, &[]);
    version[12] = 0x11;
    for bytes in [
        version,
        v2(2, 0, &[]),
        v2(1, 0x11, &[0; 11]),
        v2(1, 0x21, &[0; 35]),
        v2(1, 0x31, &[0; 215]),
        v2(1, 0x41, &[]),
        v2(1, 0x13, &[0; 12]),
        v2(0, 0, &[0; 4096]),
    ] {
        assert!(matches!(parse(&bytes), Parsed::Invalid(_)), "{bytes:?}");
    }
}

#[test]
fn other_beginnings_are_told_at_the_first_byte_that_differs() {
    for bytes in ["GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n", "PROXX", "\r\n\r\nG", "PUT "] {
        assert_eq!(parse(bytes.as_bytes()), Parsed::Absent, "{bytes:?}");
    }
    for bytes in ["", "P", "PROXY", "PROXY TCP4 1.1.1.1", "\r\n", "\r\n\r\n\0\r\nQUIT\n"] {
        assert_eq!(parse(bytes.as_bytes()), Parsed::Partial, "{bytes:?}");
    }
}

#[test]
fn the_fuzz_body_holds_on_headers_cut_anywhere() {
    let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n".to_vec();
    for bytes in [line, v2(1, 0x21, &[7; 40]), v2(1, 0x31, &[7; 216]), b"PROXY\r".to_vec()] {
        for end in 0..=bytes.len() {
            fuzz::proxy_protocol(&bytes[..end]);
        }
    }
}
