use std::net::IpAddr;

use tidegate_http::FieldList;

use super::*;

fn fields(lines: &[(&str, &str)]) -> FieldList {
    let mut fields = FieldList::default();
    lines.iter().for_each(|(name, value)| fields.push(*name, *value));
    fields
}

fn request<'a>(client: &str, query: Option<&'a str>, fields: &'a FieldList) -> Request<'a> {
    let client = client.parse().expect("an address");
    let (host, method, path, route) = ("h.example", "GET", "/p", "r");
    Request { client, host, method, path, query, route, fields, claim: None, country: None }
}

fn key(part: &str, request: &Request<'_>) -> Option<KeyHash> {
    let parts = [part.parse().expect("a part")];
    hash(&Secret::new([1; 16]), "rule", &parts, Missing::Skip, request)
}

#[test]
fn parts_read_and_print_alike() {
    for text in [
        "client_ip",
        "client_ip/24/56",
        "header:x-api-key",
        "cookie:Sid",
        "query:key",
        "claim:sub",
        "route",
        "host",
        "method",
        "path",
        "const:all",
    ] {
        assert_eq!(text.parse::<KeyPart>().expect(text).to_string(), text);
    }
    let short: KeyPart = "client_ip/24".parse().expect("a v4 prefix alone");
    assert_eq!(short, KeyPart::ClientIp { v4: 24, v6: 64 });
}

#[test]
fn wrong_parts_say_why() {
    let error = |text: &str| text.parse::<KeyPart>().expect_err(text).to_string();
    assert!(error("ip").contains("is not one of"));
    assert!(error("client_ip/33").contains("prefix length"));
    assert!(error("client_ip/0/64").contains("prefix length"));
    assert!(error("client_ip/").contains("prefix length"));
    assert!(error("client_ipx").contains("prefix length"));
    assert!(error("header:").contains("lacks a name"));
}

#[test]
fn clients_of_one_prefix_share_a_key() {
    let none = fields(&[]);
    let of = |part, client| key(part, &request(client, None, &none)).expect("a key");
    assert_eq!(of("client_ip", "2001:db8::1"), of("client_ip", "2001:db8::ffff:1"));
    assert_ne!(of("client_ip", "2001:db8::1"), of("client_ip", "2001:db8:0:1::1"));
    assert_ne!(of("client_ip", "192.0.2.1"), of("client_ip", "192.0.2.2"));
    assert_eq!(of("client_ip", "192.0.2.1"), of("client_ip", "::ffff:192.0.2.1"));
    assert_eq!(of("client_ip/24/56", "192.0.2.1"), of("client_ip/24/56", "192.0.2.2"));
    assert_ne!(of("client_ip/24/56", "192.0.2.1"), of("client_ip/24/56", "192.0.3.1"));
    assert_ne!(of("client_ip/1/1", "0.0.0.0"), of("client_ip/1/1", "128.0.0.0"));
}

#[test]
fn another_spelling_is_no_other_key() {
    let none = fields(&[]);
    let of = |query| key("query:api_key", &request("192.0.2.1", Some(query), &none));
    let plain = of("api_key=abc");
    assert!(plain.is_some());
    assert_eq!(of("x=1&api%5Fkey=%61bc&y"), plain);
    assert_ne!(of("api_key=abcd"), plain);
    assert_eq!(of("apikey=abc"), None);
}

#[test]
fn a_second_line_is_another_key() {
    let once = fields(&[("X-Api-Key", "a")]);
    let twice = fields(&[("x-api-key", "a"), ("X-API-KEY", "b")]);
    let of = |fields| key("header:x-api-key", &request("192.0.2.1", None, fields));
    assert!(of(&once).is_some());
    assert_ne!(of(&once), of(&twice));
}

#[test]
fn cookies_are_found_in_any_line() {
    let one = fields(&[("cookie", "a=1; sid=x; b=2")]);
    let two = fields(&[("cookie", "a=1"), ("cookie", "sid=x")]);
    let other = fields(&[("cookie", "ssid=x; sid=y")]);
    let of = |fields| key("cookie:sid", &request("192.0.2.1", None, fields));
    assert!(of(&one).is_some());
    assert_eq!(of(&one), of(&two));
    assert_ne!(of(&one), of(&other));
}

#[test]
fn a_missing_part_counts_the_client_unless_told_otherwise() {
    let none = fields(&[]);
    let parts = [KeyPart::Header("x-api-key".into())];
    let of = |missing, client: &str| {
        hash(&Secret::new([1; 16]), "rule", &parts, missing, &request(client, None, &none))
    };
    assert_ne!(of(Missing::ClientIp, "192.0.2.1"), of(Missing::ClientIp, "192.0.2.2"));
    assert_eq!(of(Missing::Share, "192.0.2.1"), of(Missing::Share, "192.0.2.2"));
    assert_eq!(of(Missing::Skip, "192.0.2.1"), None);
}

#[test]
fn pieces_do_not_run_together() {
    let split = fields(&[("a", "xy"), ("b", "z")]);
    let joined = fields(&[("a", "x"), ("b", "yz")]);
    let parts = [KeyPart::Header("a".into()), KeyPart::Header("b".into())];
    let of = |name, fields| {
        let request = request("192.0.2.1", None, fields);
        hash(&Secret::new([1; 16]), name, &parts, Missing::Skip, &request)
    };
    assert_ne!(of("rule", &split), of("rule", &joined));
    assert_ne!(of("rule", &split), of("other", &split));
}

#[test]
fn a_claim_is_a_key() {
    let none = fields(&[]);
    let claims = |name: &str, f: &mut dyn FnMut(&str)| match name {
        "sub" => f("user-1"),
        "aud" => ["a", "b"].into_iter().for_each(f),
        _ => {}
    };
    let mut with = request("192.0.2.1", None, &none);
    with.claim = Some(&claims);
    assert!(key("claim:sub", &with).is_some());
    assert!(
        key("claim:aud", &with).is_some_and(|several| Some(several) != key("claim:sub", &with))
    );
    assert_eq!(key("claim:tier", &with), None);
    let parts = ["claim:sub".parse().expect("a part")];
    assert_eq!(
        hash_of(&Secret::new([1; 16]), "rule", &parts, &["user-1"]),
        key("claim:sub", &with)
    );
}

#[test]
fn a_long_key_is_hashed_as_a_short_one() {
    for length in [0, 1, 50, 100, 111, 112, 113, 128, 129, 300] {
        let value = "v".repeat(length);
        let line = fields(&[("x-a", &value)]);
        let mut plain = SipHasher13::new_with_key(&[1; 16]);
        for bytes in [b"rule".as_slice(), value.as_bytes()] {
            plain.write(&(bytes.len() as u32).to_le_bytes());
            plain.write(bytes);
        }
        plain.write(&1_u32.to_le_bytes());
        let expected = Some(KeyHash(plain.finish()));
        assert_eq!(key("header:x-a", &request("192.0.2.1", None, &line)), expected, "{length}");
    }
}

#[test]
fn the_secret_is_not_shown() {
    assert_eq!(format!("{:?}", Secret::new([42; 16])), "Secret(..)");
    assert_eq!("::1".parse::<IpAddr>().map(|a| a.to_canonical()), "::1".parse());
}
