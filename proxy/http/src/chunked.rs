//! The chunked transfer coding (RFC 9112 7.1), read piece by piece.

use std::ops::Range;

use crate::{FieldList, Refusal};

/// Reads chunked content as it arrives.
#[derive(Debug, Default)]
pub struct Decoder {
    trailers: FieldList,
}

/// What one call of [`Decoder::decode`] found. `consumed` counts bytes of that input; the caller
/// drops them and calls again with the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All input was framing and is consumed; more bytes are needed.
    More {
        /// Bytes of the input that are done with.
        consumed: usize,
    },
    /// Content: `input[data]`.
    Data {
        /// Bytes of the input that are done with, the content among them.
        consumed: usize,
        /// Where the content lies in the input, never empty.
        data: Range<usize>,
    },
    /// The last chunk and the trailer section have been read; the rest belongs to the next message.
    End {
        /// Bytes of the input that are done with.
        consumed: usize,
    },
}

impl Decoder {
    /// A decoder at the start of a body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads on.
    ///
    /// # Errors
    /// A [`Refusal`] when the framing is broken; the connection must be closed.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, Refusal> {
        let _ = input;
        Err(Refusal::CHUNK_SIZE)
    }

    /// The trailer section, once [`Step::End`] was given. Fields that must not come late are left
    /// out (RFC 9110 6.5.1).
    pub fn trailers(&self) -> &FieldList {
        &self.trailers
    }
}

/// Appends the line that opens a chunk of `len` bytes. A chunk of zero bytes would end the body:
/// use [`END`].
pub fn write_chunk_head(len: usize, out: &mut impl bytes::BufMut) {
    debug_assert!(len > 0);
    out.put_slice(format!("{len:x}\r\n").as_bytes());
}

/// What follows the bytes of a chunk.
pub const CHUNK_TAIL: &[u8] = b"\r\n";

/// The last chunk without trailers.
pub const END: &[u8] = b"0\r\n\r\n";
