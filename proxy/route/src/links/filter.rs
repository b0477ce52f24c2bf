//! A Bloom filter of all codes up to one point of the log, and its form in bytes.

use bloomfilter::Bloom;

use super::hash::Fingerprint;

/// First bytes of the form: name and version. A change of the hash or the layout is a new version.
const MAGIC: [u8; 8] = *b"TGLINKS\x01";
/// Bytes before the filter: magic, generation, sequence, number of codes.
const HEADER_BYTES: usize = 32;
/// Most hash functions of a filter that is taken.
const HASHES_MAX: u32 = 32;
/// Seed of the filter's own hashes; part of the format.
const SEED: [u8; 32] = *b"tidegate links filter, version 1";

/// All codes of a table up to a sequence number; it may hold others by chance, never too few.
#[derive(Clone, Debug)]
pub struct Filter {
    generation: u64,
    seq: u64,
    codes: u64,
    /// Without one (no size makes the library refuse, but it may) every code may exist.
    bloom: Option<Bloom<Fingerprint>>,
}

/// Why bytes are not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterInvalid {
    /// Another format or version.
    #[error("not a link filter of version 1")]
    Magic,
    /// Cut off or damaged.
    #[error("link filter is damaged: {0}")]
    Damaged(&'static str),
}

impl Filter {
    /// An empty filter for about `codes` codes, of which one in `1 / false_share` unknown ones passes by chance.
    ///
    /// `generation` grows with every filter of a table; `seq` is the last change that it will hold.
    pub fn new(generation: u64, seq: u64, codes: usize, false_share: f64) -> Self {
        let share = false_share.clamp(1e-9, 0.5);
        let codes = codes.max(1_000);
        let bytes = Bloom::<Fingerprint>::compute_bitmap_size(codes, share).max(64);
        let bloom = Bloom::new_with_seed(bytes, codes, &SEED).ok();
        Self { generation, seq, codes: 0, bloom }
    }

    /// Adds a code.
    pub fn insert(&mut self, domain: &str, code: &str) {
        self.codes += 1;
        if let Some(bloom) = &mut self.bloom {
            bloom.set(&Fingerprint::of(domain, code));
        }
    }

    /// Whether the code may exist; `false` is certain.
    pub fn may_have(&self, domain: &str, code: &str) -> bool {
        self.has(Fingerprint::of(domain, code))
    }

    /// Its generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The last change it holds.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How many codes were added.
    pub fn codes(&self) -> u64 {
        self.codes
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.bits().len()
    }

    /// The form that is stored and sent; the same on every machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.bytes());
        bytes.extend_from_slice(&MAGIC);
        for number in [self.generation, self.seq, self.codes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(self.bits());
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FilterInvalid> {
        let (header, bits) =
            bytes.split_at_checked(HEADER_BYTES).ok_or(FilterInvalid::Damaged("too short"))?;
        if header[..8] != MAGIC {
            return Err(FilterInvalid::Magic);
        }
        let bloom = Bloom::from_slice(bits).map_err(FilterInvalid::Damaged)?;
        // The library takes these two and would divide by zero, or work for hours, on the first lookup.
        if bloom.len() < 8 {
            return Err(FilterInvalid::Damaged("no bits"));
        }
        if bloom.number_of_hash_functions() > HASHES_MAX {
            return Err(FilterInvalid::Damaged("too many hash functions"));
        }
        let [generation, seq, codes] = [8, 16, 24].map(|at| number_at(header, at));
        Ok(Self { generation, seq, codes, bloom: Some(bloom) })
    }

    /// The same filter under numbers that whoever keeps it gave it.
    #[must_use]
    pub fn numbered(self, generation: u64, seq: u64) -> Self {
        Self { generation, seq, ..self }
    }

    pub(super) fn has(&self, fingerprint: Fingerprint) -> bool {
        self.bloom.as_ref().is_none_or(|bloom| bloom.check(&fingerprint))
    }

    fn bits(&self) -> &[u8] {
        self.bloom.as_ref().map_or(&[], Bloom::as_slice)
    }
}

fn number_at(header: &[u8], at: usize) -> u64 {
    let bytes = header.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}
