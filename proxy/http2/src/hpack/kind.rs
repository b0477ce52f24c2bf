//! What a field line is to HTTP/2, found out once when it enters the dynamic table.

use super::static_table::STATIC;

/// The part that a field line plays in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Regular,
    ContentLength,
    Te,
    Priority,
    /// `connection` and its like, which HTTP/2 forbids (RFC 9113 8.2.2).
    ConnectionSpecific,
    Method,
    Scheme,
    Authority,
    Path,
    /// RFC 8441 4.
    Protocol,
    /// Begins with a colon and is none of the above (RFC 9113 8.3).
    PseudoUnknown,
    /// A name with a capital letter or a forbidden byte (RFC 9113 8.2.1).
    NameInvalid,
    /// A value with a forbidden byte, or white space around it (RFC 9113 8.2.1).
    ValueInvalid,
}

impl Kind {
    /// Whether it is a pseudo-header field.
    pub(crate) const fn is_pseudo(self) -> bool {
        matches!(
            self,
            Self::Method
                | Self::Scheme
                | Self::Authority
                | Self::Path
                | Self::Protocol
                | Self::PseudoUnknown
        )
    }

    /// The kind of a literal name.
    pub(crate) fn of_name(name: &[u8]) -> Self {
        match name {
            b"te" => Self::Te,
            b"priority" => Self::Priority,
            b"content-length" => Self::ContentLength,
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
            | b"upgrade" => Self::ConnectionSpecific,
            [b':', ..] => Self::of_pseudo(name),
            [] => Self::NameInvalid,
            _ if name.iter().all(|&byte| is_name_byte(byte)) => Self::Regular,
            _ => Self::NameInvalid,
        }
    }

    fn of_pseudo(name: &[u8]) -> Self {
        match name {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            b":protocol" => Self::Protocol,
            _ => Self::PseudoUnknown,
        }
    }

    /// The kind of an entry of the static table, by its index.
    #[inline]
    pub(crate) const fn of_static(index: usize) -> Self {
        match index {
            1 => Self::Authority,
            2 | 3 => Self::Method,
            4 | 5 => Self::Path,
            6 | 7 => Self::Scheme,
            8..=14 => Self::PseudoUnknown,
            28 => Self::ContentLength,
            57 => Self::ConnectionSpecific,
            _ => Self::Regular,
        }
    }

    /// This kind of name with a value.
    #[inline]
    pub(crate) fn with_value(self, value: &[u8]) -> Self {
        if self != Self::NameInvalid && !is_value(value) { Self::ValueInvalid } else { self }
    }
}

const _: () = assert!(STATIC.len() == 61);

const fn is_name_byte(byte: u8) -> bool {
    NAME_BYTES[byte as usize]
}

/// A token (RFC 9110 5.6.2) without capital letters.
static NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] = true;
        i += 1;
    }
    table
};

/// No control byte but a tab inside, no white space around.
#[inline]
pub(crate) fn is_value(value: &[u8]) -> bool {
    let edge = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let bad = value.iter().fold(false, |bad, &b| bad | ((b < b' ') & (b != b'\t')) | (b == 0x7f));
    !bad && !edge(value.first()) && !edge(value.last())
}
