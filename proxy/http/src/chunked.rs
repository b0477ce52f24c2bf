//! The chunked transfer coding (RFC 9112 7.1), read piece by piece.

use std::ops::Range;

use bytes::BufMut;

use crate::{FieldList, Refusal};

/// Reads chunked content as it arrives.
///
/// ```text
/// Size -> (Extension) -> SizeLf -> Data -> DataCr -> DataLf -> Size ...
///                               \-> Trailer -> Done
/// ```
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// Bytes of extensions in this chunk, and in the body so far.
    extension: usize,
    extensions: usize,
    trailer: Vec<u8>,
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

/// What follows the bytes of a chunk.
pub const CHUNK_TAIL: &[u8] = b"\r\n";

/// The last chunk without trailers.
pub const END: &[u8] = b"0\r\n\r\n";

/// Bytes of the extensions of one chunk.
pub const EXTENSION_BYTES_MAX: usize = 256;

/// Bytes of the extensions of a whole body. Without it a client could send them for ever while the
/// body stays small.
pub const EXTENSIONS_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a trailer section with the empty line that ends it.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;

const TRAILER_FIELDS_MAX: usize = 64;
const SIZE_DIGITS_MAX: u8 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size {
        size: u64,
        digits: u8,
    },
    /// Whitespace after the size, which only an extension may follow.
    SizeSpace {
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    Trailer,
    Done,
}

impl Decoder {
    /// A decoder at the start of a body.
    pub const fn new() -> Self {
        Self {
            state: State::SIZE,
            extension: 0,
            extensions: 0,
            trailer: Vec::new(),
            trailers: FieldList::new(),
        }
    }

    /// Reads on. After [`Step::End`] it goes on saying so and consumes nothing.
    ///
    /// # Errors
    /// A [`Refusal`] when the framing is broken; the connection must be closed.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, Refusal> {
        let mut at = 0;
        loop {
            match self.state {
                State::Done => return Ok(Step::End { consumed: at }),
                State::Data { left } if at < input.len() => {
                    return Ok(self.data(at, input.len() - at, left));
                }
                _ => {}
            }
            let Some(&byte) = input.get(at) else { return Ok(Step::More { consumed: at }) };
            at += 1;
            self.state = self.next(byte)?;
        }
    }

    /// Whether the whole body has been read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The trailer section, once [`Step::End`] was given. Fields that must not come late are left
    /// out (RFC 9110 6.5.1).
    pub const fn trailers(&self) -> &FieldList {
        &self.trailers
    }

    fn data(&mut self, at: usize, available: usize, left: u64) -> Step {
        let taken = usize::try_from(left).map_or(available, |left| left.min(available));
        let left = left - taken as u64;
        self.state = if left == 0 { State::DataCr } else { State::Data { left } };
        Step::Data { consumed: at + taken, data: at..at + taken }
    }

    fn next(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size { size, digits }, byte) => self.size(size, digits, byte),
            (State::SizeSpace { .. }, b' ' | b'\t') => self.count_extension(self.state),
            (State::SizeSpace { size }, b';') => self.count_extension(State::Extension { size }),
            (State::SizeSpace { .. }, _) => Err(Refusal::CHUNK_SIZE),
            (State::Extension { size }, b'\r') => Ok(State::SizeLf { size }),
            (State::Extension { .. }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count_extension(self.state)
            }
            (State::Extension { .. }, _) => Err(Refusal::CHUNK_EXTENSION),
            (State::SizeLf { size: 0 }, b'\n') => Ok(State::Trailer),
            (State::SizeLf { size }, b'\n') => {
                self.extension = 0;
                Ok(State::Data { left: size })
            }
            (State::SizeLf { .. }, _) => Err(Refusal::BARE_CR),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::SIZE),
            (State::DataCr | State::DataLf, _) => Err(Refusal::CHUNK_END),
            (State::Trailer, byte) => self.trailer(byte),
            (State::Data { .. } | State::Done, _) => Ok(self.state),
        }
    }

    fn size(&mut self, size: u64, digits: u8, byte: u8) -> Result<State, Refusal> {
        match byte {
            _ if byte.is_ascii_hexdigit() && digits < SIZE_DIGITS_MAX => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
            }
            b'\r' if digits > 0 => Ok(State::SizeLf { size }),
            b';' if digits > 0 => self.count_extension(State::Extension { size }),
            // BWS may stand before the semicolon of an extension, not before the end of the line.
            b' ' | b'\t' if digits > 0 => self.count_extension(State::SizeSpace { size }),
            b'\n' => Err(Refusal::BARE_LF),
            _ => Err(Refusal::CHUNK_SIZE),
        }
    }

    fn count_extension(&mut self, next: State) -> Result<State, Refusal> {
        self.extension += 1;
        self.extensions += 1;
        let within =
            self.extension <= EXTENSION_BYTES_MAX && self.extensions <= EXTENSIONS_BYTES_MAX;
        if within { Ok(next) } else { Err(Refusal::CHUNK_EXTENSION) }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, Refusal> {
        if self.trailer.len() == TRAILER_BYTES_MAX {
            return Err(Refusal::TRAILER_TOO_LARGE);
        }
        self.trailer.push(byte);
        if byte != b'\n' {
            return Ok(State::Trailer);
        }
        if !self.trailer.ends_with(b"\r\n") {
            return Err(Refusal::BARE_LF);
        }
        if self.trailer.len() > 2 && !self.trailer.ends_with(b"\r\n\r\n") {
            return Ok(State::Trailer);
        }
        self.trailers = parse_trailers(&self.trailer)?;
        Ok(State::Done)
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    const SIZE: Self = Self::Size { size: 0, digits: 0 };
}

/// Appends the line that opens a chunk of `len` bytes. A chunk of zero bytes would end the body:
/// use [`END`].
pub fn write_chunk_head(len: usize, out: &mut impl BufMut) {
    debug_assert!(len > 0, "a chunk of no bytes ends the body");
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        out.put_u8(b"0123456789abcdef"[len >> (4 * place) & 15]);
    }
    out.put_slice(b"\r\n");
}

/// Appends the last chunk with trailers.
pub fn write_end(trailers: &FieldList, out: &mut impl BufMut) {
    out.put_slice(b"0\r\n");
    trailers.write_h1(out);
    out.put_slice(b"\r\n");
}

/// Whether a field may come after the content (RFC 9110 6.5.1): not what frames, routes, modifies
/// the request, authenticates, or says how to process the content.
pub fn may_trail(name: &[u8]) -> bool {
    const NEVER: [&str; 26] = [
        "age",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expect",
        "expires",
        "host",
        "if-match",
        "if-none-match",
        "keep-alive",
        "location",
        "proxy-authorization",
        "range",
        "retry-after",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
    ];
    !NEVER.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes()))
}

fn parse_trailers(section: &[u8]) -> Result<FieldList, Refusal> {
    let mut slots = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    match httparse::parse_headers(section, &mut slots) {
        Ok(httparse::Status::Complete((len, fields))) if len == section.len() => {
            let kept = fields.iter().filter(|field| may_trail(field.name.as_bytes()));
            Ok(kept.map(|field| (field.name, field.value)).collect())
        }
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::TRAILER_TOO_LARGE),
        _ => Err(Refusal::TRAILER_INVALID),
    }
}

#[cfg(test)]
mod tests;
