use super::*;
use crate::testing::fields;

fn found(method: Method<'_>, status: u16, response: &str) -> Vec<Invalidation> {
    invalidations(
        method,
        "https://a.example/x/y?q",
        &ResponseHead { status, fields: fields(response) },
    )
}

fn urls(all: &[&str]) -> Vec<Invalidation> {
    all.iter().map(|url| Invalidation::Url((*url).into())).collect()
}

const SELF: &str = "https://a.example/x/y?q";

/// RFC 9111 §4.4.
#[test]
fn unsafe_methods_invalidate_after_success() {
    for method in [Method::Post, Method::Put, Method::Delete, Method::Patch, Method::Other("FOO")] {
        assert_eq!(found(method, 200, ""), urls(&[SELF]), "{method:?}");
        assert_eq!(found(method, 302, ""), urls(&[SELF]), "{method:?}");
        assert_eq!(found(method, 404, ""), [], "{method:?}");
        assert_eq!(found(method, 500, ""), [], "{method:?}");
    }
    for method in [Method::Get, Method::Head, Method::Options, Method::Trace] {
        assert_eq!(found(method, 200, "location: /z"), [], "{method:?}");
    }
}

#[test]
fn locations_of_the_same_origin_go_too() {
    for (response, more) in [
        ("location: /z", Some("https://a.example/z")),
        ("location: z?1#f", Some("https://a.example/x/z?1")),
        ("location: ../z", Some("https://a.example/z")),
        ("location: ?n", Some("https://a.example/x/y?n")),
        ("location: https://A.example:443/z", Some("https://a.example/z")),
        ("location: //a.example/z", Some("https://a.example/z")),
        ("location: https://a.example", Some("https://a.example/")),
        ("content-location: /z", Some("https://a.example/z")),
        ("location: https://b.example/z", None),
        ("location: http://a.example/z", None),
        ("location: https://a.example:8443/z", None),
        ("location: #f", None),
        ("location: /x/y?q", None),
    ] {
        let expected: Vec<&str> = std::iter::once(SELF).chain(more).collect();
        assert_eq!(found(Method::Post, 201, response), urls(&expected), "{response}");
    }
    let both = found(Method::Post, 201, "location: /a\ncontent-location: /b");
    assert_eq!(both, urls(&[SELF, "https://a.example/a", "https://a.example/b"]));
}

/// RFC 9875 §3.
#[test]
fn groups_are_invalidated_within_the_origin() {
    let all = found(Method::Post, 200, "cache-group-invalidation: \"scripts\", \"x\"");
    let group = |name| Invalidation::Group(TagId::group("https://a.example", name));
    assert_eq!(all[1..], [group("scripts"), group("x")]);
    assert_eq!(found(Method::Get, 200, "cache-group-invalidation: \"x\""), []);
    assert_eq!(found(Method::Post, 200, "cache-group-invalidation: x").len(), 1);
}
