use super::*;

#[test]
fn cookies_are_taken_out_of_a_line() {
    let without = |line: &str, names: &[&str]| {
        cookie_without(line.as_bytes(), names).map(|line| String::from_utf8(line).expect("ASCII"))
    };
    assert_eq!(without("a=1; tg=x; b=2", &["tg"]).as_deref(), Some("a=1; b=2"));
    assert_eq!(without("tg=x", &["tg"]), None);
    assert_eq!(without("tgx=x;tg=1", &["tg"]).as_deref(), Some("tgx=x"));
    assert_eq!(without("a=1", &["tg"]).as_deref(), Some("a=1"));
}

#[test]
fn the_rest_of_a_query_is_borrowed_when_it_can_be() {
    let borrowed = |query, names: &[&str]| match query_without(query, names) {
        Some(Cow::Borrowed(rest)) => (Some(rest.to_owned()), true),
        Some(Cow::Owned(rest)) => (Some(rest), false),
        None => (None, true),
    };
    assert_eq!(borrowed("a=1&b", &["t"]), (Some("a=1&b".into()), true));
    assert_eq!(borrowed("t=1&a=1&b", &["t"]), (Some("a=1&b".into()), true));
    assert_eq!(borrowed("a=1&b&t=1&u=2", &["t", "u"]), (Some("a=1&b".into()), true));
    assert_eq!(borrowed("a=1&t=1&b", &["t"]), (Some("a=1&b".into()), false));
    assert_eq!(borrowed("t=1&t", &["t"]), (None, true));
    assert_eq!(borrowed("", &["t"]), (Some(String::new()), true));
}

#[test]
fn a_path_segment_is_found_anywhere() {
    let found = |path| segment(path, "tg").map(|(token, rest)| (token.to_owned(), rest));
    assert_eq!(found("/tg=x/a"), Some(("x".into(), "/a".into())));
    assert_eq!(found("/a/tg=x/b"), Some(("x".into(), "/a/b".into())));
    assert_eq!(found("/a/tg=x"), Some(("x".into(), "/a/".into())));
    assert_eq!(found("/tg=x"), Some(("x".into(), "/".into())));
    assert_eq!(found("/atg=x/tgx=1/tg"), None);
}
