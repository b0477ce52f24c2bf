use super::*;

fn parsed(text: &str) -> String {
    text.parse::<Address>().map_or_else(|e| e.to_string(), |a| format!("{a} {:?}", a.protocol))
}

#[test]
fn addresses_are_read_with_their_default_ports() {
    assert_eq!(parsed("http://127.0.0.1"), "http://127.0.0.1:80 Http");
    assert_eq!(parsed("https://Example.com/"), "https://example.com:443 Https");
    assert_eq!(parsed("h2c://[::1]:9000"), "h2c://[::1]:9000 H2c");
    assert_eq!(parsed("https://[2001:db8::1]"), "https://[2001:db8::1]:443 Https");
    assert_eq!(parsed("unix:/run/app.sock"), "unix:/run/app.sock Http");
    assert_eq!(parsed("unix:///run/app.sock"), "unix:/run/app.sock Http");
}

#[test]
fn what_is_not_an_address_says_what_is_missing() {
    for (text, word) in [
        ("127.0.0.1:80", "scheme"),
        ("ftp://x", "scheme"),
        ("http://", "no host"),
        ("http://:80", "no host"),
        ("http://x:0", "port"),
        ("http://x:http", "port"),
        ("http://x/path", "more than"),
        ("http://u@x", "more than"),
        ("unix:run.sock", "absolute"),
    ] {
        let message = text.parse::<Address>().unwrap_err().to_string();
        assert!(message.contains(word), "{text}: {message}");
    }
}
