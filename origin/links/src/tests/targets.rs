use proptest::prelude::*;

use crate::model::target::{Policy, check};

fn policy() -> Policy {
    Policy { own_hosts: vec!["go.example".into()], ..Policy::default() }
}

fn word(url: &str) -> String {
    check(url, &policy()).map_or_else(|violation| violation.code, |_| "ok".to_owned())
}

#[test]
fn addresses_of_the_public_web_pass_in_canonical_form() {
    for (given, kept) in [
        ("https://example.com", "https://example.com/"),
        ("HTTP://EXAMPLE.com:80/a/../b?q=1#f", "http://example.com/b?q=1#f"),
        ("https://bücher.example.com/ä", "https://xn--bcher-kva.example.com/%C3%A4"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ] {
        assert_eq!(check(given, &policy()).as_deref(), Ok(kept));
    }
}

#[test]
fn what_is_refused_and_why() {
    for (url, code) in [
        ("", "syntax"),
        ("/relative", "syntax"),
        ("example.com/x", "syntax"),
        ("javascript:alert(1)", "scheme"),
        ("data:text/html,x", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("ftp://example.com/", "scheme"),
        ("https://user@example.com/", "userinfo"),
        ("https://user:pw@example.com/", "userinfo"),
        ("https://exa\tmple.com/", "characters"),
        ("https://example.com/\r\nset-cookie: x", "characters"),
        ("https://go.example/x", "loop"),
        ("https://GO.example./x", "loop"),
    ] {
        assert_eq!(word(url), code, "{url}");
    }
    assert_eq!(word(&format!("https://example.com/{}", "a".repeat(9_000))), "length");
    assert_eq!(word(&format!("https://example.com/{}", "ä".repeat(2_000))), "length");
}

#[test]
fn private_and_reserved_targets_are_refused_in_every_spelling() {
    for url in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://192.0.2.1/",
        "http://[::1]/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:db8::1]/",
        "http://[ff02::1]/",
        "http://[::7f00:1]/",
        "http://localhost/",
        "http://localhost:8080/",
        "http://a.localhost/",
        "http://printer.local/",
        "http://metadata.google.internal/",
        "http://intranet/",
        "http://router.home.arpa/",
        "http://LOCALHOST./",
    ] {
        assert_eq!(word(url), "private", "{url}");
    }
    for url in [
        "http://172.32.0.1/",
        "http://100.128.0.1/",
        "http://local.example.com/",
        "http://mylocal.example/",
    ] {
        assert_eq!(word(url), "ok", "{url}");
    }
}

#[test]
fn a_closed_network_may_allow_its_own() {
    let open = Policy { private: true, ..policy() };
    assert!(check("http://10.0.0.1/", &open).is_ok());
    assert!(check("http://go.example/", &open).is_err(), "loops stay loops");
}

proptest! {
    #[test]
    fn whatever_passes_is_safe_to_send_as_a_field(text in ".{0,200}") {
        if let Ok(target) = check(&text, &policy()) {
            prop_assert!(target.bytes().all(|b| (0x21..0x7f).contains(&b)), "{target}");
        }
    }

    #[test]
    fn checking_twice_changes_nothing(host in "[a-z]{1,9}\\.[a-z]{2,5}", path in "[ -~äöü]{0,40}") {
        if let Ok(target) = check(&format!("https://{host}/{path}"), &policy()) {
            let again = check(&target, &policy());
            prop_assert_eq!(again.as_deref(), Ok(target.as_str()));
        }
    }
}
