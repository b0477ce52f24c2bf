//! Structured field values (RFC 9651): parse and serialise.
//!
//! Parsing is strict, as the standard wants it: a field that is malformed anywhere is ignored as a
//! whole. Several lines of a field are joined with a comma before ([`crate::Fields::joined`]).

mod parse;
mod serialise;

pub use parse::{Malformed, parse_dictionary, parse_item, parse_list};
pub use serialise::{Unserialisable, serialise_dictionary, serialise_item, serialise_list};

/// A bare item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bare {
    /// An integer of at most 15 digits.
    Integer(i64),
    /// A decimal, in thousandths.
    Decimal(i64),
    /// Printable ASCII.
    String(String),
    /// A token.
    Token(String),
    /// A byte sequence.
    Bytes(Vec<u8>),
    /// A boolean.
    Boolean(bool),
    /// Seconds since 1970.
    Date(i64),
    /// Unicode text for people.
    Display(String),
}

/// Parameters in order; a repeated key keeps its place and takes the last value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(pub Vec<(String, Bare)>);

/// A bare item with parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The value.
    pub bare: Bare,
    /// Its parameters.
    pub parameters: Parameters,
}

/// A member of a list or dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// A single item.
    Item(Item),
    /// A parenthesised list of items with parameters of its own.
    Inner(Vec<Item>, Parameters),
}

/// A list.
pub type List = Vec<Member>;

/// A dictionary in order; a repeated key keeps its place and takes the last value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary(pub Vec<(String, Member)>);

impl Bare {
    /// The integer, if it is one.
    pub const fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    /// The boolean, if it is one.
    pub const fn as_boolean(&self) -> Option<bool> {
        if let Self::Boolean(value) = self { Some(*value) } else { None }
    }

    /// The text of a string, token or display string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Token(text) | Self::Display(text) => Some(text),
            _ => None,
        }
    }
}

impl From<Bare> for Item {
    fn from(bare: Bare) -> Self {
        Self { bare, parameters: Parameters::default() }
    }
}

impl From<Bare> for Member {
    fn from(bare: Bare) -> Self {
        Self::Item(bare.into())
    }
}

impl Item {
    /// The item with one parameter more.
    #[must_use]
    pub fn with(mut self, key: &str, value: Bare) -> Self {
        self.parameters.set(key, value);
        self
    }
}

impl Member {
    /// The item, unless it is an inner list.
    pub const fn as_item(&self) -> Option<&Item> {
        if let Self::Item(item) = self { Some(item) } else { None }
    }

    /// The parameters of the item or the inner list.
    pub const fn parameters(&self) -> &Parameters {
        match self {
            Self::Item(item) => &item.parameters,
            Self::Inner(_, parameters) => parameters,
        }
    }
}

impl Parameters {
    /// The value of a parameter.
    pub fn value(&self, key: &str) -> Option<&Bare> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Sets a parameter; a key that is there keeps its place.
    pub fn set(&mut self, key: &str, value: Bare) {
        set(&mut self.0, key, value);
    }
}

impl Dictionary {
    /// The member with this key.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, member)| member)
    }

    /// The item with this key, unless it is an inner list.
    pub fn item(&self, key: &str) -> Option<&Item> {
        self.member(key).and_then(Member::as_item)
    }

    /// Sets a member; a key that is there keeps its place.
    pub fn set(&mut self, key: &str, member: impl Into<Member>) {
        set(&mut self.0, key, member.into());
    }
}

fn set<T>(entries: &mut Vec<(String, T)>, key: &str, value: T) {
    match entries.iter_mut().find(|(name, _)| name == key) {
        Some((_, old)) => *old = value,
        None => entries.push((key.to_owned(), value)),
    }
}

/// RFC 9651 3.1.2: a key begins with a lower-case letter or an asterisk.
const fn begins_key(b: u8) -> bool {
    b.is_ascii_lowercase() || b == b'*'
}

const fn continues_key(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'*')
}

/// RFC 9651 3.3.4.
const fn begins_token(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'*'
}

const fn continues_token(b: u8) -> bool {
    crate::field_list::is_token_byte(b) || matches!(b, b':' | b'/')
}

/// RFC 9651 3.3.1: fifteen digits.
const INTEGER_MAX: i64 = 999_999_999_999_999;

#[cfg(test)]
mod tests;
