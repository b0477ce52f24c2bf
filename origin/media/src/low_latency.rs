//! The low-latency channel: the playlist and the parts at a moment (draft-pantos-hls-rfc8216bis). Pure.
//!
//! The same minute of film is repeated for ever; each round begins with a discontinuity. A part is published
//! when its last frame has been shown, as an encoder would.

use std::fmt::Write as _;

use bytes::Bytes;
use tidegate_origin_kit::{Micros, Moment};

use crate::fragments::Fragments;
use crate::stream::SEGMENT_SECS;

/// Closed segments of the playlist.
const WINDOW: u64 = 12;
/// Closed segments that list their parts: three target durations.
const WITH_PARTS: u64 = 3;
/// Segments before the window that are still served.
const GRACE: u64 = 30;
/// `CAN-SKIP-UNTIL`, in segments: six target durations.
const SKIP_SEGMENTS: u64 = 6;
/// Frames a second.
const FPS: i64 = 25;

/// The film in parts.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) init: Bytes,
    segments: Vec<Vec<Part>>,
    round_us: Micros,
    part_target_us: Micros,
}

#[derive(Debug)]
struct Part {
    bytes: Bytes,
    us: Micros,
    /// When it is complete, from the beginning of the round.
    end_us: Micros,
}

/// A place in the channel: the segment's number, and how many parts of it are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) msn: u64,
    pub(crate) parts: u64,
}

impl Channel {
    /// Groups fragments to segments.
    pub(crate) fn of(film: Fragments) -> Option<Self> {
        let frames_in_segment = u64::from(SEGMENT_SECS) * FPS as u64;
        let mut segments: Vec<Vec<Part>> = Vec::new();
        let mut frames = 0;
        for fragment in film.fragments {
            let index = usize::try_from(frames / frames_in_segment).ok()?;
            frames += u64::from(fragment.frames);
            let us = i64::from(fragment.frames) * 1_000_000 / FPS;
            let end_us = i64::try_from(frames).ok()? * 1_000_000 / FPS;
            segments.resize_with(index + 1, Vec::new);
            segments[index].push(Part { bytes: fragment.bytes, us, end_us });
        }
        let part_target_us = segments.iter().flatten().map(|part| part.us).max()?;
        let round_us = segments.last()?.last()?.end_us;
        let whole = segments.iter().all(|parts| !parts.is_empty());
        whole.then_some(Self { init: film.init, segments, round_us, part_target_us })
    }

    /// The open segment and its published parts. The channel is on air for a window already when it starts.
    pub(crate) fn newest(&self, epoch: Micros, now: Micros) -> Place {
        let before = (WINDOW as i64 + 1) * i64::from(SEGMENT_SECS) * 1_000_000;
        let passed = (now - epoch).max(0) + before;
        let (round, within) = (passed / self.round_us, passed % self.round_us);
        let open = |parts: &Vec<Part>| parts.last().is_some_and(|part| part.end_us > within);
        let index = self.segments.iter().position(open).unwrap_or(0);
        let parts = self.segments[index].iter().take_while(|part| part.end_us <= within).count();
        Place { msn: round as u64 * self.round() + index as u64, parts: parts as u64 }
    }

    /// When the place is published.
    pub(crate) fn published_at(&self, epoch: Micros, msn: u64, part: u64) -> Micros {
        let (round, index) = (msn / self.round(), (msn % self.round()) as usize);
        let parts = &self.segments[index];
        let part = usize::try_from(part).unwrap_or(usize::MAX).min(parts.len() - 1);
        let before = (WINDOW as i64 + 1) * i64::from(SEGMENT_SECS) * 1_000_000;
        let rounds = i64::try_from(round).unwrap_or(0).saturating_mul(self.round_us);
        epoch.saturating_add(rounds).saturating_add(parts[part].end_us) - before
    }

    /// Parts of a segment.
    pub(crate) fn parts(&self, msn: u64) -> u64 {
        self.segments[(msn % self.round()) as usize].len() as u64
    }

    /// The part, once it is published and for a while after.
    pub(crate) fn part(&self, newest: Place, msn: u64, part: u64) -> Option<&Bytes> {
        let published = msn < newest.msn || (msn == newest.msn && part < newest.parts);
        let kept = msn + WINDOW + GRACE > newest.msn;
        let parts = &self.segments[(msn % self.round()) as usize];
        parts.get(usize::try_from(part).ok()?).filter(|_| published && kept).map(|p| &p.bytes)
    }

    /// A closed segment: its parts in a row.
    pub(crate) fn segment(&self, newest: Place, msn: u64) -> Option<Bytes> {
        let there = msn < newest.msn && msn + WINDOW + GRACE > newest.msn;
        let parts = &self.segments[(msn % self.round()) as usize];
        there.then(|| parts.iter().flat_map(|part| part.bytes.iter().copied()).collect())
    }

    /// The playlist at a place. `others` are the names of the other sizes, `skip` asks for a delta update.
    pub(crate) fn playlist(
        &self,
        epoch: Micros,
        newest: Place,
        skip: bool,
        others: &[&str],
    ) -> String {
        let first = newest.msn.saturating_sub(WINDOW);
        let skipped = if skip { WINDOW - SKIP_SEGMENTS } else { 0 };
        let mut out = self.head(first, skip);
        if skip {
            let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
        }
        for msn in first + skipped..newest.msn {
            self.begin(epoch, msn, first, &mut out);
            if msn + WITH_PARTS >= newest.msn {
                self.list_parts(msn, self.parts(msn), &mut out);
            }
            let us: Micros =
                self.segments[(msn % self.round()) as usize].iter().map(|p| p.us).sum();
            let _ = writeln!(out, "#EXTINF:{},\n{msn}.m4s", seconds(us));
        }
        self.begin(epoch, newest.msn, first, &mut out);
        self.list_parts(newest.msn, newest.parts, &mut out);
        let hint = format!("{}.{}.m4s", newest.msn, newest.parts);
        let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\"");
        for name in others {
            let last = match newest.parts.checked_sub(1) {
                Some(part) => (newest.msn, part),
                None => (newest.msn - 1, self.parts(newest.msn - 1) - 1),
            };
            let (msn, part) = last;
            let uri = format!("../{name}/index.m3u8");
            let _ = writeln!(
                out,
                "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={msn},LAST-PART={part}"
            );
        }
        out
    }

    fn head(&self, first: u64, skip: bool) -> String {
        let target = seconds(self.part_target_us);
        let hold = seconds(self.part_target_us * 3);
        let until = SKIP_SEGMENTS * u64::from(SEGMENT_SECS);
        let discontinuities = first / self.round();
        let map = if skip { "" } else { "#EXT-X-MAP:URI=\"init.mp4\"\n" };
        format!(
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:{SEGMENT_SECS}\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold},CAN-SKIP-UNTIL={until}.0\n\
             #EXT-X-PART-INF:PART-TARGET={target}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}\n{map}"
        )
    }

    fn begin(&self, epoch: Micros, msn: u64, first: u64, out: &mut String) {
        if msn.is_multiple_of(self.round()) && msn > first {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let us = self.segments[(msn % self.round()) as usize][0].us;
        let begin = Moment(self.published_at(epoch, msn, 0) - us);
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{begin}");
    }

    fn list_parts(&self, msn: u64, count: u64, out: &mut String) {
        let parts = &self.segments[(msn % self.round()) as usize];
        for (number, part) in parts.iter().take(count as usize).enumerate() {
            let independent = if number == 0 { ",INDEPENDENT=YES" } else { "" };
            let _ = writeln!(
                out,
                "#EXT-X-PART:DURATION={},URI=\"{msn}.{number}.m4s\"{independent}",
                seconds(part.us)
            );
        }
    }

    fn round(&self) -> u64 {
        self.segments.len() as u64
    }
}

fn seconds(us: Micros) -> String {
    format!("{}.{:05}", us / 1_000_000, us % 1_000_000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragments::Fragment;

    const EPOCH: Micros = 1_767_225_600_000_000;

    /// Ten segments of parts of 13, 13, 13 and 11 frames.
    fn channel() -> Channel {
        let fragments = (0..40_u8)
            .map(|n| Fragment { frames: if n % 4 == 3 { 11 } else { 13 }, bytes: vec![n].into() })
            .collect();
        Channel::of(Fragments { init: Bytes::from_static(b"init"), fragments }).unwrap()
    }

    #[test]
    fn a_part_is_there_from_the_moment_it_is_published() {
        let channel = channel();
        for (msn, part) in [(13, 0), (13, 3), (19, 2), (20, 0), (457, 1)] {
            let at = channel.published_at(EPOCH, msn, part);
            let before = channel.newest(EPOCH, at - 1);
            assert!(channel.part(before, msn, part).is_none(), "{msn}.{part}");
            let after = channel.newest(EPOCH, at);
            assert!(channel.part(after, msn, part).is_some(), "{msn}.{part}");
            assert!(after > before);
        }
    }

    #[test]
    fn the_playlist_ends_with_the_hint_of_the_next_part() {
        let channel = channel();
        let now = channel.published_at(EPOCH, 20, 1);
        let newest = channel.newest(EPOCH, now);
        assert_eq!(newest, Place { msn: 20, parts: 2 });
        let text = channel.playlist(EPOCH, newest, false, &["180p"]);
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:8\n"), "{text}");
        assert!(
            text.contains("\n19.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:"),
            "{text}"
        );
        assert!(text.contains("DURATION=0.52000,URI=\"20.1.m4s\"\n"), "{text}");
        assert!(text.contains("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"20.2.m4s\""), "{text}");
        assert!(text.ends_with("\"../180p/index.m3u8\",LAST-MSN=20,LAST-PART=1\n"), "{text}");
        let parts = text.lines().filter(|line| line.starts_with("#EXT-X-PART:")).count();
        assert_eq!(parts, 3 * 4 + 2, "three closed segments and the open one");
        let delta = channel.playlist(EPOCH, newest, true, &[]);
        assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=6\n") && !delta.contains("\n13.m4s"));
        assert!(delta.contains("\n14.m4s\n"));
    }

    #[test]
    fn a_segment_is_its_parts() {
        let channel = channel();
        let newest = Place { msn: 20, parts: 0 };
        assert_eq!(channel.segment(newest, 11).unwrap(), [4, 5, 6, 7][..]);
        assert!(channel.segment(newest, 20).is_none());
    }
}
