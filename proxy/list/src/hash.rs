//! Hashes of one length.

/// Bytes of a hash or of its beginning.
const BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// Hashes of one length in order, one behind the other.
#[derive(Debug)]
pub(crate) struct Hashes {
    length: usize,
    bytes: Box<[u8]>,
}

/// Hashes while they are read.
#[derive(Default)]
pub(crate) struct Collected {
    length: usize,
    bytes: Vec<u8>,
}

impl Collected {
    pub(crate) fn add(&mut self, entry: &str) -> Result<(), String> {
        let (low, high) = (BYTES.start() * 2, BYTES.end() * 2);
        let length = entry.len() / 2;
        if !entry.len().is_multiple_of(2) || !BYTES.contains(&length) {
            return Err(format!("{entry:?}: a hash has {low} to {high} hex digits, two a byte"));
        }
        if self.length != 0 && self.length != length {
            let wanted = self.length * 2;
            return Err(format!("{entry:?}: the hashes before it have {wanted} hex digits"));
        }
        self.length = length;
        let before = self.bytes.len();
        self.bytes.extend(digits(entry.as_bytes()));
        if self.bytes.len() - before != length {
            return Err(format!("{entry:?} is not hex"));
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Hashes {
        if self.length == 0 {
            return Hashes { length: 0, bytes: Box::default() };
        }
        let mut hashes: Vec<&[u8]> = self.bytes.chunks_exact(self.length).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Hashes { length: self.length, bytes: hashes.concat().into_boxed_slice() }
    }
}

impl Hashes {
    pub(crate) fn holds(&self, value: &[u8]) -> bool {
        if self.length == 0 {
            return false;
        }
        if value.len() == self.length * 2 {
            let bytes: Vec<u8> = digits(value).collect();
            return bytes.len() == self.length && self.has(&bytes);
        }
        value.len() == self.length && self.has(value)
    }

    fn has(&self, wanted: &[u8]) -> bool {
        let (mut low, mut high) = (0, self.bytes.len() / self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = middle * self.length;
            match self.bytes[at..at + self.length].cmp(wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return true,
            }
        }
        false
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// The bytes of hex digits, up to the first pair that is none.
fn digits(text: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.chunks_exact(2).map_while(move |pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
}
