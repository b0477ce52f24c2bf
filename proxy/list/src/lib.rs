//! Lists that are asked whether they hold a value: addresses and networks, hashes, texts.
//!
//! A list is built once, from entries as people write them, and never changed; whoever wants other entries builds another
//! and puts it in its place. It is not a cache and knows no time: what expires is replaced.
//!
//! Networks become ranges in order, hashes of one length one sorted run of bytes: a question is a
//! binary search, and memory is what the entries themselves need.
//!
//! **Invariant:** an entry that cannot be read is an error with its place, never a list that holds less than was written.
//!
//! Entry: [`List::new`], [`List::read`], [`List::holds`].

mod address;
mod hash;

use hashbrown::HashSet;

use address::Ranges;
use hash::Hashes;

/// Entries of one list at most.
pub const ENTRIES_MAX: usize = 10_000_000;
/// Bytes of one text at most.
const TEXT_BYTES_MAX: usize = 1_024;
/// What begins a comment in a file.
const COMMENT: char = '#';

/// What the entries of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Addresses and networks: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`. An IPv4 address mapped
    /// into IPv6 is the IPv4 address (RFC 4291 section 2.5.5.2).
    Address,
    /// Hashes, or parts of them, in hex: all of one length, 8 to 64 bytes. Asked in hex or as bytes.
    Hash,
    /// Texts, compared byte by byte.
    Text,
}

/// A list, ready to be asked.
#[derive(Debug)]
pub struct List {
    kind: Kind,
    entries: usize,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Address(Ranges),
    Hash(Hashes),
    Text(HashSet<Box<str>>),
}

/// An entry that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    /// Its place: from 0 among entries, from 1 among lines.
    pub place: usize,
    /// What is wrong with it.
    pub message: String,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Hash => "hash",
            Self::Text => "text",
        }
    }
}

impl List {
    /// Builds a list; surrounding space of an entry does not count.
    ///
    /// # Errors
    /// The first entry that is none of this kind, or the first of too many.
    pub fn new<'a>(kind: Kind, entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Wrong> {
        Self::build(kind, entries.into_iter().enumerate())
    }

    /// Builds a list from a file: one entry a line; empty lines and what follows `#` do not count.
    ///
    /// # Errors
    /// The first line that is none of this kind, or the first of too many.
    pub fn read(kind: Kind, text: &str) -> Result<Self, Wrong> {
        Self::build(kind, lines(text))
    }

    /// Builds a list from entries and a file together.
    ///
    /// # Errors
    /// The first entry or line that cannot be used; `true` beside it for a line.
    pub fn both<'a>(
        kind: Kind,
        entries: impl IntoIterator<Item = &'a str>,
        text: &'a str,
    ) -> Result<Self, (bool, Wrong)> {
        let mut parts = Parts::new(kind);
        for (place, entry) in entries.into_iter().enumerate() {
            parts.add(place, entry).map_err(|wrong| (false, wrong))?;
        }
        for (place, line) in lines(text) {
            parts.add(place, line).map_err(|wrong| (true, wrong))?;
        }
        Ok(parts.finish())
    }

    fn build<'a>(
        kind: Kind,
        entries: impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<Self, Wrong> {
        let mut parts = Parts::new(kind);
        for (place, entry) in entries {
            parts.add(place, entry)?;
        }
        Ok(parts.finish())
    }

    /// The kind that fits all entries: networks, else texts.
    pub fn guess<'a>(entries: impl IntoIterator<Item = &'a str>) -> Kind {
        let mut entries = entries.into_iter();
        match entries.all(|entry| address::network(entry.trim()).is_ok()) {
            true => Kind::Address,
            false => Kind::Text,
        }
    }

    /// Whether the list holds a value: an address by its text, a hash by its hex or its bytes, a text.
    #[must_use]
    pub fn holds(&self, value: &[u8]) -> bool {
        match &self.content {
            Content::Address(ranges) => ranges.holds(value),
            Content::Hash(hashes) => hashes.holds(value),
            Content::Text(texts) => {
                std::str::from_utf8(value).is_ok_and(|value| texts.contains(value))
            }
        }
    }

    /// What its entries are.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Entries as written, repetitions among them.
    #[must_use]
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// Bytes that the content takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.content {
            Content::Address(ranges) => ranges.bytes(),
            Content::Hash(hashes) => hashes.bytes(),
            Content::Text(texts) => {
                texts.capacity() * (size_of::<Box<str>>() + 1)
                    + texts.iter().map(|text| text.len()).sum::<usize>()
            }
        }
    }
}

/// A list while it is read.
struct Parts {
    kind: Kind,
    entries: usize,
    ranges: Vec<(u128, u128)>,
    hashes: hash::Collected,
    texts: HashSet<Box<str>>,
}

impl Parts {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            entries: 0,
            ranges: Vec::new(),
            hashes: hash::Collected::default(),
            texts: HashSet::new(),
        }
    }

    fn add(&mut self, place: usize, entry: &str) -> Result<(), Wrong> {
        let wrong = |message: String| Wrong { place, message };
        let entry = entry.trim();
        if self.entries == ENTRIES_MAX {
            return Err(wrong(format!("a list has at most {ENTRIES_MAX} entries")));
        }
        self.entries += 1;
        match self.kind {
            Kind::Address => self.ranges.push(address::network(entry).map_err(wrong)?),
            Kind::Hash => self.hashes.add(entry).map_err(wrong)?,
            Kind::Text if entry.is_empty() || entry.len() > TEXT_BYTES_MAX => {
                return Err(wrong(format!("a text has 1 to {TEXT_BYTES_MAX} bytes")));
            }
            Kind::Text => drop(self.texts.insert(entry.into())),
        }
        Ok(())
    }

    fn finish(self) -> List {
        let content = match self.kind {
            Kind::Address => Content::Address(Ranges::new(self.ranges)),
            Kind::Hash => Content::Hash(self.hashes.finish()),
            Kind::Text => Content::Text(self.texts),
        };
        List { kind: self.kind, entries: self.entries, content }
    }
}

/// The lines that hold something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, content(line)))
        .filter(|(_, line)| !line.is_empty())
}

/// A line without its comment, which stands alone or behind a space: texts may have the sign inside.
fn content(line: &str) -> &str {
    let begins = |at: &usize| *at == 0 || line[..*at].ends_with([' ', '\t']);
    let comment = line.match_indices(COMMENT).map(|(at, _)| at).find(begins);
    line[..comment.unwrap_or(line.len())].trim()
}

#[cfg(test)]
mod tests;
