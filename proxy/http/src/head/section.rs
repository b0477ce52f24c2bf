//! The field lines of a head: positions in borrowed bytes, with an index of well-known names.

use smallvec::SmallVec;

use crate::{Field, Known, Refusal, known::KNOWN_COUNT};

/// Lines kept without an allocation. A browser sends about twenty.
const LINES_INLINE: usize = 24;

const _: () = assert!(KNOWN_COUNT <= u64::BITS as usize, "one bit for each well-known name");

pub(super) struct Section<'a> {
    bytes: &'a [u8],
    lines: SmallVec<[Line; LINES_INLINE]>,
    /// For each well-known name 1 + the index of its first line, 0 when absent.
    first: [u8; KNOWN_COUNT],
    /// A bit for each well-known name that stands on several lines.
    repeated: u64,
}

/// Where a field line lies in the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) name: u16,
    pub(super) name_len: u16,
    pub(super) value: u16,
    pub(super) value_len: u16,
}

impl<'a> Section<'a> {
    /// No lines yet. Positions given later lie in `bytes`, of which there are at most 65,535.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, lines: SmallVec::new(), first: [0; KNOWN_COUNT], repeated: 0 }
    }

    /// Appends a line. The caller bounds the number of lines to 128.
    ///
    /// Of Host, Content-Length and Transfer-Encoding there may be one only (RFC 9112 3.2, 6.3):
    /// which of several another recipient believes cannot be known.
    #[inline]
    pub(super) fn push(&mut self, line: Line) -> Result<(), Refusal> {
        self.lines.push(line);
        let Some(known) = Known::lookup(line.name(self.bytes)) else { return Ok(()) };
        let first = &mut self.first[known as usize];
        if *first == 0 {
            *first = self.lines.len() as u8;
            return Ok(());
        }
        self.repeated |= 1 << known as u64;
        match known {
            Known::Host => Err(Refusal::HOST_REPEATED),
            Known::ContentLength => Err(Refusal::LENGTH_REPEATED),
            Known::TransferEncoding => Err(Refusal::ENCODING_REPEATED),
            _ => Ok(()),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    #[cfg(test)]
    pub(super) fn is_spilled(&self) -> bool {
        self.lines.spilled()
    }

    pub(super) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(super) fn field(&self, name: Known) -> Option<&'a [u8]> {
        let index = usize::from(self.first[name as usize]).wrapping_sub(1);
        self.lines.get(index).map(|line| line.value(self.bytes))
    }

    /// Whether the name stands on more than one line.
    #[inline]
    pub(super) const fn repeats(&self, name: Known) -> bool {
        self.repeated >> name as u64 & 1 == 1
    }

    /// Every value of a well-known name, in order.
    pub(super) fn values(&self, name: Known) -> impl Iterator<Item = &'a [u8]> {
        let rest = if self.repeats(name) { self.lines.len() } else { 0 };
        let from = usize::from(self.first[name as usize]);
        let later = self.lines.get(from..rest).unwrap_or_default().iter();
        let later = later.map(|line| line.of(self.bytes));
        let later = later.filter(move |f| Known::lookup(f.name) == Some(name)).map(|f| f.value);
        self.field(name).into_iter().chain(later)
    }

    #[inline]
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Field<'a>> + ExactSizeIterator {
        self.lines.iter().map(|line| line.of(self.bytes))
    }
}

impl Line {
    #[inline]
    fn of(self, bytes: &[u8]) -> Field<'_> {
        Field { name: self.name(bytes), value: self.value(bytes) }
    }

    #[inline]
    fn name(self, bytes: &[u8]) -> &[u8] {
        &bytes[usize::from(self.name)..][..usize::from(self.name_len)]
    }

    #[inline]
    fn value(self, bytes: &[u8]) -> &[u8] {
        &bytes[usize::from(self.value)..][..usize::from(self.value_len)]
    }
}
