use super::made_up;
use crate::playlist::{GRACE, WINDOW, complete, live, live_segment, master};

const EPOCH: i64 = 1_767_225_600_000_000;
const STEP: i64 = 2_000_000;

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
    let film = complete(&stream.renditions[0]);
    assert_eq!(numbers(&film), (0..30).collect::<Vec<_>>());
    assert!(film.contains("\n00029.m4s\n#EXT-X-ENDLIST\n"));
    assert_eq!(tag(&film, "#EXT-X-TARGETDURATION"), "2");
    assert!(
        master(&stream)
            .ends_with("#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.42c01e\"\n360p/index.m3u8\n")
    );
}

#[test]
fn the_channel_begins_with_a_whole_window() {
    let stream = made_up(30, EPOCH);
    for now in [EPOCH - 5, EPOCH, EPOCH + STEP - 1] {
        let list = live(&stream.renditions[0], EPOCH, now);
        assert_eq!(numbers(&list), (0..WINDOW).collect::<Vec<_>>());
        assert!(!list.contains("ENDLIST"));
    }
    let list = live(&stream.renditions[0], EPOCH, EPOCH + STEP);
    assert_eq!(numbers(&list), (1..=WINDOW).collect::<Vec<_>>());
    assert_eq!(tag(&list, "#EXT-X-MEDIA-SEQUENCE"), "1");
    assert_eq!(tag(&list, "#EXT-X-PROGRAM-DATE-TIME"), "2025-12-31T23:59:50Z");
}

/// The discontinuity number of each segment of a list (RFC 8216 section 6.2.2).
fn rounds(list: &str) -> Vec<(u64, u64)> {
    let mut round: u64 = tag(list, "#EXT-X-DISCONTINUITY-SEQUENCE").parse().unwrap();
    let mut out = Vec::new();
    for line in list.lines() {
        round += u64::from(line == "#EXT-X-DISCONTINUITY");
        if let Some(number) = line.strip_suffix(".m4s") {
            out.push((number.parse().unwrap(), round));
        }
    }
    out
}

#[test]
fn over_three_rounds_lists_agree_on_every_segment() {
    let stream = made_up(7, EPOCH);
    let mut seen = std::collections::HashMap::new();
    let mut first = 0;
    for tick in 0..30 {
        let list = live(&stream.renditions[0], EPOCH, EPOCH + tick * STEP / 2);
        let begin: u64 = tag(&list, "#EXT-X-MEDIA-SEQUENCE").parse().unwrap();
        assert!(begin >= first, "sequence numbers never go back");
        first = begin;
        for (number, round) in rounds(&list) {
            assert_eq!(round, number / 7);
            assert_eq!(*seen.entry(number).or_insert(round), round);
        }
    }
    assert!(seen.values().any(|round| *round == 2));
}

#[test]
fn every_listed_segment_is_there_and_the_next_one_is_not() {
    let stream = made_up(7, EPOCH);
    for tick in 0..40 {
        let now = EPOCH + tick * 777_777;
        let numbers = numbers(&live(&stream.renditions[0], EPOCH, now));
        for number in &numbers {
            assert_eq!(live_segment(*number, 7, EPOCH, now), Some((*number % 7) as usize));
        }
        assert_eq!(live_segment(numbers[0] + WINDOW, 7, EPOCH, now), None);
    }
    let late = EPOCH + 1_000 * STEP;
    assert_eq!(live_segment(1_000, 7, EPOCH, late).is_some(), GRACE + WINDOW > 5);
    assert_eq!(live_segment(900, 7, EPOCH, late), None, "long gone");
}
