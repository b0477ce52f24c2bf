//! Compression of answers.

use crate::resource::{resource, words};
use crate::units::Size;

resource! {
    /// How answers are compressed on their way to clients that say they take it.
    pub struct CompressPolicy {
        /// The codings offered, the preferred one first; none turns compression off.
        pub encodings: Vec<Encoding> = vec![Encoding::Zstd, Encoding::Brotli, Encoding::Gzip],
        /// Media types that are compressed: `text/html`, `text/*`, or `*+json` for a suffix.
        pub types: Vec<String> = TYPES.iter().map(|word| (*word).to_owned()).collect(),
        /// Answers known to be smaller go out as they are.
        pub min_bytes: Size = Size(1024),
    }
}

words! {
    /// A content coding.
    pub enum Encoding {
        /// Zstandard (RFC 8878).
        Zstd = "zstd",
        /// Brotli (RFC 7932).
        Brotli = "br",
        /// gzip (RFC 1952).
        Gzip = "gzip",
    }
}

/// What shrinks well and is not compressed by itself.
const TYPES: [&str; 15] = [
    "text/*",
    "*+json",
    "*+xml",
    "application/json",
    "application/javascript",
    "application/xml",
    "application/x-ndjson",
    "application/wasm",
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "application/vnd.ms-fontobject",
    "font/ttf",
    "font/otf",
    "image/x-icon",
    "image/bmp",
];
