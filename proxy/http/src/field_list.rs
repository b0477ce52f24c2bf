//! An owned header section, kept in wire form: one buffer, so that cloning costs two allocations
//! and writing is one copy.

use std::fmt;

use bytes::BufMut;

use crate::{Field, Fields};

/// An owned, ordered multimap of field lines.
///
/// Whatever goes in, every line that comes out is one line: names are tokens, values hold no
/// control bytes but tabs (RFC 9110 5.5).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FieldList {
    /// `name: value\r\n` for each line, without gaps.
    wire: Vec<u8>,
    lines: Vec<Line>,
}

/// A field line that no message may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldInvalid {
    /// The name is empty or not a token (RFC 9110 5.1).
    #[error("field name is not a token")]
    Name,
    /// The value holds a control byte (RFC 9110 5.5).
    #[error("field value holds a control byte")]
    Value,
}

/// Where a line lies in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    start: u32,
    name_len: u32,
    value_len: u32,
}

impl FieldList {
    /// An empty list.
    pub const fn new() -> Self {
        Self { wire: Vec::new(), lines: Vec::new() }
    }

    /// An empty list with room for `lines` lines of `bytes` bytes in all.
    pub fn with_capacity(lines: usize, bytes: usize) -> Self {
        Self { wire: Vec::with_capacity(bytes), lines: Vec::with_capacity(lines) }
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Field<'_>> + ExactSizeIterator {
        self.lines.iter().map(|line| line.of(&self.wire))
    }

    /// The value of the first line named `name`, in any case.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|f| f.name.eq_ignore_ascii_case(name.as_bytes())).map(|f| f.value)
    }

    /// Like [`FieldList::value`], when the value is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Appends a line. Control bytes in the value become spaces and a name that is no token drops
    /// the line: the treatment RFC 9110 5.5 gives to a recipient that does not reject the message.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        if is_token(name.as_ref()) {
            self.append(name.as_ref(), value.as_ref());
        }
    }

    /// Appends a line that must be right as it stands.
    ///
    /// # Errors
    /// [`FieldInvalid`] when the name is no token or the value would need a change.
    pub fn try_push(
        &mut self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), FieldInvalid> {
        if !is_token(name.as_ref()) {
            return Err(FieldInvalid::Name);
        }
        if value.as_ref().iter().any(|&b| is_control(b)) {
            return Err(FieldInvalid::Value);
        }
        self.append(name.as_ref(), value.as_ref());
        Ok(())
    }

    /// Replaces every line named `name` by one, appended at the end.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.remove(name.as_ref());
        self.push(name, value);
    }

    /// Appends the line only when none with this name is there.
    pub fn set_if_absent(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        if !self.iter().any(|f| f.name.eq_ignore_ascii_case(name.as_ref())) {
            self.push(name, value);
        }
    }

    /// Adds a member to a comma-separated field: `value` joins the last line named `name`, or
    /// becomes a line of its own.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        let Some(last) = self.iter().rposition(|f| f.name.eq_ignore_ascii_case(name)) else {
            return self.push(name, value);
        };
        let field = self.lines[last].of(&self.wire);
        let joined = [field.value, b", ", value.as_ref()].concat();
        let joined = if field.value.is_empty() { value.as_ref().to_vec() } else { joined };
        self.cut(last);
        self.push(name, joined);
    }

    /// Removes every line named `name`; tells how many there were.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> usize {
        self.retain(|field| !field.name.eq_ignore_ascii_case(name.as_ref()))
    }

    /// Keeps the lines for which `keep` is true; tells how many went.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) -> usize {
        let before = self.len();
        let mut index = 0;
        while let Some(line) = self.lines.get(index) {
            if keep(line.of(&self.wire)) {
                index += 1;
            } else {
                self.cut(index);
            }
        }
        before - self.len()
    }

    /// Removes all lines and keeps the memory.
    pub fn clear(&mut self) {
        self.wire.clear();
        self.lines.clear();
    }

    /// All lines as they go on an HTTP/1 connection, without the empty line that ends a head.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Appends all lines as HTTP/1 wants them, without the empty line that ends a head.
    pub fn write_h1(&self, out: &mut impl BufMut) {
        out.put_slice(&self.wire);
    }

    /// Reads back what [`FieldList::wire`] gave, for heads kept on disk.
    ///
    /// Gives `None` unless every byte is part of a line that [`FieldList::try_push`] would take.
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        let mut list = Self::with_capacity(16, wire.len());
        let mut rest = wire;
        while !rest.is_empty() {
            let end = memchr::memmem::find(rest, b"\r\n")?;
            let colon = memchr::memmem::find(&rest[..end], b": ")?;
            list.try_push(&rest[..colon], &rest[colon + 2..end]).ok()?;
            rest = &rest[end + 2..];
        }
        Some(list)
    }

    fn append(&mut self, name: &[u8], value: &[u8]) {
        let value = trim(value);
        self.lines.push(Line {
            start: self.wire.len() as u32,
            name_len: name.len() as u32,
            value_len: value.len() as u32,
        });
        self.wire.extend_from_slice(name);
        self.wire.extend_from_slice(b": ");
        self.wire.extend(value.iter().map(|&b| if is_control(b) { b' ' } else { b }));
        self.wire.extend_from_slice(b"\r\n");
    }

    fn cut(&mut self, index: usize) {
        let line = self.lines.remove(index);
        let (start, len) = (line.start as usize, line.wire_len());
        self.wire.drain(start..start + len);
        for later in &mut self.lines[index..] {
            later.start -= len as u32;
        }
    }
}

impl Fields for FieldList {
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.value(name)
    }

    fn each(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        self.iter().for_each(|field| f(field.name, field.value));
    }

    fn lines(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        let named = self.iter().filter(|f| f.name.eq_ignore_ascii_case(name.as_bytes()));
        named.for_each(|field| f(field.value));
    }
}

impl fmt::Debug for FieldList {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|l| String::from_utf8_lossy(l.name))).finish()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for FieldList {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Self {
        let mut list = Self::new();
        lines.into_iter().for_each(|(name, value)| list.push(name, value));
        list
    }
}

impl Line {
    fn of(self, wire: &[u8]) -> Field<'_> {
        let name_end = (self.start + self.name_len) as usize;
        let value = name_end + 2;
        Field {
            name: &wire[self.start as usize..name_end],
            value: &wire[value..value + self.value_len as usize],
        }
    }

    fn wire_len(self) -> usize {
        (self.name_len + self.value_len) as usize + ": \r\n".len()
    }
}

/// Whether `word` is a token (RFC 9110 5.6.2).
pub(crate) fn is_token(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|&b| is_token_byte(b))
}

pub(crate) const fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// A control byte: some end a line, of the others no recipient knows what to make.
const fn is_control(b: u8) -> bool {
    b.is_ascii_control() && b != b'\t'
}

/// Without whitespace, and without what would become whitespace, at both ends.
fn trim(value: &[u8]) -> &[u8] {
    let solid = |b: &u8| *b != b' ' && !b.is_ascii_control();
    let start = value.iter().position(solid).unwrap_or(value.len());
    let end = value.iter().rposition(solid).map_or(start, |last| last + 1);
    &value[start..end]
}

#[cfg(test)]
mod tests;
