//! The request body of an HTTP/1 connection, read piece by piece (RFC 9112 section 6).

use bytes::{Buf, Bytes, BytesMut};
use tidegate_http::{
    FieldList, Framing, Refusal,
    chunked::{Decoder, Step},
};

/// Bytes handed on at once.
const PIECE_BYTES_MAX: usize = 64 * 1024;

/// How much of the body is still to come.
pub(super) enum RequestBody {
    /// All of it has been read.
    Done,
    /// So many bytes.
    Length(u64),
    /// Until the last chunk.
    Chunked(Box<Decoder>),
    /// After a protocol switch: whatever comes, until the client closes.
    Raw,
}

/// What the bytes at hand give.
pub(super) enum Piece {
    /// A part of the body.
    Data(Bytes),
    /// The body is complete.
    Done,
    /// It is, and these came behind it.
    Trailers(FieldList),
    /// More bytes must be read first.
    Starved,
}

impl RequestBody {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty | Framing::Length(0) => Self::Done,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Box::default()),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Takes the next piece out of `input`.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<Piece, Refusal> {
        match self {
            Self::Done => Ok(Piece::Done),
            Self::Raw => Ok(take_bytes(input, u64::MAX).0),
            Self::Length(left) => {
                let (piece, taken) = take_bytes(input, *left);
                *left -= taken;
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(piece)
            }
            Self::Chunked(decoder) => {
                let piece = take_chunked(decoder, input)?;
                if matches!(piece, Piece::Done | Piece::Trailers(_)) {
                    *self = Self::Done;
                }
                Ok(piece)
            }
        }
    }
}

fn take_bytes(input: &mut BytesMut, limit: u64) -> (Piece, u64) {
    let count = input.len().min(PIECE_BYTES_MAX).min(usize::try_from(limit).unwrap_or(usize::MAX));
    if count == 0 {
        return (Piece::Starved, 0);
    }
    (Piece::Data(input.split_to(count).freeze()), count as u64)
}

fn take_chunked(decoder: &mut Decoder, input: &mut BytesMut) -> Result<Piece, Refusal> {
    loop {
        if input.is_empty() {
            return Ok(Piece::Starved);
        }
        match decoder.decode(input)? {
            Step::More { consumed } => {
                input.advance(consumed);
                // Input that does not move the decoder waits for what follows it.
                if consumed == 0 {
                    return Ok(Piece::Starved);
                }
            }
            Step::Data { consumed, data } => {
                let mut piece = input.split_to(consumed);
                piece.truncate(data.end);
                piece.advance(data.start);
                return Ok(Piece::Data(piece.freeze()));
            }
            Step::End { consumed } => {
                input.advance(consumed);
                return Ok(match decoder.trailers() {
                    none if none.is_empty() => Piece::Done,
                    trailers => Piece::Trailers(trailers.clone()),
                });
            }
        }
    }
}
