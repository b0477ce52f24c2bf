use super::*;

fn text(status: CacheStatus) -> String {
    let mut out = Vec::new();
    status.write("tidegate", &mut out);
    String::from_utf8(out).unwrap()
}

/// RFC 9211 §2.
#[test]
fn members() {
    let none = CacheStatus::default();
    let hit = CacheStatus {
        hit: true,
        ttl_s: Some(30),
        detail: Some(Reason::Fresh),
        stored: true,
        ..none
    };
    assert_eq!(text(hit), "tidegate; hit; ttl=30; detail=fresh");
    let stale = CacheStatus { hit: true, ttl_s: Some(-5), detail: Some(Reason::IfError), ..none };
    assert_eq!(text(stale), "tidegate; hit; ttl=-5; detail=stale-if-error");
    let miss = CacheStatus {
        forward: Some(Forward::UriMiss),
        forward_status: Some(200),
        stored: true,
        collapsed: true,
        ..none
    };
    assert_eq!(text(miss), "tidegate; fwd=uri-miss; fwd-status=200; stored; collapsed");
    assert_eq!(Forward::of(Reason::RequestMaxAge), Forward::Request);
    assert_eq!(Forward::of(Reason::SoftPurged), Forward::Stale);
}
