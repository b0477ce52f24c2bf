//! Cuts a body into lines.

use bytes::{Buf, Bytes, BytesMut};

/// Longest line: a whole spec with all its redirects.
pub(crate) const LINE_BYTES_MAX: usize = 128 << 20;

#[derive(Default)]
pub(crate) struct Lines {
    buffer: BytesMut,
    searched: usize,
}

impl Lines {
    /// Takes bytes in; false when the line has become too long.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        self.buffer.extend_from_slice(bytes);
        self.buffer.len() <= LINE_BYTES_MAX
    }

    /// The next whole line, without its end.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let found = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(at) = found.map(|at| at + self.searched) else {
            self.searched = self.buffer.len();
            return None;
        };
        self.searched = 0;
        let line = self.buffer.split_to(at).freeze();
        self.buffer.advance(1);
        Some(line)
    }
}
