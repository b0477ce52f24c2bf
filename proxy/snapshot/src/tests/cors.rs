use super::*;
use crate::cors::OriginPattern;

fn cors(origins: &[&str], credentials: bool) -> Cors {
    Cors {
        any: origins == ["*"],
        origins: origins.iter().filter_map(|text| OriginPattern::parse(text)).collect(),
        methods: "GET, PUT".into(),
        headers: "x-a".into(),
        expose: "x-b".into(),
        credentials,
        max_age: std::time::Duration::from_secs(60),
    }
}

fn dressed(cors: &Cors, origin: &str) -> FieldList {
    let mut fields: FieldList =
        [("Access-Control-Allow-Origin", "https://said.by.origin.example")].into_iter().collect();
    cors.dress(&mut fields, Some(origin.as_bytes()));
    fields
}

#[test]
fn only_listed_origins_are_let_in() {
    let cors = cors(&["https://app.example", "https://*.app.example:8443"], true);
    for good in ["https://app.example", "HTTPS://APP.example", "https://a.b.app.example:8443"] {
        let fields = dressed(&cors, good);
        assert_eq!(fields.value("access-control-allow-origin"), Some(good.as_bytes()));
        assert_eq!(fields.value("access-control-allow-credentials"), Some(&b"true"[..]));
        assert_eq!(fields.value("vary"), Some(&b"origin"[..]));
    }
    let wrong = [
        "http://app.example",
        "https://app.example.evil.example",
        "https://evilapp.example",
        "https://.app.example:8443",
        "https://x/.app.example:8443",
        "https://a.app.example",
        "null",
        "",
    ];
    for bad in wrong {
        let fields = dressed(&cors, bad);
        assert_eq!(fields.value("access-control-allow-origin"), None, "{bad}");
        assert_eq!(fields.value("access-control-allow-credentials"), None, "{bad}");
        assert_eq!(fields.value("vary"), Some(&b"origin"[..]), "{bad}");
    }
}

#[test]
fn a_star_is_said_as_a_star() {
    let fields = dressed(&cors(&["*"], false), "https://a.example");
    assert_eq!(fields.value("access-control-allow-origin"), Some(&b"*"[..]));
    assert_eq!(fields.value("vary"), None);
}

#[test]
fn patterns_that_are_none() {
    for text in
        ["app.example", "https://", "https://*", "https://*app.example", "ftp://a", "https://a/b"]
    {
        assert_eq!(OriginPattern::parse(text), None, "{text}");
    }
}
