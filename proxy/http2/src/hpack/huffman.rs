//! The Huffman code of RFC 7541 appendix B.
//!
//! The code is canonical (codes of one length are consecutive, in the order of their symbols), so
//! that the lengths alone define it; every table below is made from them by the compiler.

use super::Broken;

/// Bits looked up at once. Every symbol that is common in a field has a code within them.
const LOOKUP_BITS: u32 = 10;
const LENGTH_MAX: usize = 30;
const EOS: u16 = 256;
const SYMBOLS: usize = 257;

/// Length of the code of each symbol, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// What the canonical code of one length covers.
#[derive(Clone, Copy)]
struct Row {
    first_code: u32,
    count: u32,
    /// Where its symbols begin in [`ORDER`].
    offset: u32,
}

/// Symbols by length of code, then by number.
const ORDER: [u16; SYMBOLS] = {
    let mut order = [0; SYMBOLS];
    let (mut length, mut at) = (1, 0);
    while length <= LENGTH_MAX {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                order[at] = symbol as u16;
                at += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    order
};

const ROWS: [Row; LENGTH_MAX + 1] = {
    let mut rows = [Row { first_code: 0, count: 0, offset: 0 }; LENGTH_MAX + 1];
    let (mut code, mut at, mut length) = (0_u32, 0_u32, 1);
    while length <= LENGTH_MAX {
        code <<= 1;
        let mut count = 0;
        while ((at + count) as usize) < SYMBOLS
            && LENGTHS[ORDER[(at + count) as usize] as usize] as usize == length
        {
            count += 1;
        }
        rows[length] = Row { first_code: code, count, offset: at };
        code += count;
        at += count;
        length += 1;
    }
    rows
};

/// Code of each symbol, right-aligned.
const CODES: [u32; SYMBOLS] = {
    let mut codes = [0; SYMBOLS];
    let mut length = 1;
    while length <= LENGTH_MAX {
        let row = ROWS[length];
        let mut i = 0;
        while i < row.count {
            codes[ORDER[(row.offset + i) as usize] as usize] = row.first_code + i;
            i += 1;
        }
        length += 1;
    }
    codes
};

/// First bits -> length of the code (high byte) and symbol; 0 where the code is longer.
static LOOKUP: [u16; 1 << LOOKUP_BITS] = {
    let mut lookup = [0; 1 << LOOKUP_BITS];
    let mut symbol = 0;
    while symbol < SYMBOLS {
        let length = LENGTHS[symbol] as u32;
        if length <= LOOKUP_BITS {
            let from = CODES[symbol] << (LOOKUP_BITS - length);
            let mut i = 0;
            while i < 1 << (LOOKUP_BITS - length) {
                lookup[(from + i) as usize] = (length as u16) << 8 | symbol as u16;
                i += 1;
            }
        }
        symbol += 1;
    }
    lookup
};

/// Appends what `input` encodes to `out`.
pub(crate) fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    let start = out.len();
    // The shortest code has five bits.
    out.resize(start + input.len() * 8 / 5 + 1, 0);
    let mut reader = Reader { input, bits: 0, count: 0 };
    let mut space = Space { bytes: &mut out[start..], length: 0 };
    let result = reader.run(&mut space).and_then(|()| reader.finish(&mut space));
    let length = space.length;
    out.truncate(start + length);
    result
}

/// Where the symbols go.
struct Space<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl Space<'_> {
    #[inline]
    fn push(&mut self, symbol: u8) {
        self.bytes[self.length] = symbol;
        self.length += 1;
    }
}

struct Reader<'a> {
    input: &'a [u8],
    /// Left-aligned.
    bits: u64,
    count: u32,
}

/// Symbols of common length that 32 bits hold for sure.
const SYMBOLS_A_WORD: usize = (32 / LOOKUP_BITS) as usize;

impl Reader<'_> {
    /// Decodes while whole words are left, several symbols for each look at the input.
    #[inline]
    fn run(&mut self, space: &mut Space<'_>) -> Result<(), Broken> {
        while self.fill() {
            for index in 0..SYMBOLS_A_WORD {
                let entry = LOOKUP[(self.bits >> (64 - LOOKUP_BITS)) as usize];
                let length = u32::from(entry >> 8);
                if length == 0 {
                    // A long code needs all the bits there may be.
                    if index == 0 {
                        space.push(self.long_symbol()?);
                    }
                    break;
                }
                space.push(entry as u8);
                self.bits <<= length;
                self.count -= length;
            }
        }
        Ok(())
    }

    /// Whether 32 bits or more are there; zeros below them.
    #[inline]
    fn fill(&mut self) -> bool {
        if self.count >= 32 {
            return true;
        }
        let Some((word, rest)) = self.input.split_first_chunk::<4>() else { return false };
        self.bits |= u64::from(u32::from_be_bytes(*word)) << (32 - self.count);
        self.count += 32;
        self.input = rest;
        true
    }

    #[cold]
    fn long_symbol(&mut self) -> Result<u8, Broken> {
        let (length, symbol) = self.long().filter(|(_, symbol)| *symbol != EOS).ok_or(HAS_EOS)?;
        self.bits <<= length;
        self.count -= length;
        Ok(symbol as u8)
    }

    /// Decodes the last bits, symbol by symbol, up to the padding.
    fn finish(&mut self, space: &mut Space<'_>) -> Result<(), Broken> {
        loop {
            self.refill();
            match self.symbol()? {
                Some(symbol) => space.push(symbol),
                None => return Ok(()),
            }
        }
    }

    /// Makes whole codes available, as long as there is input, and ones below, as padding would be
    /// (RFC 7541 5.2).
    #[inline]
    fn refill(&mut self) {
        if self.count >= LENGTH_MAX as u32 {
            return;
        }
        self.bits &= !(u64::MAX >> self.count);
        while let [byte, rest @ ..] = self.input {
            self.bits |= u64::from(*byte) << (56 - self.count);
            self.count += 8;
            self.input = rest;
        }
        self.bits |= u64::MAX >> self.count;
    }

    #[inline]
    fn symbol(&mut self) -> Result<Option<u8>, Broken> {
        let entry = LOOKUP[(self.bits >> (64 - LOOKUP_BITS)) as usize];
        let (length, symbol) = match entry {
            0 => match self.long() {
                Some(found) => found,
                None => return self.padding(),
            },
            entry => (u32::from(entry >> 8), entry & 0xff),
        };
        if length > self.count {
            return self.padding();
        }
        if symbol == EOS {
            return Err(HAS_EOS);
        }
        self.bits = self.bits << length | ((1 << length) - 1);
        self.count -= length;
        Ok(Some(symbol as u8))
    }

    #[cold]
    fn long(&self) -> Option<(u32, u16)> {
        (LOOKUP_BITS as usize + 1..=LENGTH_MAX).find_map(|length| {
            let row = ROWS[length];
            let code = (self.bits >> (64 - length)) as u32;
            let index = code.checked_sub(row.first_code).filter(|index| *index < row.count)?;
            Some((length as u32, ORDER[(row.offset + index) as usize]))
        })
    }

    /// Less than a code is left: it must be the beginning of EOS, shorter than a byte.
    fn padding(&self) -> Result<Option<u8>, Broken> {
        if self.count < 8 && self.bits == u64::MAX {
            Ok(None)
        } else {
            Err(Broken::Invalid("a huffman code has bad padding"))
        }
    }
}

const HAS_EOS: Broken = Broken::Invalid("a huffman code contains EOS");

/// Bytes of `text` in this code.
pub(crate) fn encoded_len(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|&byte| usize::from(LENGTHS[usize::from(byte)])).sum();
    bits.div_ceil(8)
}

/// Appends `text` in this code.
pub(crate) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u64, 0);
    for &byte in text {
        let length = u32::from(LENGTHS[usize::from(byte)]);
        bits = bits << length | u64::from(CODES[usize::from(byte)]);
        count += length;
        while count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    if count > 0 {
        out.push((bits << (8 - count)) as u8 | (0xff >> count));
    }
}

/// Length and code of a symbol.
#[cfg(test)]
pub(crate) const fn code(symbol: usize) -> (u32, u32) {
    (LENGTHS[symbol] as u32, CODES[symbol])
}
