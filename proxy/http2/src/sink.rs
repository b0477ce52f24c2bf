//! Where frames are written to.

use bytes::Bytes;

/// A writer's buffer: small things are copied, large bodies may be spliced in.
pub trait Sink {
    /// The place for copied bytes, which follow everything handed over before.
    fn bytes(&mut self) -> &mut Vec<u8>;

    /// Adds a piece of a body; the sink decides whether it copies the bytes or keeps a reference.
    fn body(&mut self, body: &Bytes);
}

/// Copies everything.
impl Sink for Vec<u8> {
    fn bytes(&mut self) -> &mut Vec<u8> {
        self
    }

    fn body(&mut self, body: &Bytes) {
        self.extend_from_slice(body);
    }
}
