//! Field blocks without state (RFC 7541): static table and literals, never the dynamic table.

use crate::hpack::{Kind, STATIC, find_exact, find_name, huffman, integer, is_value};

/// Bytes of the longest name that is compared with the static table in lower case.
const NAME_BYTES_MAX: usize = 64;

/// Writes field blocks that serve every connection, so that the block of a cached object is made
/// once. Blocks may be concatenated; the status comes first.
#[derive(Debug, Clone, Copy)]
pub struct Encoder;

impl Encoder {
    /// Appends `:status`.
    pub fn status(block: &mut Vec<u8>, status: u16) {
        let digits = [status / 100 % 10, status / 10 % 10, status % 10].map(|d| b'0' + d as u8);
        match find_exact(b":status", &digits) {
            Some(index) => integer::write(block, 0x80, 7, index),
            None => {
                integer::write(block, 0x00, 4, STATUS_INDEX);
                string(block, &digits);
            }
        }
    }

    /// Appends a field line; the name is written in lower case. Whatever HTTP/2 forbids is left out
    /// and `false` returned: connection-specific fields (RFC 9113 8.2.2), pseudo-header fields,
    /// names and values with forbidden bytes.
    ///
    /// Cookies and credentials are marked as never to be indexed (RFC 7541 7.1.3).
    pub fn field(block: &mut Vec<u8>, name: &[u8], value: &[u8]) -> bool {
        let mut lower = [0; NAME_BYTES_MAX];
        let Some(space) = lower.get_mut(..name.len()) else {
            return line(block, &name.to_ascii_lowercase(), value);
        };
        space.copy_from_slice(name);
        space.make_ascii_lowercase();
        line(block, space, value)
    }
}

/// The first entry of the static table that is named `:status`.
const STATUS_INDEX: usize = 8;

fn line(block: &mut Vec<u8>, name: &[u8], value: &[u8]) -> bool {
    let kind = Kind::of_name(name);
    let refused = kind.is_pseudo()
        || matches!(kind, Kind::ConnectionSpecific | Kind::NameInvalid)
        || (kind == Kind::Te && value != b"trailers")
        || !is_value(value);
    if refused {
        return false;
    }
    if let Some(index) = find_exact(name, value) {
        integer::write(block, 0x80, 7, index);
        return true;
    }
    let pattern = if is_secret(name) { 0x10 } else { 0x00 };
    match find_name(name) {
        Some(index) => integer::write(block, pattern, 4, index),
        None => {
            block.push(pattern);
            string(block, name);
        }
    }
    string(block, value);
    true
}

fn is_secret(name: &[u8]) -> bool {
    matches!(name, b"set-cookie" | b"cookie" | b"authorization" | b"proxy-authorization")
}

/// A string literal, by Huffman code where that is shorter.
fn string(block: &mut Vec<u8>, text: &[u8]) {
    let coded = huffman::encoded_len(text);
    if coded < text.len() {
        integer::write(block, 0x80, 7, coded);
        huffman::encode(text, block);
    } else {
        integer::write(block, 0x00, 7, text.len());
        block.extend_from_slice(text);
    }
}

const _: () = assert!(STATIC[STATUS_INDEX - 1].0.len() == 7);

#[cfg(test)]
mod tests;
