use crate::{HostPattern, PathPattern, PatternInvalid, Template, TemplateInvalid};

#[test]
fn what_can_be_a_path_pattern() {
    for good in ["/", "/*", "/x", "/x/", "/x/*", "/u/{id}", "/{a}/{b}/*", "/a%20b", "/~x;v=1", "//"]
    {
        assert!(PathPattern::parse(good).is_ok(), "{good}");
    }
    for (bad, why) in [
        ("", PatternInvalid::NoSlash),
        ("x", PatternInvalid::NoSlash),
        ("*", PatternInvalid::NoSlash),
        ("/x*", PatternInvalid::StarInside),
        ("/*/x", PatternInvalid::StarInside),
        ("/{}", PatternInvalid::Parameter),
        ("/{a-b}", PatternInvalid::Parameter),
        ("/x{a}", PatternInvalid::Parameter),
        ("/{a}/{a}", PatternInvalid::ParameterTwice("a".into())),
        ("/{rest}/*", PatternInvalid::ParameterTwice("rest".into())),
        ("/x?q", PatternInvalid::Character('?')),
        ("/x y", PatternInvalid::Character(' ')),
        ("/é", PatternInvalid::Character('é')),
        ("/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}", PatternInvalid::TooManyParams),
    ] {
        assert_eq!(PathPattern::parse(bad), Err(why), "{bad}");
    }
    assert_eq!(PathPattern::parse(&"/x".repeat(33)), Err(PatternInvalid::TooDeep));
}

#[test]
fn what_can_be_a_host_pattern() {
    let exact = |name: &str| Ok(HostPattern::Exact(name.into()));
    assert_eq!(HostPattern::parse("WWW.Example.com"), exact("www.example.com"));
    assert_eq!(HostPattern::parse("127.0.0.1"), exact("127.0.0.1"));
    assert_eq!(HostPattern::parse("[::1]"), exact("[::1]"));
    assert_eq!(HostPattern::parse("*.example.com"), Ok(HostPattern::Below(".example.com".into())));
    assert_eq!(HostPattern::parse("*"), Ok(HostPattern::Any));
    for bad in [
        "", "a..b", ".a", "a.", "*.", "*a.com", "a.*.com", "a:80", "http://a", "a/b", "[x]", "é.fr",
    ] {
        assert_eq!(HostPattern::parse(bad), Err(PatternInvalid::Host), "{bad}");
    }
}

#[test]
fn names_come_in_the_order_of_the_parameters() {
    let pattern = PathPattern::parse("/a/{x}/{y}/*").unwrap();
    assert_eq!(pattern.names().collect::<Vec<_>>(), ["x", "y", "rest"]);
    assert_eq!(pattern.literal(), None);
    assert_eq!(PathPattern::parse("/a/b/").unwrap().literal().as_deref(), Some("/a/b/"));
    assert_eq!(PathPattern::parse("/").unwrap().literal().as_deref(), Some("/"));
}

#[test]
fn what_can_be_a_template() {
    let pattern = PathPattern::parse("/a/{x}/*").unwrap();
    let parse = |text| Template::parse(text, &pattern);
    assert!(parse("https://{x}.example.com/{rest}?a={x}").is_ok());
    assert_eq!(parse("/b").unwrap().constant(), Some("/b"));
    assert_eq!(parse("/{y}"), Err(TemplateInvalid::Unknown("y".into())));
    assert_eq!(parse("/{x"), Err(TemplateInvalid::Open));
    assert_eq!(parse("/a\r\nset-cookie:b"), Err(TemplateInvalid::Control));
}
