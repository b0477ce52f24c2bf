//! The bytes of a stored response.

use bytes::{Bytes, BytesMut};
use tidegate_cache::ByteRange;

/// A complete body: one piece when small, else pieces in order. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub enum Body {
    /// Contiguous.
    One(Bytes),
    /// In pieces, none empty.
    Pieces(std::sync::Arc<[Bytes]>),
}

/// A body up to this size is kept contiguous, so that a hit is one vectored write of two parts.
const CONTIGUOUS_BYTES_MAX: usize = 256 << 10;
/// Pieces smaller than this on average are copied together.
const PIECE_BYTES_MIN: usize = 16 << 10;

impl Body {
    /// A body from the pieces it arrived in. Small ones are copied together, which also lets go of the larger
    /// buffers they were cut from.
    pub fn from_pieces(pieces: Vec<Bytes>) -> Self {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        if length <= CONTIGUOUS_BYTES_MAX {
            return Self::One(joined(&pieces, length));
        }
        if length / pieces.len().max(1) >= PIECE_BYTES_MIN {
            return Self::Pieces(pieces.into());
        }
        Self::Pieces(regrouped(&pieces).into())
    }

    /// The number of bytes.
    pub fn len(&self) -> u64 {
        self.pieces().iter().map(|piece| piece.len() as u64).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Bytes] {
        match self {
            Self::One(bytes) => std::slice::from_ref(bytes),
            Self::Pieces(pieces) => pieces,
        }
    }

    /// Appends the pieces of a range to `out`, without copying bytes.
    pub fn slice(&self, range: ByteRange, out: &mut Vec<Bytes>) {
        let mut start = 0;
        for piece in self.pieces() {
            let end = start + piece.len() as u64;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                out.push(piece.slice((from - start) as usize..(to - start) as usize));
            }
            start = end;
        }
    }
}

fn joined(pieces: &[Bytes], length: usize) -> Bytes {
    let mut whole = BytesMut::with_capacity(length);
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}

fn regrouped(pieces: &[Bytes]) -> Vec<Bytes> {
    let mut groups = Vec::new();
    let mut group = BytesMut::with_capacity(CONTIGUOUS_BYTES_MAX);
    for piece in pieces {
        if !group.is_empty() && group.len() + piece.len() > CONTIGUOUS_BYTES_MAX {
            groups.push(group.split().freeze());
            group.reserve(CONTIGUOUS_BYTES_MAX);
        }
        group.extend_from_slice(piece);
    }
    if !group.is_empty() {
        groups.push(group.freeze());
    }
    groups
}
