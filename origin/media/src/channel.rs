//! The channel: which segments and parts are there at a moment. Pure.
//!
//! The film is repeated for ever on one time line that has no gaps. A part is published when its last frame
//! has been shown, as an encoder would; a segment is complete with its last part.

use tidegate_origin_kit::Micros;

use crate::stream::{PART_US, PARTS, SEGMENT_US};

/// Closed segments of playlists and of the time-shift buffer.
pub(crate) const WINDOW: u64 = 12;
/// Segments before the window that are still served: a player that stalled may ask for them.
pub(crate) const GRACE: u64 = 30;

/// A channel, by when it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channel {
    start: Micros,
}

/// A place in the channel: the open segment's number, and how many parts of it are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) msn: u64,
    pub(crate) parts: u64,
}

impl Channel {
    /// The channel that people can watch from `epoch` on; it began a window before, so that it can be played
    /// at once.
    pub(crate) fn since(epoch: Micros) -> Self {
        Self { start: epoch - (WINDOW as i64 + 1) * SEGMENT_US }
    }

    /// What is there at `now`.
    pub(crate) fn newest(self, now: Micros) -> Place {
        let first = (WINDOW as i64 + 1) * SEGMENT_US;
        let passed = now.saturating_sub(self.start).max(first);
        Place { msn: (passed / SEGMENT_US) as u64, parts: (passed % SEGMENT_US / PART_US) as u64 }
    }

    /// When a segment begins.
    pub(crate) fn begins_at(self, msn: u64) -> Micros {
        let passed = i64::try_from(msn).unwrap_or(i64::MAX).saturating_mul(SEGMENT_US);
        self.start.saturating_add(passed)
    }

    /// When a part is published; one beyond the last is the last.
    pub(crate) fn published_at(self, msn: u64, part: u64) -> Micros {
        let parts = part.min(PARTS - 1) as i64 + 1;
        self.begins_at(msn).saturating_add(parts * PART_US)
    }

    /// Whether the part is published, and not too old.
    pub(crate) fn has_part(self, newest: Place, msn: u64, part: u64) -> bool {
        let published = msn < newest.msn || (msn == newest.msn && part < newest.parts);
        part < PARTS && published && kept(newest, msn)
    }

    /// Whether the segment is complete, and not too old.
    pub(crate) fn has_segment(self, newest: Place, msn: u64) -> bool {
        msn < newest.msn && kept(newest, msn)
    }
}

fn kept(newest: Place, msn: u64) -> bool {
    msn.saturating_add(WINDOW + GRACE) > newest.msn
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Micros = 1_767_225_600_000_000;

    #[test]
    fn a_part_is_there_from_the_moment_it_is_published() {
        let channel = Channel::since(EPOCH);
        for (msn, part) in [(13, 0), (13, 2), (19, 1), (20, 0), (457, 1)] {
            let at = channel.published_at(msn, part);
            let (before, after) = (channel.newest(at - 1), channel.newest(at));
            assert!(!channel.has_part(before, msn, part), "{msn}.{part}");
            assert!(channel.has_part(after, msn, part), "{msn}.{part}");
            assert!(after > before);
        }
    }

    #[test]
    fn the_channel_begins_with_a_whole_window() {
        let channel = Channel::since(EPOCH);
        for now in [EPOCH - 5, EPOCH, EPOCH + PART_US - 1] {
            assert_eq!(channel.newest(now), Place { msn: WINDOW + 1, parts: 0 });
        }
        assert!(channel.has_segment(channel.newest(EPOCH), WINDOW));
        assert!(!channel.has_segment(channel.newest(EPOCH), WINDOW + 1));
        assert!(!channel.has_segment(channel.newest(EPOCH + 100 * SEGMENT_US), WINDOW));
    }
}
