//! Integers with a prefix (RFC 7541 5.1).

use super::Broken;

/// Bytes after the prefix: enough for lengths and sizes up to 2^28, and leading zeros cannot go on
/// for ever.
const CONTINUATION_BYTES_MAX: u32 = 4;

/// Reads an integer whose prefix is the low `bits` of the first byte of `input`; moves `input` on.
#[inline]
pub(crate) fn read(input: &mut &[u8], bits: u32) -> Result<usize, Broken> {
    let Some((first, rest)) = input.split_first() else { return Err(SHORT) };
    *input = rest;
    let mask = (1_usize << bits) - 1;
    let value = usize::from(*first) & mask;
    if value < mask { Ok(value) } else { read_on(input, mask) }
}

fn read_on(input: &mut &[u8], mut value: usize) -> Result<usize, Broken> {
    for index in 0..CONTINUATION_BYTES_MAX {
        let Some((byte, rest)) = input.split_first() else { return Err(SHORT) };
        *input = rest;
        value += usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Broken::Invalid("an hpack integer is too large"))
}

/// Writes an integer behind the bits of `pattern` that its prefix leaves free.
pub(crate) fn write(out: &mut Vec<u8>, pattern: u8, bits: u32, value: usize) {
    let mask = (1_usize << bits) - 1;
    if value < mask {
        out.push(pattern | value as u8);
        return;
    }
    out.push(pattern | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out.push(rest as u8);
}

const SHORT: Broken = Broken::Invalid("a field block ends in the middle of a field");
