//! The decoder: field blocks to field lines, with the dynamic table in the same memory.
//!
//! All bytes that are not in the static table lie in one arena, to which decoding only appends: entries
//! of the dynamic table and literals that enter no table alike. A line points into it, so that no
//! line is copied out of the table and an entry evicted within a block stays readable to its end.
//! Between blocks, when the arena has grown, the live entries are moved together.

use std::collections::VecDeque;

use super::{Broken, ENTRY_OVERHEAD_BYTES, Kind, huffman, integer, static_table::STATIC};

/// Dead bytes that the arena may hold before it is compacted.
const ARENA_SLACK_BYTES: usize = 8 * 1024;
/// What a block may be decoded to, as a multiple of what a section may have; beyond it is a bomb.
const WORK_FACTOR: usize = 4;

/// A field line: where its bytes are and what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Name and value, one after the other, as far as they are not static.
    at: u32,
    /// 0 when the name is static.
    name_len: u32,
    value_len: u32,
    /// Index into the static table of the name; 0 for none.
    name_static: u8,
    /// Whether the value is that of the static entry.
    value_static: bool,
    /// Its part in a request.
    pub(crate) kind: Kind,
}

/// What a block came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All lines are there.
    Complete,
    /// The section exceeds the limits: the dynamic table is right, the lines are not all there.
    TooLarge,
}

/// What a field section may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SectionLimits {
    /// Bytes of names and values.
    pub(crate) bytes_max: usize,
    /// Lines.
    pub(crate) lines_max: usize,
}

/// The decoder of one connection.
#[derive(Debug)]
pub(crate) struct Decoder {
    arena: Vec<u8>,
    lines: Vec<Line>,
    /// The dynamic table, oldest first.
    entries: VecDeque<Line>,
    /// Its size as RFC 7541 4.1 counts.
    table_bytes: usize,
    /// The size that the client has chosen.
    table_bytes_max: usize,
    /// The size that it may choose.
    table_bytes_cap: usize,
    /// Whether the next block has to begin with a size update (RFC 7541 4.2).
    update_due: bool,
    limits: SectionLimits,
}

/// A block on its way through.
struct Run {
    bytes: usize,
    too_large: bool,
    /// Bytes written to the arena.
    work: usize,
}

impl Decoder {
    pub(crate) fn new(table_bytes: usize, limits: SectionLimits) -> Self {
        Self {
            arena: Vec::new(),
            lines: Vec::new(),
            entries: VecDeque::new(),
            table_bytes: 0,
            table_bytes_max: super::TABLE_BYTES_DEFAULT,
            table_bytes_cap: table_bytes.max(super::TABLE_BYTES_DEFAULT),
            update_due: false,
            limits,
        }
    }

    /// The client knows how large its table may be: from now on it has to keep to that.
    pub(crate) fn settle(&mut self, table_bytes: usize) {
        self.table_bytes_cap = table_bytes;
        self.update_due = self.table_bytes_max > table_bytes;
    }

    /// The lines of the last block.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// What the lines of the last block point into.
    pub(crate) fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// The size of the dynamic table (RFC 7541 4.1).
    #[cfg(test)]
    pub(crate) const fn table_bytes(&self) -> usize {
        self.table_bytes
    }

    /// Gives back memory that nothing lives in; the lines of the last block are gone.
    pub(crate) fn relax(&mut self) {
        self.lines = Vec::new();
        self.compact();
        self.arena.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let lines = self.lines.capacity() + self.entries.capacity();
        self.arena.capacity() + lines * size_of::<Line>()
    }

    /// Decodes a complete field block; see [`Self::lines`].
    pub(crate) fn decode(&mut self, block: &[u8]) -> Result<Outcome, Broken> {
        self.lines.clear();
        if self.arena.len() > self.table_bytes + ARENA_SLACK_BYTES {
            self.compact();
        }
        let mut run = Run { bytes: 0, too_large: false, work: 0 };
        let mut input = block;
        self.size_updates(&mut input)?;
        while let Some(&first) = input.first() {
            let line = match first {
                0x80.. => {
                    let index = integer::read(&mut input, 7)?;
                    self.indexed(index)?
                }
                0x40.. => {
                    let line = self.literal(&mut input, 6)?;
                    self.insert(line);
                    line
                }
                0x20.. => {
                    return Err(Broken::Invalid("a table size update comes after a field"));
                }
                _ => self.literal(&mut input, 4)?,
            };
            self.take(&mut run, line, first)?;
        }
        Ok(if run.too_large { Outcome::TooLarge } else { Outcome::Complete })
    }

    /// RFC 7541 4.2: at the beginning of a block, within what the settings allow.
    #[inline]
    fn size_updates(&mut self, input: &mut &[u8]) -> Result<(), Broken> {
        while let Some(0x20..=0x3f) = input.first() {
            let size = integer::read(input, 5)?;
            if size > self.table_bytes_cap {
                return Err(Broken::Invalid("a table size update exceeds the setting"));
            }
            self.table_bytes_max = size;
            self.update_due = false;
            self.evict(0);
        }
        if self.update_due {
            return Err(Broken::Invalid("a smaller table was not acknowledged by a size update"));
        }
        Ok(())
    }

    #[inline]
    fn take(&mut self, run: &mut Run, line: Line, first: u8) -> Result<(), Broken> {
        run.bytes += line.bytes();
        run.too_large |=
            run.bytes > self.limits.bytes_max || self.lines.len() >= self.limits.lines_max;
        if first < 0x80 {
            run.work += (line.name_len + line.value_len) as usize;
            if run.work > WORK_FACTOR * self.limits.bytes_max {
                return Err(Broken::Bomb);
            }
        }
        if !run.too_large {
            self.lines.push(line);
        }
        Ok(())
    }

    #[inline]
    fn indexed(&self, index: usize) -> Result<Line, Broken> {
        match index {
            0 => Err(Broken::Invalid("index 0 in a field block")),
            1..=61 => Ok(Line {
                at: 0,
                name_len: 0,
                value_len: 0,
                name_static: index as u8,
                value_static: true,
                kind: Kind::of_static(index),
            }),
            _ => self.entry(index),
        }
    }

    #[inline]
    fn entry(&self, index: usize) -> Result<Line, Broken> {
        let newest_first = index - STATIC.len();
        let at = self.entries.len().checked_sub(newest_first);
        at.and_then(|at| self.entries.get(at).copied())
            .ok_or(Broken::Invalid("a field block names an entry that the table does not have"))
    }

    /// A literal field line, whose index has a prefix of `bits` (RFC 7541 6.2).
    fn literal(&mut self, input: &mut &[u8], bits: u32) -> Result<Line, Broken> {
        let index = integer::read(input, bits)?;
        let at = self.arena.len();
        let (name_static, named) = match index {
            0 => {
                self.string(input)?;
                (0, Kind::of_name(&self.arena[at..]))
            }
            1..=61 => (index as u8, Kind::of_static(index)),
            _ => self.copy_name(index)?,
        };
        let name_len = self.arena.len() - at;
        self.string(input)?;
        let value = &self.arena[at + name_len..];
        Ok(Line {
            at: at as u32,
            name_len: name_len as u32,
            value_len: value.len() as u32,
            name_static,
            value_static: false,
            kind: named.with_value(value),
        })
    }

    /// The name of an entry of the dynamic table for a new line.
    fn copy_name(&mut self, index: usize) -> Result<(u8, Kind), Broken> {
        let entry = self.entry(index)?;
        if entry.name_static > 0 {
            return Ok((entry.name_static, Kind::of_static(usize::from(entry.name_static))));
        }
        let (from, to) = (self.arena.len(), entry.at as usize);
        self.arena.extend_from_within(to..to + entry.name_len as usize);
        Ok((0, Kind::of_name(&self.arena[from..])))
    }

    /// A string literal (RFC 7541 5.2), appended to the arena.
    #[inline]
    fn string(&mut self, input: &mut &[u8]) -> Result<(), Broken> {
        let huffman = input.first().is_some_and(|first| first & 0x80 != 0);
        let length = integer::read(input, 7)?;
        let Some((text, rest)) = input.split_at_checked(length) else {
            return Err(Broken::Invalid("a string is longer than its field block"));
        };
        *input = rest;
        if huffman {
            huffman::decode(text, &mut self.arena)
        } else {
            self.arena.extend_from_slice(text);
            Ok(())
        }
    }

    fn insert(&mut self, line: Line) {
        let size = line.table_bytes();
        self.evict(size);
        // An entry larger than the table empties it, which is no error (RFC 7541 4.4).
        if size <= self.table_bytes_max {
            self.table_bytes += size;
            self.entries.push_back(line);
        }
    }

    /// Makes room for `wanted` bytes.
    fn evict(&mut self, wanted: usize) {
        while self.table_bytes + wanted > self.table_bytes_max {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.table_bytes -= oldest.table_bytes();
        }
    }

    /// Moves the bytes of the live entries together; they lie in the arena in the order of the
    /// table.
    fn compact(&mut self) {
        let mut end = 0;
        for entry in &mut self.entries {
            let from = entry.at as usize;
            let length = (entry.name_len + entry.value_len) as usize;
            self.arena.copy_within(from..from + length, end);
            entry.at = end as u32;
            end += length;
        }
        self.arena.truncate(end);
    }
}

impl Line {
    #[inline]
    pub(crate) fn name<'a>(&self, arena: &'a [u8]) -> &'a [u8] {
        match self.name_static {
            0 => &arena[self.at as usize..][..self.name_len as usize],
            index => STATIC[usize::from(index) - 1].0,
        }
    }

    #[inline]
    pub(crate) fn value<'a>(&self, arena: &'a [u8]) -> &'a [u8] {
        if self.value_static {
            return STATIC[usize::from(self.name_static) - 1].1;
        }
        &arena[(self.at + self.name_len) as usize..][..self.value_len as usize]
    }

    /// Bytes of name and value.
    #[inline]
    fn bytes(&self) -> usize {
        let (name, value) = match self.name_static {
            0 => return (self.name_len + self.value_len) as usize,
            index => STATIC[usize::from(index) - 1],
        };
        name.len() + if self.value_static { value.len() } else { self.value_len as usize }
    }

    fn table_bytes(&self) -> usize {
        self.bytes() + ENTRY_OVERHEAD_BYTES
    }
}
