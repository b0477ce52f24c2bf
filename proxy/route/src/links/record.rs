//! A link that answers by itself.

use std::fmt;
use std::sync::Arc;

/// Bytes before the texts.
const HEADER_BYTES: usize = 24;

/// What a record is made from.
#[derive(Clone, Copy, Debug)]
pub struct RecordParts<'a> {
    /// Its domain, at most 65,535 bytes.
    pub domain: &'a str,
    /// Its code, at most 65,535 bytes.
    pub code: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// The `Location`.
    pub location: &'a str,
    /// Header lines ready for the wire, or whatever else the owner prepares.
    pub prepared: &'a [u8],
    /// Until when it holds, in microseconds; `u64::MAX` when it does not end.
    pub expires_us: u64,
    /// For the owner.
    pub flags: u32,
}

/// A link that answers by itself, prepared for the wire. Cheap to clone.
///
/// All of it is one allocation: among a million links each piece kept apart would be one more wait for
/// memory on every answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Record(Arc<[u8]>);

impl Record {
    /// Puts a record together; `None` when domain or code is too long.
    pub fn new(parts: &RecordParts<'_>) -> Option<Self> {
        let RecordParts { domain, code, status, location, prepared, expires_us, flags } = *parts;
        let domain_len = u16::try_from(domain.len()).ok()?;
        let code_len = u16::try_from(code.len()).ok()?;
        let location_len = u32::try_from(location.len()).ok()?;
        let texts = domain.len() + code.len() + location.len() + prepared.len();
        let mut bytes = Vec::with_capacity(HEADER_BYTES + texts);
        bytes.extend_from_slice(&expires_us.to_ne_bytes());
        bytes.extend_from_slice(&location_len.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        for number in [status, domain_len, code_len, 0] {
            bytes.extend_from_slice(&number.to_ne_bytes());
        }
        bytes.extend_from_slice(domain.as_bytes());
        bytes.extend_from_slice(code.as_bytes());
        bytes.extend_from_slice(location.as_bytes());
        bytes.extend_from_slice(prepared);
        Some(Self(bytes.into()))
    }

    /// Its domain.
    pub fn domain(&self) -> &str {
        self.text(0, self.domain_len())
    }

    /// Its code.
    pub fn code(&self) -> &str {
        self.text(self.domain_len(), self.code_len())
    }

    /// Status of the answer.
    pub fn status(&self) -> u16 {
        self.number(16)
    }

    /// The `Location`.
    pub fn location(&self) -> &str {
        self.text(self.domain_len() + self.code_len(), self.location_len())
    }

    /// What the owner prepared.
    pub fn prepared(&self) -> &[u8] {
        &self.0[HEADER_BYTES + self.domain_len() + self.code_len() + self.location_len()..]
    }

    /// Until when it holds, in microseconds; `u64::MAX` when it does not end.
    pub fn expires_us(&self) -> u64 {
        u64::from_ne_bytes(self.array(0))
    }

    /// For the owner.
    pub fn flags(&self) -> u32 {
        u32::from_ne_bytes(self.array(12))
    }

    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_of(&self, domain: &str, code: &str) -> bool {
        let (domain_len, code_len) = (self.domain_len(), self.code_len());
        self.piece(domain_len, code_len) == code.as_bytes()
            && self.piece(0, domain_len) == domain.as_bytes()
    }

    fn domain_len(&self) -> usize {
        self.number(18).into()
    }

    fn code_len(&self) -> usize {
        self.number(20).into()
    }

    fn location_len(&self) -> usize {
        u32::from_ne_bytes(self.array(8)) as usize
    }

    fn text(&self, start: usize, len: usize) -> &str {
        // The pieces were texts when they were put together.
        std::str::from_utf8(self.piece(start, len)).unwrap_or_default()
    }

    fn piece(&self, start: usize, len: usize) -> &[u8] {
        let start = HEADER_BYTES + start;
        &self.0[start..start + len]
    }

    fn number(&self, at: usize) -> u16 {
        u16::from_ne_bytes(self.array(at))
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.0[at..at + N]);
        bytes
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("domain", &self.domain())
            .field("code", &self.code())
            .field("status", &self.status())
            .field("location", &self.location())
            .field("expires_us", &self.expires_us())
            .field("flags", &self.flags())
            .finish_non_exhaustive()
    }
}
