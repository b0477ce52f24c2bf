//! What of a request body is kept so that it can be sent again.

use bytes::{Bytes, BytesMut};

/// Bytes of a request body kept for a retry; a longer body is sent once.
const REPLAY_BYTES_MAX: usize = 64 * 1024;

/// What of a request body is kept so that it can be sent again.
#[derive(Default)]
pub(super) struct Replay {
    kept: BytesMut,
    begun: bool,
    truncated: bool,
}

impl Replay {
    /// Keeps a piece that was handed to the server.
    pub(super) fn keep(&mut self, data: &Bytes) {
        self.begun = true;
        if self.truncated || self.kept.len() + data.len() > REPLAY_BYTES_MAX {
            self.truncated = true;
            self.kept = BytesMut::new();
        } else {
            self.kept.extend_from_slice(data);
        }
    }

    /// The body ended, possibly without a byte.
    pub(super) fn end(&mut self) {
        self.begun = true;
    }

    /// Whether the beginning is lost.
    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// What the first try has already consumed; `None` when it consumed nothing.
    pub(super) fn again(&self) -> Option<Bytes> {
        (self.begun && !self.truncated).then(|| Bytes::copy_from_slice(&self.kept))
    }
}
