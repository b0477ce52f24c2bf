//! What a client costs without doing anything useful, counted within a window of time.

use super::Fault;
use crate::{AbuseLimits, ErrorCode};

/// The counters of the present window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Abuse {
    window_began_us: u64,
    early_resets: u32,
    resets: u32,
    pings: u32,
    settings: u32,
    empty_frames: u32,
    window_updates: u32,
    priority_updates: u32,
    replies_queued: u32,
}

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nuisance {
    EarlyReset,
    Reset,
    Ping,
    Settings,
    EmptyFrame,
    WindowUpdate,
    PriorityUpdate,
    Reply,
}

/// WINDOW_UPDATE frames that one DATA frame may call forth: some clients send one for the stream and
/// one for the connection.
const UPDATES_PER_DATA: u32 = 3;

impl Abuse {
    pub(super) fn count(
        &mut self,
        nuisance: Nuisance,
        limits: &AbuseLimits,
        now_us: u64,
    ) -> Result<(), Fault> {
        if now_us.saturating_sub(self.window_began_us) >= limits.window_us {
            let replies_queued = self.replies_queued;
            *self = Self { window_began_us: now_us, replies_queued, ..Self::default() };
        }
        let (counter, max, detail) = match nuisance {
            Nuisance::EarlyReset => {
                (&mut self.early_resets, limits.early_resets, "too many early resets")
            }
            Nuisance::Reset => (&mut self.resets, limits.resets, "too many resets"),
            Nuisance::Ping => (&mut self.pings, limits.pings, "too many pings"),
            Nuisance::Settings => (&mut self.settings, limits.settings, "too many settings"),
            Nuisance::EmptyFrame => {
                (&mut self.empty_frames, limits.empty_frames, "too many empty frames")
            }
            Nuisance::WindowUpdate => {
                (&mut self.window_updates, limits.window_updates, "too many window updates")
            }
            Nuisance::PriorityUpdate => {
                (&mut self.priority_updates, limits.priority_updates, "too many priority updates")
            }
            Nuisance::Reply => {
                (&mut self.replies_queued, limits.replies_queued, "replies are not read")
            }
        };
        *counter += 1;
        if *counter > max {
            return Err(Fault::Connection(ErrorCode::ENHANCE_YOUR_CALM, detail));
        }
        Ok(())
    }

    /// A DATA frame was sent: whoever receives it may update windows and measure the way.
    #[inline]
    pub(super) fn earn(&mut self) {
        self.window_updates = self.window_updates.saturating_sub(UPDATES_PER_DATA);
        self.pings = self.pings.saturating_sub(1);
    }

    /// Everything queued was handed over.
    #[inline]
    pub(super) fn replied(&mut self) {
        self.replies_queued = 0;
    }
}
