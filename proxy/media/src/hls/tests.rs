use proptest::prelude::*;

use super::*;

const LIVE: &str = "#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-VERSION:9
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.0,PART-HOLD-BACK=1.5
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-MAP:URI=\"init.mp4\"
#EXTINF:4,
100.m4s
#EXT-X-PART:DURATION=0.5,URI=\"101.0.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI=\"101.1.m4s\"
#EXTINF:4,
101.m4s
#EXT-X-PART:DURATION=0.5,URI=\"102.0.m4s\"
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"102.1.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"../b/index.m3u8\",LAST-MSN=102,LAST-PART=0
";

fn media(text: &str) -> Media {
    match Playlist::parse(text.as_bytes()) {
        Some(Playlist::Media(media)) => media,
        other => panic!("{other:?}"),
    }
}

const fn at(msn: u64, part: Option<u64>) -> Position {
    Position { msn, part }
}

#[test]
fn a_live_playlist_is_read() {
    let live = media(LIVE);
    assert_eq!((live.target_ms, live.part_target_ms), (4000, Some(500)));
    assert!(live.can_block && !live.ended);
    assert_eq!(live.can_skip_until_ms, Some(24_000));
    assert_eq!(live.last(), Some(at(102, Some(0))));
    assert_eq!(
        (live.uris.as_slice(), live.hints.as_slice()),
        (&["100.m4s".to_owned(), "101.m4s".to_owned()][..], &["102.1.m4s".to_owned()][..])
    );
    assert_eq!(live.maps, ["init.mp4"]);
    assert_eq!(live.wait_ms_max(), 12_000);
}

#[test]
fn what_it_contains_needs_no_wait() {
    let live = media(LIVE);
    for there in [at(5, None), at(101, None), at(101, Some(9)), at(102, Some(0))] {
        assert!(live.contains(there), "{there:?}");
    }
    for ahead in [at(102, None), at(102, Some(1)), at(103, None)] {
        assert!(!live.contains(ahead), "{ahead:?}");
    }
    assert!(media(&format!("{LIVE}#EXT-X-ENDLIST\n")).contains(at(900, None)));
}

#[test]
fn who_asks_too_far_ahead_is_refused() {
    let live = media(LIVE);
    assert_eq!(live.check(at(104, None)), Ok(()));
    assert_eq!(live.check(at(105, None)), Err(Refused::FarAhead));
    assert_eq!(live.check(at(102, Some(7))), Ok(()));
    assert_eq!(live.check(at(102, Some(40))), Err(Refused::FarAhead));
    assert_eq!(live.check(at(3, Some(40))), Ok(()), "an old one gets the whole playlist");
    assert_eq!(media(&format!("{LIVE}#EXT-X-ENDLIST\n")).check(at(9999, None)), Ok(()));
}

#[test]
fn a_delta_update_counts_what_it_leaves_out() {
    let text = LIVE.replace("#EXTINF:4,\n100.m4s\n", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n");
    assert_eq!(media(&text).last(), media(LIVE).last());
}

#[test]
fn a_multivariant_playlist_names_others_once() {
    let text = "#EXTM3U\r\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer?a=1,2\",PATHWAY-ID=\"A\"\r\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a,b\",URI=\"audio.m3u8\"\r\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1\r\nv1.m3u8\r\n#EXT-X-STREAM-INF:BANDWIDTH=2\r\nv1.m3u8\r\n";
    let Some(Playlist::Multivariant(found)) = Playlist::parse(text.as_bytes()) else { panic!() };
    assert_eq!(found.playlists, ["audio.m3u8", "v1.m3u8"]);
    assert_eq!(found.steering.as_deref(), Some("/steer?a=1,2"));
}

#[test]
fn limits_of_the_draft() {
    assert_eq!(advance_parts_max(1000), 3);
    assert_eq!(advance_parts_max(333), 10);
    assert_eq!(advance_parts_max(200), 15);
}

proptest! {
    #[test]
    fn any_text_is_read(lines in proptest::collection::vec("(#EXT-X-[A-Z-]{3,20}:[A-Z]{1,8}=\"?[0-9a-z.]{0,20}\"?,?|[a-z0-9.]{0,9}|#EXT-X-MEDIA-SEQUENCE:[0-9]{1,20}|#EXT-X-SKIP:SKIPPED-SEGMENTS=[0-9]{1,20})", 0..30), msn in any::<u64>(), part in any::<u64>()) {
        let text = format!("#EXTM3U\n{}", lines.join("\n"));
        if let Some(Playlist::Media(media)) = Playlist::parse(text.as_bytes()) {
            let wanted = Position { msn, part: Some(part) };
            let _ = (media.last(), media.check(wanted), media.contains(wanted));
        }
    }
}
