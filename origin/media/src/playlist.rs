//! HLS playlists (RFC 8216 and its bis draft): what is complete, and what moves with the clock. Pure.

use std::fmt::Write as _;

use tidegate_origin_kit::{Micros, Moment};

use crate::channel::{Channel, Place, WINDOW};
use crate::stream::{PART_US, PARTS, Picture, SEGMENT_US, Stream, TARGET_SECS, Track};

/// Closed segments of the playlist without parts.
pub(crate) const LIVE_WINDOW: u64 = 6;
/// Closed segments that list their parts: three target durations.
const WITH_PARTS: u64 = 4;
/// `CAN-SKIP-UNTIL`, in segments: at least six target durations.
const SKIP_SEGMENTS: u64 = 7;

/// The multivariant playlist.
pub(crate) fn master(stream: &Stream) -> String {
    let mut out = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
    let audio = stream.tracks.iter().find(|track| track.picture.is_none());
    if let Some(audio) = audio {
        let _ = writeln!(
            out,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"tone\",DEFAULT=YES,AUTOSELECT=YES,\
             CHANNELS=\"2\",URI=\"{}/index.m3u8\"",
            audio.name
        );
    }
    for track in &stream.tracks {
        if let Some(picture) = track.picture {
            variant(track, picture, audio, &mut out);
        }
    }
    out
}

fn variant(track: &Track, picture: Picture, audio: Option<&Track>, out: &mut String) {
    let Picture { width, height, fps } = picture;
    let (peak, mean) = audio.map_or((0, 0), |audio| (audio.peak_bps, audio.mean_bps));
    let (peak, mean) = (track.peak_bps + peak, track.mean_bps + mean);
    let codec = audio.map_or_else(String::new, |audio| format!(",{}", audio.codec));
    let group = if audio.is_some() { ",AUDIO=\"audio\"" } else { "" };
    let _ = writeln!(
        out,
        "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean},CODECS=\"{}{codec}\",\
         RESOLUTION={width}x{height},FRAME-RATE={fps}.000{group}\n{}/index.m3u8",
        track.codec, track.name
    );
}

/// The playlist of everything.
pub(crate) fn complete(segments: u64) -> String {
    let mut out = head(7, 0);
    out.push_str(
        "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n",
    );
    for number in 0..segments {
        let _ = writeln!(out, "#EXTINF:{},\n{number:05}.m4s", seconds(SEGMENT_US));
    }
    out.push_str("#EXT-X-ENDLIST\n");
    out
}

/// The last [`LIVE_WINDOW`] closed segments.
pub(crate) fn live(channel: Channel, newest: Place) -> String {
    let first = newest.msn - LIVE_WINDOW;
    let mut out = head(7, first);
    out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init.mp4\"\n");
    for msn in first..newest.msn {
        closed(channel, msn, false, &mut out);
    }
    out
}

/// The playlist with parts. `others` are the names of the other renditions, `skip` asks for a delta update.
pub(crate) fn low_latency(channel: Channel, newest: Place, skip: bool, others: &[&str]) -> String {
    let first = newest.msn - WINDOW;
    let mut out = head(9, first);
    let _ = writeln!(
        out,
        "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},\
         CAN-SKIP-UNTIL={}\n#EXT-X-PART-INF:PART-TARGET={}",
        seconds(PART_US * 3),
        seconds(SEGMENT_US * SKIP_SEGMENTS as i64),
        seconds(PART_US)
    );
    let mut begin = first;
    if skip {
        begin = newest.msn - SKIP_SEGMENTS;
        let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={}", begin - first);
    } else {
        out.push_str("#EXT-X-MAP:URI=\"init.mp4\"\n");
    }
    for msn in begin..newest.msn {
        closed(channel, msn, msn + WITH_PARTS >= newest.msn, &mut out);
    }
    let Place { msn, parts } = newest;
    began(channel, msn, &mut out);
    list_parts(msn, parts, &mut out);
    let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{msn}.{parts}.m4s\"");
    report(newest, others, &mut out);
    out
}

fn head(version: u8, first: u64) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{TARGET_SECS}\n\
         #EXT-X-MEDIA-SEQUENCE:{first}\n"
    )
}

fn began(channel: Channel, msn: u64, out: &mut String) {
    let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", Moment(channel.begins_at(msn)));
}

fn closed(channel: Channel, msn: u64, with_parts: bool, out: &mut String) {
    began(channel, msn, out);
    if with_parts {
        list_parts(msn, PARTS, out);
    }
    let _ = writeln!(out, "#EXTINF:{},\n{msn}.m4s", seconds(SEGMENT_US));
}

fn list_parts(msn: u64, count: u64, out: &mut String) {
    for number in 0..count {
        // Every segment begins with a key frame, and has no other.
        let independent = if number == 0 { ",INDEPENDENT=YES" } else { "" };
        let duration = seconds(PART_US);
        let _ = writeln!(
            out,
            "#EXT-X-PART:DURATION={duration},URI=\"{msn}.{number}.m4s\"{independent}"
        );
    }
}

/// Where the other renditions are: all of them advance together.
fn report(newest: Place, others: &[&str], out: &mut String) {
    let (msn, part) = match newest.parts.checked_sub(1) {
        Some(part) => (newest.msn, part),
        None => (newest.msn - 1, PARTS - 1),
    };
    for name in others {
        let _ = writeln!(
            out,
            "#EXT-X-RENDITION-REPORT:URI=\"../{name}/index.m3u8\",LAST-MSN={msn},LAST-PART={part}"
        );
    }
}

/// Decimal seconds.
pub(crate) fn seconds(us: Micros) -> String {
    format!("{}.{:05}", us / 1_000_000, us % 1_000_000 / 10)
}
