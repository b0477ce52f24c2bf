//! DASH manifests of the same segments (ISO/IEC 23009-1). Pure.
//!
//! Segments have numbers and one duration, so a manifest of the channel never changes: what is available
//! follows from the clock, and players are given one at `time`.

use std::fmt::Write as _;

use tidegate_origin_kit::{Micros, Moment};

use crate::channel::{Channel, WINDOW};
use crate::playlist::seconds;
use crate::stream::{PART_US, SEGMENT_US, Stream, Track};

/// How far behind the live edge players of whole segments should play, in segments.
const DELAY_SEGMENTS: Micros = 3;
/// How far behind live players at low latency should play: three chunks.
const LATENCY_MS: Micros = PART_US * 3 / 1000;
/// The manifest does not change, but its addresses may carry tokens that do.
pub(crate) const UPDATE_SECS: u32 = 10;
const SEGMENT_MS: Micros = SEGMENT_US / 1000;

/// What a manifest is of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// The film.
    Film,
    /// The channel in whole segments.
    Channel(Channel),
    /// The channel in segments that are sent while they grow.
    LowLatency(Channel),
}

/// The manifest.
pub(crate) fn manifest(stream: &Stream, kind: Kind) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let half = format!("PT{}S", seconds(SEGMENT_US));
    let _ = write!(
        out,
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" minBufferTime=\"{half}\" \
         maxSegmentDuration=\"{half}\" profiles=\"urn:mpeg:dash:profile:isoff-live:2011,\
         urn:mpeg:dash:profile:cmaf:2019\""
    );
    root(stream, kind, &mut out);
    out.push_str("  <Period id=\"0\" start=\"PT0S\">\n");
    let (audio, video): (Vec<_>, Vec<_>) =
        stream.tracks.iter().partition(|track| track.picture.is_none());
    for (id, (content, tracks)) in [("video", video), ("audio", audio)].into_iter().enumerate() {
        if !tracks.is_empty() {
            adaptation_set(id, content, &tracks, kind, &mut out);
        }
    }
    out.push_str("  </Period>\n");
    if !matches!(kind, Kind::Film) {
        out.push_str(
            "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>\n",
        );
    }
    out.push_str("</MPD>\n");
    out
}

fn root(stream: &Stream, kind: Kind, out: &mut String) {
    let (channel, delay) = match kind {
        Kind::Film => {
            let length = seconds(SEGMENT_US * stream.segments() as i64);
            let _ = writeln!(out, " type=\"static\" mediaPresentationDuration=\"PT{length}S\">");
            return;
        }
        Kind::Channel(channel) => (channel, SEGMENT_US * DELAY_SEGMENTS),
        Kind::LowLatency(channel) => (channel, LATENCY_MS * 1000),
    };
    let start = Moment(channel.begins_at(0));
    let depth = seconds(SEGMENT_US * WINDOW as i64);
    let _ = writeln!(
        out,
        " type=\"dynamic\" availabilityStartTime=\"{start}\" publishTime=\"{start}\" \
         minimumUpdatePeriod=\"PT{UPDATE_SECS}S\" timeShiftBufferDepth=\"PT{depth}S\" \
         suggestedPresentationDelay=\"PT{}S\">",
        seconds(delay)
    );
    if matches!(kind, Kind::LowLatency(_)) {
        let _ = writeln!(
            out,
            "  <ServiceDescription id=\"0\">\n    <Latency target=\"{LATENCY_MS}\" min=\"{}\" max=\"{}\" \
             referenceId=\"0\"/>\n    <PlaybackRate min=\"0.96\" max=\"1.04\"/>\n  </ServiceDescription>",
            PART_US / 1000,
            LATENCY_MS * 2
        );
    }
}

fn adaptation_set(id: usize, content: &str, tracks: &[&Track], kind: Kind, out: &mut String) {
    let _ = writeln!(
        out,
        "    <AdaptationSet id=\"{id}\" contentType=\"{content}\" mimeType=\"{content}/mp4\" \
         segmentAlignment=\"true\" startWithSAP=\"1\">"
    );
    if let Kind::LowLatency(channel) = kind {
        let start = Moment(channel.begins_at(0));
        let _ = writeln!(
            out,
            "      <ProducerReferenceTime id=\"0\" inband=\"true\" type=\"encoder\" \
             wallClockTime=\"{start}\" presentationTime=\"0\">\n        <UTCTiming \
             schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>\n      \
             </ProducerReferenceTime>"
        );
        // 5.3.12: every part of a segment is a chunk that can be begun to be read at.
        let _ = writeln!(out, "      <Resync dT=\"{}\" type=\"0\"/>", PART_US / 1000);
    }
    template(kind, out);
    for track in tracks {
        representation(track, out);
    }
    out.push_str("    </AdaptationSet>\n");
}

fn template(kind: Kind, out: &mut String) {
    let number = if matches!(kind, Kind::Film) { "$Number%05d$" } else { "$Number$" };
    // The first chunk is there that much before the segment is complete (5.3.9.5.3).
    let early = match kind {
        Kind::LowLatency(_) => format!(
            " availabilityTimeOffset=\"{}\" availabilityTimeComplete=\"false\"",
            seconds(SEGMENT_US - PART_US)
        ),
        _ => String::new(),
    };
    let _ = writeln!(
        out,
        "      <SegmentTemplate timescale=\"1000\" duration=\"{SEGMENT_MS}\" startNumber=\"0\" \
         initialization=\"$RepresentationID$/init.mp4\" media=\"$RepresentationID$/{number}.m4s\"{early}/>"
    );
}

fn representation(track: &Track, out: &mut String) {
    let Track { name, codec, peak_bps, timescale, .. } = track;
    let picture = match track.picture {
        Some(p) => {
            format!(" width=\"{}\" height=\"{}\" frameRate=\"{}\"", p.width, p.height, p.fps)
        }
        None => format!(" audioSamplingRate=\"{timescale}\""),
    };
    let _ = writeln!(
        out,
        "      <Representation id=\"{name}\" codecs=\"{codec}\" bandwidth=\"{peak_bps}\"{picture}/>"
    );
}
