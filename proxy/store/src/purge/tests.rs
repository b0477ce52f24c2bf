use super::*;

#[test]
fn hosts_and_prefixes_of_urls() {
    assert_eq!(host_of("https://a.example:8443/x:1"), "a.example");
    assert_eq!(host_of("http://[::1]:80/"), "[::1]");
    assert_eq!(host_of("http://[::1]/"), "[::1]");
    assert!(begins_with("https://a/x/y", "https://a/x"));
    assert!(begins_with("https://a/x/y", "a/x"));
    assert!(!begins_with("https://a/x/y", "/x"));
}

#[test]
fn prefixes_are_bounded() {
    let purges = Purges::default();
    for n in 0..PREFIXES_MAX * 3 {
        purges.issue(&Purge::Prefix(format!("a/{n}/")), PurgeKind::Hard, |_| {});
    }
    assert!(purges.len() <= PREFIXES_MAX);
    let subject = Subject { key: Key::from_u128(1), url: "https://b/", tags: Some(&[]) };
    assert!(purges.standing(&subject, 0).0.gone);
    assert!(!purges.standing(&subject, purges.latest()).0.gone);
}
