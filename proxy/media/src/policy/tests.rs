use super::*;

const LIVE: Option<Timing> = Some(Timing { target_ms: 4000, live: true, manifest_ms: None });
const DONE: Option<Timing> = Some(Timing { target_ms: 4000, live: false, manifest_ms: None });

#[test]
fn lifetimes_are_those_of_the_appendix() {
    let ttl = |class: Class, timing, blocking| class.defaults(timing, blocking).ttl_ms;
    assert_eq!(ttl(Class::LivePlaylist, LIVE, true), 24_000);
    assert_eq!(ttl(Class::Playlist, LIVE, false), 2000);
    assert_eq!(ttl(Class::Playlist, None, false), 1000);
    assert_eq!(ttl(Class::Playlist, DONE, false), 300_000);
    assert_eq!(ttl(Class::Segment, DONE, false), 31_536_000_000);
    assert!(ttl(Class::Segment, LIVE, false) >= 24_000);
    assert_eq!(ttl(Class::Key, LIVE, false), 0);
    let mpd = Some(Timing { manifest_ms: Some(500), ..Timing::UNKNOWN });
    assert_eq!(ttl(Class::Mpd, mpd, false), 500);
}

#[test]
fn failures_are_kept_as_the_appendix_says() {
    let missing = |class: Class, blocking| class.defaults(LIVE, blocking).missing_ms;
    assert_eq!(missing(Class::LivePlaylist, true), 16_000);
    assert_eq!(missing(Class::LivePlaylist, false), 4000);
    assert_eq!(missing(Class::Segment, true), 4000);
    assert_eq!(missing(Class::Segment, false), 1000);
}

#[test]
fn playlists_go_before_segments() {
    let urgency = |class: Class| class.defaults(LIVE, false).urgency;
    assert!(urgency(Class::LivePlaylist) < urgency(Class::Segment));
    assert!(urgency(Class::Segment) < urgency(Class::File));
    assert!(Class::LivePlaylist.defaults(LIVE, true).lock_ms > 3 * 4000);
    assert!(Class::Playlist.defaults(None, false).compress);
    assert!(!Class::Segment.defaults(None, false).compress);
}
