use proptest::prelude::*;
use tidegate_http::FieldList;

use super::*;
use crate::{Claims, Keyset, KeysetOptions, Scope, Verified, mint, mint_url, verify};

const NOW_S: u64 = 1_800_000_000;
const END_S: u64 = NOW_S + 3600;

fn keyset() -> Keyset {
    let keys = vec![
        Key::new("k1", Algorithm::HmacSha256, b"0123456789abcdef0123456789abcdef").expect("a key"),
        Key::new("e1", Algorithm::Ed25519, &[7; 32]).expect("a key"),
    ];
    of(keys)
}

fn of(keys: Vec<Key>) -> Keyset {
    let options = KeysetOptions { name: "media".into(), keys, skew_s: 5, ..Default::default() };
    Keyset::new(options).expect("a keyset")
}

fn request<'a>(path: &'a str, query: Option<&'a str>, fields: &'a FieldList) -> Request<'a> {
    Request {
        https: true,
        host: "media.example",
        port: None,
        method: "GET",
        path,
        path_sent: path,
        query,
        client: "192.0.2.7".parse().expect("an address"),
        country: Some("DE"),
        fields,
        wants_claims: false,
    }
}

fn prefix(path: &str) -> Claims {
    Claims::new(Scope::Prefix(path.to_owned()), END_S)
}

/// The outcome of a request with a minted token in its query.
fn outcome(claims: &Claims, change: impl Fn(&mut Request<'_>), now_s: u64) -> Result<(), Reason> {
    let keyset = keyset();
    let query = format!("tg={}", mint(&keyset, claims).expect("a token"));
    let fields = FieldList::default();
    let mut request = request("/media/show/1.ts", Some(&query), &fields);
    change(&mut request);
    verify(&keyset, &request, now_s).map(|_| ()).map_err(|denial| denial.reason)
}

fn same(_: &mut Request<'_>) {}

#[test]
fn a_token_is_taken_off_wherever_it_travels() {
    let keyset = keyset();
    let token = mint(&keyset, &prefix("/media/show/")).expect("a token");
    let none = FieldList::default();
    let mut cookie = FieldList::default();
    cookie.push("Cookie", format!("a=1; tg={token}; b=2"));
    let mut field = FieldList::default();
    field.push("Tidegate-Token", &token);
    let at = |path: &str, query: Option<&str>, fields: &FieldList| {
        let verified = verify(&keyset, &request(path, query, fields), NOW_S).expect("a good token");
        let carrier = verified.carrier().clone();
        let (grant, path, query) = verified.into_parts();
        assert_eq!((grant.format, &*grant.key_id, grant.expires_s), (FORMAT, "k1", Some(END_S)));
        (path.into_owned(), query.map(|query| query.into_owned()), carrier)
    };
    let path = "/media/show/1.ts";
    let query = |text: &str| text.replace("TOKEN", &token);
    for (sent, left) in [
        ("tg=TOKEN", None),
        ("a=1&tg=TOKEN", Some("a=1")),
        ("tg=TOKEN&a=1&b", Some("a=1&b")),
        ("a=1&tg=TOKEN&b=2", Some("a=1&b=2")),
    ] {
        let (path_left, query_left, carrier) = at(path, Some(&query(sent)), &none);
        assert_eq!((path_left.as_str(), query_left.as_deref()), (path, left));
        assert_eq!(carrier, Carrier::Query);
    }
    for sent in
        ["/tg=TOKEN/media/show/1.ts", "/media/tg=TOKEN/show/1.ts", "/media/show/tg=TOKEN/1.ts"]
    {
        let (path_left, query_left, carrier) = at(&query(sent), Some("a=1"), &none);
        assert_eq!((path_left.as_str(), query_left.as_deref()), (path, Some("a=1")));
        assert_eq!(carrier, Carrier::Path);
    }
    let (_, _, carrier) = at(path, None, &cookie);
    assert_eq!(carrier, Carrier::Cookies(vec!["tg".into()]));
    let (_, _, carrier) = at(path, None, &field);
    assert_eq!(carrier, Carrier::Header(FIELD.into()));
}

#[test]
fn fields_lose_the_token_on_their_way_upstream() {
    let keyset = keyset();
    let token = mint(&keyset, &prefix("/")).expect("a token");
    let mut fields = FieldList::default();
    fields.push("Cookie", format!("a=1; tg={token}; b=2"));
    fields.push("Accept", "*/*");
    let path = "/media/show/1.ts";
    let strip = |fields: &FieldList| {
        let request = request(path, None, fields);
        let verified: Verified<'_> = verify(&keyset, &request, NOW_S).expect("a good token");
        let mut upstream = fields.clone();
        verified.strip(&mut upstream);
        upstream
    };
    let upstream = strip(&fields);
    assert_eq!(upstream.text("cookie"), Some("a=1; b=2"));
    assert_eq!(upstream.len(), 2);
    let mut fields = FieldList::default();
    fields.push("Cookie", format!("tg={token}"));
    assert!(strip(&fields).is_empty());
    let mut fields = FieldList::default();
    fields.push("tidegate-token", &token);
    assert!(strip(&fields).is_empty());
}

#[test]
fn a_token_has_its_time() {
    let claims = Claims { not_before_s: Some(NOW_S), ..prefix("/media") };
    assert_eq!(outcome(&claims, same, NOW_S - 6), Err(Reason::NotYetValid));
    assert_eq!(outcome(&claims, same, NOW_S - 5), Ok(()));
    assert_eq!(outcome(&claims, same, END_S + 4), Ok(()));
    assert_eq!(outcome(&claims, same, END_S + 5), Err(Reason::Expired));
    assert_eq!(Reason::Expired.status(), 410);
}

#[test]
fn a_scope_is_anchored() {
    let at = |scope: &Scope, path: &str| {
        let keyset = keyset();
        let claims = Claims::new(scope.clone(), END_S);
        let query = format!("tg={}", mint(&keyset, &claims).expect("a token"));
        let fields = FieldList::default();
        verify(&keyset, &request(path, Some(&query), &fields), NOW_S).is_ok()
    };
    let show = Scope::Prefix("/media/show".into());
    for (path, opens) in [
        ("/media/show", true),
        ("/media/show/1.ts", true),
        ("/media/showcase/1.ts", false),
        ("/x/media/show/1.ts", false),
        ("/media/Show/1.ts", false),
    ] {
        assert_eq!(at(&show, path), opens, "{path}");
    }
    let exact = Scope::Path("/media/show/1.ts".into());
    assert!(at(&exact, "/media/show/1.ts"));
    assert!(!at(&exact, "/media/show/1.ts/") && !at(&exact, "/media/show/1.tsx"));
    let glob = Scope::Glob("/media/*/*.ts".into());
    assert!(at(&glob, "/media/show/1.ts"));
    assert!(!at(&glob, "/media/show/x/1.ts") && !at(&glob, "/media/show/1.ts.exe"));
}

#[test]
fn every_claim_is_checked() {
    let claims = Claims { client: "192.0.2.0/24".parse().ok(), ..prefix("/media") };
    assert_eq!(outcome(&claims, same, NOW_S), Ok(()));
    let mapped = "::ffff:192.0.2.99".parse().expect("an address");
    assert_eq!(outcome(&claims, |r| r.client = mapped, NOW_S), Ok(()));
    let other = "192.0.3.7".parse().expect("an address");
    assert_eq!(outcome(&claims, |r| r.client = other, NOW_S), Err(Reason::ClientMismatch));

    let claims = Claims { methods: vec!["put".into()], ..prefix("/media") };
    assert_eq!(outcome(&claims, |r| r.method = "PUT", NOW_S), Ok(()));
    assert_eq!(outcome(&claims, same, NOW_S), Err(Reason::MethodMismatch));
    assert_eq!(
        outcome(&prefix("/media"), |r| r.method = "DELETE", NOW_S),
        Err(Reason::MethodMismatch)
    );

    let claims = Claims { countries: vec!["AT".into(), "de".into()], ..prefix("/media") };
    assert_eq!(outcome(&claims, same, NOW_S), Ok(()));
    assert_eq!(outcome(&claims, |r| r.country = None, NOW_S), Err(Reason::CountryMismatch));

    let claims = Claims { host: Some("Media.Example".into()), ..prefix("/media") };
    assert_eq!(outcome(&claims, same, NOW_S), Ok(()));
    assert_eq!(outcome(&claims, |r| r.host = "x.example", NOW_S), Err(Reason::ScopeMismatch));
    assert_eq!(outcome(&prefix("/other"), same, NOW_S), Err(Reason::ScopeMismatch));
}

#[test]
fn a_grant_tells_session_and_uses() {
    let keyset = keyset();
    let session = Some("viewer 1".to_owned());
    let claims = Claims { session, uses_max: Some(3), ..prefix("/") };
    let query = format!("tg={}", mint(&keyset, &claims).expect("a token"));
    let fields = FieldList::default();
    let verified = verify(&keyset, &request("/a", Some(&query), &fields), NOW_S).expect("good");
    assert_eq!(verified.grant().session.as_deref(), Some("viewer 1"));
    assert_eq!(verified.grant().uses_max, Some(3));
    assert_eq!(claim(verified.grant(), "session").as_deref(), Some("viewer 1"));
    assert_eq!(claim(verified.grant(), "kid").as_deref(), Some("k1"));
    assert_eq!(claim(verified.grant(), "sub").as_deref(), None);
}

#[test]
fn keys_overlap_while_they_are_rotated() {
    let old = Key::new("k1", Algorithm::HmacSha256, &[1; 32]).expect("a key");
    let new = Key::new("k2", Algorithm::Ed25519, &[2; 32]).expect("a key");
    let token = |keyset: &Keyset| mint(keyset, &prefix("/")).expect("a token");
    let good = |keyset: &Keyset, token: &str| {
        let (query, fields) = (format!("tg={token}"), FieldList::default());
        verify(keyset, &request("/a", Some(&query), &fields), NOW_S)
            .map(|_| ())
            .map_err(|d| d.reason)
    };
    let before = of(vec![old.clone()]);
    let during = of(vec![new.clone(), old]);
    let public = new.ed25519_public().expect("a public half");
    let after = of(vec![Key::new("k2", Algorithm::Ed25519Public, public).expect("a key")]);
    assert_eq!(good(&during, &token(&before)), Ok(()));
    assert_eq!(good(&during, &token(&during)), Ok(()));
    assert_eq!(good(&after, &token(&during)), Ok(()));
    assert_eq!(good(&after, &token(&before)), Err(Reason::KeyUnknown));
    assert!(mint(&after, &prefix("/")).is_err(), "a public key does not sign");
}

#[test]
fn the_same_id_with_another_secret_is_no_key() {
    let key = |byte| of(vec![Key::new("k", Algorithm::HmacSha256, &[byte; 32]).expect("a key")]);
    let query = format!("tg={}", mint(&key(1), &prefix("/")).expect("a token"));
    let fields = FieldList::default();
    let denial = verify(&key(2), &request("/a", Some(&query), &fields), NOW_S).expect_err("other");
    assert_eq!(denial.reason, Reason::SignatureInvalid);
}

#[test]
fn what_cannot_be_read_is_told_apart_from_what_is_not_there() {
    let (keyset, fields) = (keyset(), FieldList::default());
    let reason = |query: Option<&str>| {
        verify(&keyset, &request("/a", query, &fields), NOW_S).expect_err("no token").reason
    };
    assert_eq!(reason(None), Reason::TokenMissing);
    assert_eq!(reason(Some("tgx=1")), Reason::TokenMissing);
    for token in ["", "x", "tg1", "tg1.k1", "tg2.k1.1.x.y", "tg1.k1.1.z1.y", "tg1.k1.01.pLw.y"] {
        assert_eq!(reason(Some(&format!("tg={token}"))), Reason::TokenMalformed, "{token}");
    }
    assert_eq!(reason(Some("tg=tg1.k9.1.pLw.y")), Reason::KeyUnknown);
    assert_eq!(reason(Some("tg=tg1.k1.1.pLw.pLw.y")), Reason::TokenMalformed);
    assert_eq!(reason(Some("tg=tg1.k1.1.n1.y")), Reason::TokenMalformed);
    let token = mint(&keyset, &prefix("/")).expect("a token");
    assert_eq!(reason(Some(&format!("tg={token}&tg={token}"))), Reason::TokenMalformed);
    let long = format!("tg={}", "a".repeat(TOKEN_BYTES_MAX + 1));
    assert_eq!(reason(Some(&long)), Reason::TokenMalformed);
}

#[test]
fn another_parameter_can_be_configured() {
    let set = |name: &str| BTreeMap::from([("parameter".to_owned(), name.to_owned())]);
    assert_eq!(Native::new(&set("token")).expect("a name").parameter, "token");
    assert!(Native::new(&set("to=ken")).is_err());
    assert!(Native::new(&BTreeMap::from([("param".to_owned(), "x".to_owned())])).is_err());
}

#[test]
fn a_url_is_signed_where_its_path_begins() {
    let keyset = keyset();
    let url = |address: &str, carrier: &Carrier| {
        let url = mint_url(&keyset, address, &prefix("/"), carrier).expect("an address");
        let token = mint(&keyset, &prefix("/")).expect("a token");
        url.replace(&token, "T")
    };
    assert_eq!(url("/a", &Carrier::Query), "/a?tg=T");
    assert_eq!(url("https://h/a?b=1#c", &Carrier::Query), "https://h/a?b=1&tg=T#c");
    assert_eq!(url("https://h/a/b?c", &Carrier::Path), "https://h/tg=T/a/b?c");
    let below = |address: &str, scope: Scope| {
        let claims = Claims::new(scope, END_S);
        let url = mint_url(&keyset, address, &claims, &Carrier::Path).expect("an address");
        url.replace(&mint(&keyset, &claims).expect("a token"), "T")
    };
    let show = Scope::Prefix("/media/show/".into());
    assert_eq!(below("/media/show/1/a.m3u8", show), "/media/show/tg=T/1/a.m3u8");
    let show = Scope::Prefix("/media/show".into());
    assert_eq!(
        below("https://h/media/show/a?b=/c", show.clone()),
        "https://h/media/show/tg=T/a?b=/c"
    );
    assert_eq!(below("/media/show", show), "/media/tg=T/show");
    assert_eq!(below("/media/a.ts", Scope::Path("/media/a.ts".into())), "/media/tg=T/a.ts");
    assert!(mint_url(&keyset, "https://h", &prefix("/"), &Carrier::Path).is_err());
    assert!(mint_url(&keyset, "a/b", &prefix("/"), &Carrier::Path).is_err());
}

proptest! {
    /// One changed byte anywhere in a good token, or one left out, and it is good no more.
    #[test]
    fn a_changed_token_is_refused(at in 0_usize..400, to in 0x21_u8..0x7f, ed in any::<bool>()) {
        let keyset = match ed {
            true => of(vec![Key::new("e1", Algorithm::Ed25519, &[7; 32]).expect("a key")]),
            false => keyset(),
        };
        let claims = Claims { client: "192.0.2.0/24".parse().ok(), ..prefix("/media/show") };
        let token = mint(&keyset, &claims).expect("a token");
        let at = at % token.len();
        let mut changed = token.clone().into_bytes();
        prop_assume!(changed[at] != to && to != b'&' && to != b'#');
        changed[at] = to;
        let changed = format!("tg={}", String::from_utf8(changed).expect("ASCII"));
        let shorter = format!("tg={}{}", &token[..at], &token[at + 1..]);
        let fields = FieldList::default();
        for query in [changed, shorter] {
            let request = request("/media/show/1.ts", Some(&query), &fields);
            prop_assert!(verify(&keyset, &request, NOW_S).is_err());
        }
    }

    #[test]
    fn any_text_is_survived(token in "(tg1\\.)?[\\PC.~]{0,80}") {
        fuzz(token.as_bytes());
    }
}

/// Through the head parser, as a client sends it: escapes of either kind and dot segments make no
/// difference, and nothing of the token is left.
#[test]
fn a_token_survives_the_way_through_the_head() {
    use tidegate_http::{HeadLimits, Scheme as HttpScheme, parse_head};
    let keyset = keyset();
    let claims = Claims::new(Scope::Prefix("/media/x/../my%20sh%6fw/".into()), END_S);
    let limits = HeadLimits { head_bytes_max: 8192, fields_max: 64, target_bytes_max: 4096 };
    for carrier in [Carrier::Query, Carrier::Path] {
        let url = mint_url(&keyset, "/media/./my%20show/a%7Eb.ts?q=%7e", &claims, &carrier);
        let url = url.expect("an address");
        let text = format!("GET {url} HTTP/1.1\r\nHost: h.example\r\n\r\n");
        let parsed = parse_head(text.as_bytes(), &limits, HttpScheme::Https).expect("a head");
        let (head, _) = parsed.expect("all of it");
        let fields = head.to_field_list();
        let request =
            Request { path: head.path(), query: head.query(), ..request("", None, &fields) };
        let verified = verify(&keyset, &request, NOW_S).expect("a good token");
        assert_eq!(verified.path(), "/media/my%20show/a~b.ts", "{url}");
        assert!(verified.query().is_some_and(|query| query.eq_ignore_ascii_case("q=%7e")));
    }
}

fn claim(grant: &Grant, name: &str) -> Option<String> {
    let mut found = None;
    grant.each_claim(name, &mut |value| found = Some(value.to_owned()));
    found
}
