use super::{HOPS_MAX, Hop, forwarded, write_hop, x_forwarded};
use crate::{FieldList, Scheme};

fn fields(lines: &[(&str, &str)]) -> FieldList {
    lines.iter().copied().collect()
}

fn addresses(hops: Option<Vec<Hop>>) -> Vec<String> {
    let shown = |hop: Hop| hop.address.map_or("?".to_owned(), |address| address.to_string());
    hops.unwrap().into_iter().map(shown).collect()
}

#[test]
fn x_forwarded_for_in_every_form() {
    let list = fields(&[
        ("X-Forwarded-For", "192.0.2.1, 192.0.2.2:99"),
        ("x-forwarded-for", "[2001:db8::1]:1, 2001:db8::2,::ffff:192.0.2.3, unknown"),
    ]);
    let expect = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "192.0.2.3", "?"];
    assert_eq!(addresses(x_forwarded(&list)), expect);
}

#[test]
fn scheme_and_host_are_of_their_hop_or_of_all() {
    let list = fields(&[
        ("x-forwarded-for", "192.0.2.1, 192.0.2.2"),
        ("x-forwarded-proto", "https, http"),
        ("x-forwarded-host", "a.example"),
    ]);
    let hops = x_forwarded(&list).unwrap();
    let said: Vec<_> = hops.iter().map(|hop| (hop.scheme, hop.host.as_deref())).collect();
    let host = Some("a.example");
    assert_eq!(said, [(Some(Scheme::Https), host), (Some(Scheme::Http), host)]);
}

#[test]
fn forwarded_elements_with_quotes_and_unknown_parts() {
    let list = fields(&[
        ("Forwarded", "For=\"[2001:db8:cafe::17]:4711\";proto=https;by=_x;host=\"a,b;c\""),
        ("Forwarded", "for=192.0.2.60, for=_hidden;secret=x"),
    ]);
    let hops = forwarded(&list).unwrap();
    assert_eq!(hops[0].port, Some(4711));
    assert_eq!(hops[0].scheme, Some(Scheme::Https));
    assert_eq!(hops[0].host.as_deref(), Some("a,b;c"));
    assert_eq!(addresses(Some(hops)), ["2001:db8:cafe::17", "192.0.2.60", "?"]);
}

#[test]
fn a_line_that_cannot_be_read_gives_nothing() {
    for line in ["for=\"192.0.2.1", "for", "for=\"a\"b\"", "for=1\"2"] {
        assert_eq!(forwarded(&fields(&[("forwarded", line)])), None, "{line}");
    }
    let long = vec!["192.0.2.1"; HOPS_MAX + 1].join(",");
    assert_eq!(x_forwarded(&fields(&[("x-forwarded-for", &long)])), None);
}

#[test]
fn what_is_written_is_read_again() {
    let mut out = String::new();
    let client = "2001:db8::1".parse().unwrap();
    write_hop(client, Some((Scheme::Https, "a.example:8443")), &mut out);
    write_hop("192.0.2.1".parse().unwrap(), None, &mut out);
    assert_eq!(out, "for=\"[2001:db8::1]\";proto=https;host=\"a.example:8443\", for=192.0.2.1");
    let hops = forwarded(&fields(&[("forwarded", &out)])).unwrap();
    assert_eq!(hops[0].host.as_deref(), Some("a.example:8443"));
    assert_eq!(addresses(Some(hops)), ["2001:db8::1", "192.0.2.1"]);
}
