//! Structured field values (RFC 9651): parse and serialise.

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

/// Parameters in order; a repeated key keeps its last value.
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

/// A dictionary in order; a repeated key keeps its last value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dictionary(pub Vec<(String, Member)>);

/// Why a value is not a structured field, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a structured field at byte {at}: {what}")]
pub struct Malformed {
    /// Offset in bytes.
    pub at: usize,
    /// What was expected.
    pub what: &'static str,
}

/// Reads an item.
///
/// # Errors
/// [`Malformed`]: the whole field must be ignored.
pub fn parse_item(value: &[u8]) -> Result<Item, Malformed> {
    let _ = value;
    Err(Malformed { at: 0, what: "an item" })
}

/// Reads a list; several lines are joined with a comma before.
///
/// # Errors
/// [`Malformed`]: the whole field must be ignored.
pub fn parse_list(value: &[u8]) -> Result<List, Malformed> {
    let _ = value;
    Err(Malformed { at: 0, what: "a list" })
}

/// Reads a dictionary; several lines are joined with a comma before.
///
/// # Errors
/// [`Malformed`]: the whole field must be ignored.
pub fn parse_dictionary(value: &[u8]) -> Result<Dictionary, Malformed> {
    let _ = value;
    Err(Malformed { at: 0, what: "a dictionary" })
}
