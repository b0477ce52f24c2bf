//! Field blocks without state (RFC 7541): static table and literals, never the dynamic table.

/// Writes field blocks that serve every connection, so that the block of a cached object is made
/// once. Blocks may be concatenated; the status comes first.
#[derive(Debug, Clone, Copy)]
pub struct Encoder;

impl Encoder {
    /// Appends `:status`.
    pub fn status(block: &mut Vec<u8>, status: u16) {
        let _ = (block, status);
    }

    /// Appends a field line; the name is written in lower case. Whatever HTTP/2 forbids is left out
    /// and `false` returned: connection-specific fields (RFC 9113 8.2.2), names and values with
    /// forbidden bytes.
    pub fn field(block: &mut Vec<u8>, name: &[u8], value: &[u8]) -> bool {
        let _ = (block, name, value);
        false
    }
}
