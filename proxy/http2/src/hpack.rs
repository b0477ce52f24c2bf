//! Field compression (RFC 7541): the decoder with its dynamic table, and the parts that it shares with
//! the encoder.

mod decoder;
pub(crate) mod huffman;
pub(crate) mod integer;
mod kind;
mod static_table;

#[cfg(test)]
mod tests;

pub(crate) use decoder::{Decoder, Line, Outcome, SectionLimits};
pub(crate) use kind::{Kind, is_value};
pub(crate) use static_table::{STATIC, find_exact, find_name};

/// The size of the dynamic table before any setting (RFC 9113 6.5.2).
pub(crate) const TABLE_BYTES_DEFAULT: usize = 4096;
/// Bytes that an entry counts beside its name and value (RFC 7541 4.1).
pub(crate) const ENTRY_OVERHEAD_BYTES: usize = 32;

/// Why a field block cannot be decoded. Both end the connection, because the state of the
/// dynamic table is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It breaks a rule of RFC 7541.
    Invalid(&'static str),
    /// It makes too much of too few bytes.
    Bomb,
}
