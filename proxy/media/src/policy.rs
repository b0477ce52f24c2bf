//! What holds for a class where the origin says nothing.
//!
//! Lifetimes are those of draft-pantos-hls-rfc8216bis Appendix B.1 for HLS, half a segment or the update
//! period for DASH. Errors of servers are hardly kept at all: four target durations of a remembered 5xx would
//! freeze a stream after one hiccup.

use crate::class::Class;
use crate::dash::Mpd;
use crate::hls::Media;

#[cfg(test)]
mod tests;

/// A year, seconds: for what never changes.
pub const IMMUTABLE_S: u32 = 31_536_000;
/// Lifetime of a playlist of which nothing is known yet, milliseconds.
pub const UNKNOWN_MS: u64 = 1000;
/// Target duration that is assumed until a playlist tells it, milliseconds.
pub const TARGET_MS: u64 = 6000;

/// What is known about the stream that a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Target duration, or longest segment, milliseconds.
    pub target_ms: u64,
    /// Whether the stream still grows.
    pub live: bool,
    /// Lifetime that a DASH manifest asks for, milliseconds.
    pub manifest_ms: Option<u64>,
}

/// What holds for an answer of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// Lifetime of a good answer, milliseconds.
    pub ttl_ms: u64,
    /// Lifetime of 404 and 410, milliseconds.
    pub missing_ms: u64,
    /// Lifetime of other refusals (400), milliseconds.
    pub refused_ms: u64,
    /// How long a stale answer stands in for an error, seconds.
    pub stale_if_error_s: u32,
    /// How long the fetch of one answer may hold everybody who waits for it, milliseconds.
    pub lock_ms: u64,
    /// Urgency of the answer (RFC 9218): playlists before segments (Appendix B.1).
    pub urgency: u8,
    /// Whether the bytes shrink when they are compressed.
    pub compress: bool,
}

impl Timing {
    /// Of a stream whose playlist has not been seen.
    pub const UNKNOWN: Self = Self { target_ms: TARGET_MS, live: true, manifest_ms: None };

    /// As a media playlist tells.
    pub const fn of_playlist(media: &Media) -> Self {
        Self { target_ms: media.target_ms, live: !media.ended, manifest_ms: None }
    }

    /// As a DASH manifest tells.
    pub fn of_mpd(mpd: &Mpd) -> Self {
        let target_ms = mpd.segment_ms.unwrap_or(TARGET_MS);
        Self { target_ms, live: mpd.dynamic, manifest_ms: mpd.keep_ms() }
    }
}

impl Class {
    /// What holds for its answers. `blocking` is a request that may be held until its answer exists.
    pub fn defaults(self, timing: Option<Timing>, blocking: bool) -> Defaults {
        let known = timing.unwrap_or(Timing::UNKNOWN);
        let target_ms = known.target_ms.max(1);
        Defaults {
            ttl_ms: self.ttl_ms(timing, target_ms, blocking),
            missing_ms: self.missing_ms(known, target_ms, blocking),
            refused_ms: target_ms.min(UNKNOWN_MS),
            stale_if_error_s: self.stale_if_error_s(known),
            // Three target durations are the longest hold (draft 6.2.5.2), and the transfer comes after.
            lock_ms: if blocking { target_ms * 4 } else { target_ms * 2 },
            urgency: self.urgency(),
            compress: self.is_manifest() || matches!(self, Self::MpdPatch | Self::Subtitle),
        }
    }

    fn ttl_ms(self, timing: Option<Timing>, target_ms: u64, blocking: bool) -> u64 {
        let immutable = u64::from(IMMUTABLE_S) * 1000;
        let live = timing.is_none_or(|timing| timing.live);
        match self {
            _ if self.is_playlist() && blocking => target_ms * 6,
            Self::VodPlaylist => 300_000,
            Self::Multivariant => 30_000,
            Self::Playlist | Self::LivePlaylist if timing.is_none() => UNKNOWN_MS,
            Self::Playlist | Self::LivePlaylist if !live => 300_000,
            Self::Playlist | Self::LivePlaylist => target_ms / 2,
            Self::Mpd if timing.is_none() => UNKNOWN_MS,
            Self::Mpd => timing.and_then(|t| t.manifest_ms).unwrap_or(300_000),
            Self::MpdPatch => UNKNOWN_MS,
            // At least six target durations; they are never written again.
            Self::Segment if live => (target_ms * 6).max(600_000),
            Self::Segment | Self::Init | Self::Image | Self::Subtitle => immutable,
            Self::File => 86_400_000,
            Self::Key | Self::Other => 0,
        }
    }

    fn missing_ms(self, known: Timing, target_ms: u64, blocking: bool) -> u64 {
        match self {
            _ if self.is_playlist() && blocking => target_ms * 4,
            _ if self.is_manifest() => target_ms,
            Self::Segment | Self::Init if blocking => target_ms,
            // A player whose clock is ahead asks a moment too early.
            Self::Segment if known.live => UNKNOWN_MS,
            Self::Key | Self::Other => 0,
            _ => target_ms,
        }
    }

    const fn stale_if_error_s(self, known: Timing) -> u32 {
        match self {
            // A live playlist that stands still for longer ends the play anyway.
            _ if self.is_manifest() && known.live => (known.target_ms * 3 / 1000) as u32 + 1,
            Self::Key | Self::MpdPatch => 0,
            _ => 3600,
        }
    }

    const fn urgency(self) -> u8 {
        match self {
            _ if self.is_manifest() => 1,
            Self::Key | Self::Init | Self::MpdPatch => 1,
            Self::Segment => 3,
            Self::Subtitle => 2,
            Self::Image => 5,
            Self::File => 6,
            _ => 3,
        }
    }
}
