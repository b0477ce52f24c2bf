//! The playlists (RFC 8216): what is complete, and what moves with the clock. Pure.

use std::fmt::Write as _;

use tidegate_origin_kit::{Micros, Moment};

use crate::stream::{Rendition, SEGMENT_SECS, Stream};

/// Segments of the live playlist.
pub(crate) const WINDOW: u64 = 6;
/// Segments before the window that are still served: a player that stalled may ask for them.
pub(crate) const GRACE: u64 = 30;

const SEGMENT_US: Micros = SEGMENT_SECS as Micros * 1_000_000;

/// The multivariant playlist.
pub(crate) fn master(stream: &Stream) -> String {
    let mut out = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
    for rendition in &stream.renditions {
        let (attributes, name) = (&rendition.attributes, &rendition.name);
        let _ = writeln!(out, "#EXT-X-STREAM-INF:{attributes}\n{name}/index.m3u8");
    }
    out
}

/// The playlist of everything.
pub(crate) fn complete(rendition: &Rendition) -> String {
    let mut out = head(0);
    out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n");
    for (number, segment) in rendition.segments.iter().enumerate() {
        let _ = writeln!(out, "#EXTINF:{},\n{number:05}.m4s", segment.secs);
    }
    out.push_str("#EXT-X-ENDLIST\n");
    out
}

/// The last [`WINDOW`] segments at `now` of a channel that repeats the rendition for ever.
pub(crate) fn live(rendition: &Rendition, epoch: Micros, now: Micros) -> String {
    let round = rendition.segments.len() as u64;
    let first = newest(epoch, now) + 1 - WINDOW;
    let mut out = head(first);
    // Each round begins anew at time zero, which is a discontinuity (section 4.3.2.3).
    let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", first / round);
    out.push_str("#EXT-X-MAP:URI=\"init.mp4\"\n");
    for number in first..first + WINDOW {
        let again = number % round == 0 && number > first;
        if again {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        if again || number == first {
            let begin = Moment(begin_of(epoch, number));
            let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{begin}");
        }
        let secs = &rendition.segments[(number % round) as usize].secs;
        let _ = writeln!(out, "#EXTINF:{secs},\n{number}.m4s");
    }
    out
}

/// The segment of the round that stands behind a number of the channel; `None` for one that is not there
/// yet, or no more.
pub(crate) fn live_segment(number: u64, round: usize, epoch: Micros, now: Micros) -> Option<usize> {
    let newest = newest(epoch, now);
    let there = number <= newest && number + WINDOW + GRACE > newest;
    there.then(|| (number % round.max(1) as u64) as usize)
}

/// The number of the last segment that is complete. The channel starts with a window's worth of them, so
/// that it can be played at once.
fn newest(epoch: Micros, now: Micros) -> u64 {
    let passed = now.saturating_sub(epoch).max(0) / SEGMENT_US;
    WINDOW - 1 + u64::try_from(passed).unwrap_or(0)
}

fn begin_of(epoch: Micros, number: u64) -> Micros {
    epoch + (i64::try_from(number).unwrap_or(i64::MAX) - WINDOW as i64).saturating_mul(SEGMENT_US)
}

fn head(first: u64) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{SEGMENT_SECS}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n"
    )
}
