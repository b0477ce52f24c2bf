//! The encoders, each writing into memory.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::write::GzEncoder;
use tidegate_http::ContentCoding;

/// Effort for what is coded while somebody waits.
const STREAM: Effort = Effort { gzip: 5, brotli: 4, brotli_window: 18, zstd: 3 };
/// Effort for what is coded once and sent often.
const STORED: Effort = Effort { gzip: 6, brotli: 5, brotli_window: 20, zstd: 7 };
/// The window of a streaming zstd encoder, as a power of two: what it costs in memory.
const ZSTD_WINDOW_LOG: u32 = 18;
/// Bytes of brotli's own buffer.
const BROTLI_BUFFER_BYTES: usize = 4096;

struct Effort {
    gzip: u32,
    brotli: u32,
    brotli_window: u32,
    zstd: i32,
}

/// An encoder under way.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

// === impl Encoder ===

impl Encoder {
    /// For a response that streams.
    pub(super) fn stream(coding: ContentCoding) -> io::Result<Self> {
        let mut encoder = Self::new(coding, &STREAM)?;
        if let Self::Zstd(zstd) = &mut encoder {
            zstd.window_log(ZSTD_WINDOW_LOG)?;
        }
        Ok(encoder)
    }

    fn new(coding: ContentCoding, effort: &Effort) -> io::Result<Self> {
        let out = Vec::new();
        Ok(match coding {
            ContentCoding::Gzip => {
                Self::Gzip(GzEncoder::new(out, flate2::Compression::new(effort.gzip)))
            }
            ContentCoding::Brotli => Self::Brotli(Box::new(brotli::CompressorWriter::new(
                out,
                BROTLI_BUFFER_BYTES,
                effort.brotli,
                effort.brotli_window,
            ))),
            ContentCoding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(out, effort.zstd)?),
        })
    }

    /// Codes some bytes.
    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(gzip) => gzip.write_all(data),
            Self::Brotli(brotli) => brotli.write_all(data),
            Self::Zstd(zstd) => zstd.write_all(data),
        }
    }

    /// Brings out everything that was put in, so that the client can decode it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(gzip) => gzip.flush(),
            Self::Brotli(brotli) => brotli.flush(),
            Self::Zstd(zstd) => zstd.flush(),
        }
    }

    /// The coded bytes since the last call.
    pub(super) fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Gzip(gzip) => gzip.get_mut(),
            Self::Brotli(brotli) => brotli.get_mut(),
            Self::Zstd(zstd) => zstd.get_mut(),
        };
        std::mem::take(out).into()
    }

    /// The last bytes.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(gzip) => gzip.finish(),
            Self::Brotli(brotli) => Ok(brotli.into_inner()),
            Self::Zstd(zstd) => zstd.finish(),
        }
    }
}

/// Codes a whole body.
pub(super) fn whole(coding: ContentCoding, pieces: &[Bytes]) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(coding, &STORED)?;
    if let Encoder::Zstd(zstd) = &mut encoder {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        zstd.set_pledged_src_size(Some(length))?;
    }
    for piece in pieces {
        encoder.write(piece)?;
    }
    encoder.finish()
}
