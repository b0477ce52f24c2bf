//! Cases in the spirit of the HTTP working group's table: value, canonical form or failure.

use super::{
    Bare, Dictionary, Item, Member, parse_dictionary, parse_item, parse_list, serialise_dictionary,
    serialise_item, serialise_list,
};

fn item(value: &str, canonical: Option<&str>) {
    let written = parse_item(value.as_bytes()).ok().map(|item| serialise_item(&item).unwrap());
    assert_eq!(written.as_deref(), canonical, "{value:?}");
}

fn list(value: &str, canonical: Option<&str>) {
    let written = parse_list(value.as_bytes()).ok().map(|list| serialise_list(&list).unwrap());
    assert_eq!(written.as_deref(), canonical, "{value:?}");
}

fn dictionary(value: &str, canonical: Option<&str>) {
    let parsed = parse_dictionary(value.as_bytes()).ok();
    let written = parsed.map(|dictionary| serialise_dictionary(&dictionary).unwrap());
    assert_eq!(written.as_deref(), canonical, "{value:?}");
}

#[test]
fn integers() {
    for same in ["42", "0", "-42", "999999999999999", "-999999999999999"] {
        item(same, Some(same));
    }
    item("  1  ", Some("1"));
    item("042", Some("42"));
    item("-0", Some("0"));
    for bad in ["", "-", "--1", "+1", "1000000000000000", "1 2", "1\t", "\t1", "-a", "2,3"] {
        item(bad, None);
    }
}

#[test]
fn decimals() {
    for same in ["1.5", "-1.5", "0.1", "123456789012.125"] {
        item(same, Some(same));
    }
    item("1.500", Some("1.5"));
    item("1.0", Some("1.0"));
    item("-0.0", Some("0.0"));
    item("1.01", Some("1.01"));
    for bad in ["1.", ".1", "1.1234", "1234567890123.1", "1..2", "1.2.3", "1.-1"] {
        item(bad, None);
    }
}

#[test]
fn strings() {
    for same in ["\"\"", "\"hello world\"", r#""a \"b\" \\c""#] {
        item(same, Some(same));
    }
    for bad in ["\"", "\"a", "'a'", r#""\a""#, "\"\\", "\"a\nb\"", "\"\u{7f}\"", "\"ä\""] {
        item(bad, None);
    }
}

#[test]
fn tokens() {
    for same in ["a", "*", "a_b-c.3:d%/e", "*/*", "AbC", "text/html"] {
        item(same, Some(same));
    }
    for bad in ["/a", "a,b", "{a}", "a\u{e4}"] {
        item(bad, None);
    }
}

#[test]
fn byte_sequences() {
    item(":aGVsbG8=:", Some(":aGVsbG8=:"));
    item(":aGVsbG8:", Some(":aGVsbG8=:"));
    item("::", Some("::"));
    item(":iZ==:", Some(":iQ==:"));
    for bad in [":aGVsbG8=", "aGVsbG8=:", ":=aGVsbG8=:", ":a GVs:", ":_-Ah:", ":a\u{e4}:"] {
        item(bad, None);
    }
}

#[test]
fn booleans_dates_and_display_strings() {
    for same in [
        "?0",
        "?1",
        "@1659578233",
        "@-1",
        "%\"This is intended for display to %c3%bcsers.\"",
        "%\"\"",
    ] {
        item(same, Some(same));
    }
    item("%\"%61 %25%22\"", Some("%\"a %25%22\""));
    for bad in [
        "?",
        "?2",
        "??1",
        "?true",
        "@",
        "@1.0",
        "@a",
        "%a",
        "%\"a",
        "%\"%C3%BC\"",
        "%\"%c3\"",
        "%\"%zz\"",
        "%\"ü\"",
        "%\"\n\"",
    ] {
        item(bad, None);
    }
}

#[test]
fn parameters() {
    item("a;b=1;c;d=?0", Some("a;b=1;c;d=?0"));
    item("a; b=1;  c=?1", Some("a;b=1;c"));
    item("a;b=1;c=2;b=3", Some("a;b=3;c=2"));
    item("a;*k.0_-=x", Some("a;*k.0_-=x"));
    for bad in ["a;", "a ;b", "a;B=1", "a;b =1", "a;b= 1", "a;0=1", "a;b=(1)", "a;;b"] {
        item(bad, None);
    }
}

#[test]
fn lists() {
    list("", Some(""));
    list("  ", Some(""));
    list("1,  42\t,\t 3", Some("1, 42, 3"));
    list("(1 2);a=1, (), (a;b \"c\");d", Some("(1 2);a=1, (), (a;b \"c\");d"));
    list("(  1   2 )", Some("(1 2)"));
    for bad in [
        ",", "1,", "1,,2", "1 2", ",1", "(1", "1)", "(1,2)", "((1))", "(1\t2)", "(1\"a\")", "(",
        "\t1",
    ] {
        list(bad, None);
    }
}

#[test]
fn dictionaries() {
    dictionary("", Some(""));
    dictionary("a=1, b;x=2, c=?0, d=(1 2);e", Some("a=1, b;x=2, c=?0, d=(1 2);e"));
    dictionary("a=1,b=2,a=3", Some("a=3, b=2"));
    dictionary("a=?1", Some("a"));
    dictionary("a=1\t,\tb", Some("a=1, b"));
    for bad in ["a=", "a=1,", "A=1", "a =1", "a= 1", "=1", "a=1;", "1=a", "a=1 b=2", "a=,b"] {
        dictionary(bad, None);
    }
}

#[test]
fn values_are_reached_by_name() {
    let parsed =
        parse_dictionary(b"max-age=60, stale-if-error=30;x=tok, must-revalidate, i=(1)").unwrap();
    assert_eq!(parsed.item("max-age").and_then(|item| item.bare.as_integer()), Some(60));
    let stale = parsed.item("stale-if-error").unwrap();
    assert_eq!(stale.parameters.value("x").and_then(Bare::as_text), Some("tok"));
    assert_eq!(parsed.item("must-revalidate").and_then(|item| item.bare.as_boolean()), Some(true));
    assert!(parsed.item("i").is_none() && parsed.member("i").is_some());
    assert!(parsed.member("absent").is_none());
}

#[test]
fn what_has_no_form_is_not_written() {
    let fails = |bare: Bare| assert!(serialise_item(&bare.into()).is_err());
    fails(Bare::Integer(1_000_000_000_000_000));
    fails(Bare::Decimal(i64::MIN));
    fails(Bare::String("ä".into()));
    fails(Bare::String("a\r\nb".into()));
    fails(Bare::Token("a b".into()));
    fails(Bare::Token(String::new()));
    let mut dictionary = Dictionary::default();
    dictionary.set("Upper", Bare::Integer(1));
    assert!(serialise_dictionary(&dictionary).is_err());
}

#[test]
fn a_field_is_built_by_hand() {
    let policy = Item::from(Bare::String("per-client".into()))
        .with("q", Bare::Integer(100))
        .with("w", Bare::Integer(60));
    assert_eq!(serialise_list(&[Member::Item(policy)]).unwrap(), "\"per-client\";q=100;w=60");
}

#[test]
fn an_error_says_where() {
    let error = parse_list(b"a, b c").unwrap_err();
    assert_eq!(error.to_string(), "not a structured field at byte 5: expected a comma");
}

proptest::proptest! {
    #[test]
    fn the_canonical_form_is_its_own(value in "[ ,;=()\"\\\\:?@%*a-c0-2.\\-\t]{0,32}") {
        super::super::fuzz::sf(value.as_bytes());
    }

    #[test]
    fn any_text_survives_as_display_string(text: String) {
        let written = serialise_item(&Bare::Display(text.clone()).into()).unwrap();
        proptest::prop_assert_eq!(parse_item(written.as_bytes()).unwrap().bare, Bare::Display(text));
    }
}
