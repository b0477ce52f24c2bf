use super::made_up;
use crate::channel::{Channel, Place, WINDOW};
use crate::mpd::{Kind, manifest};
use crate::playlist::{LIVE_WINDOW, complete, live, low_latency, master};
use crate::stream::{PARTS, SEGMENT_US};

const EPOCH: i64 = 1_767_225_600_000_000;

fn tag<'a>(playlist: &'a str, name: &str) -> &'a str {
    let line = playlist.lines().find_map(|l| l.strip_prefix(name)).unwrap_or("");
    line.trim_start_matches(':')
}

fn numbers(playlist: &str) -> Vec<u64> {
    playlist.lines().filter_map(|l| l.strip_suffix(".m4s")).map(|n| n.parse().unwrap()).collect()
}

#[test]
fn the_film_is_complete() {
    let stream = made_up(30, EPOCH);
    let film = complete(stream.segments());
    assert_eq!(numbers(&film), (0..30).collect::<Vec<_>>());
    assert!(film.contains("\n00029.m4s\n#EXT-X-ENDLIST\n"));
    assert_eq!(tag(&film, "#EXT-X-TARGETDURATION"), "2");
    let master = master(&stream);
    assert!(master.contains("CODECS=\"avc1.42c01e,mp4a.40.2\",RESOLUTION=640x360"), "{master}");
    assert!(master.ends_with(",AUDIO=\"audio\"\n360p/index.m3u8\n"), "{master}");
    assert!(master.contains("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\""), "{master}");
}

#[test]
fn the_live_playlist_moves_with_the_clock() {
    let channel = Channel::since(EPOCH);
    let mut first = 0;
    for tick in 0..200 {
        let newest = channel.newest(EPOCH + tick * SEGMENT_US / 7);
        let list = live(channel, newest);
        let begin: u64 = tag(&list, "#EXT-X-MEDIA-SEQUENCE").parse().unwrap();
        assert!(begin >= first, "sequence numbers never go back");
        first = begin;
        assert_eq!(numbers(&list), (begin..begin + LIVE_WINDOW).collect::<Vec<_>>());
        assert!(numbers(&list).iter().all(|msn| channel.has_segment(newest, *msn)));
        assert!(!list.contains("ENDLIST"));
    }
    let list = live(channel, channel.newest(EPOCH));
    assert_eq!(tag(&list, "#EXT-X-PROGRAM-DATE-TIME"), "2025-12-31T23:59:48.48Z");
}

#[test]
fn the_low_latency_playlist_ends_with_the_hint_of_the_next_part() {
    let channel = Channel::since(EPOCH);
    let newest = Place { msn: 20, parts: 2 };
    let text = low_latency(channel, newest, false, &["180p"]);
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:8\n"), "{text}");
    assert!(text.contains("DURATION=0.64000,URI=\"20.1.m4s\"\n"), "{text}");
    assert!(text.contains("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"20.2.m4s\""), "{text}");
    assert!(text.ends_with("\"../180p/index.m3u8\",LAST-MSN=20,LAST-PART=1\n"), "{text}");
    let parts = text.lines().filter(|line| line.starts_with("#EXT-X-PART:")).count() as u64;
    assert_eq!(parts, 4 * PARTS + 2, "those of the last target durations, and the open segment");
    let delta = low_latency(channel, newest, true, &[]);
    assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n") && !delta.contains("\n12.m4s"));
    assert!(delta.contains("\n13.m4s\n") && !delta.contains("EXT-X-MAP"));
    assert_eq!(numbers(&text).len() as u64, WINDOW);
}

#[test]
fn manifests_of_the_channel_say_when_segments_are_there() {
    let stream = made_up(30, EPOCH);
    let channel = stream.channel();
    let read = |kind| tidegate_media::dash::Mpd::parse(manifest(&stream, kind).as_bytes()).unwrap();
    assert!(!read(Kind::Film).dynamic);
    let newest = channel.newest(EPOCH + 77 * SEGMENT_US + 1_300_000);
    let now_ms = u64::try_from(EPOCH + 77 * SEGMENT_US + 1_300_000).unwrap() / 1000;
    let whole = read(Kind::Channel(channel));
    assert_eq!(whole.segments_available(now_ms), Some(newest.msn), "all but the open one");
    let growing = read(Kind::LowLatency(channel));
    assert!(growing.chunked && growing.dynamic);
    assert_eq!(growing.segments_available(now_ms), Some(newest.msn + 1), "the open one, too");
}
