//! Trace context (W3C Trace Context, level 1).

use crate::{Fields, Known};

/// Whose request this is a part of: `traceparent` without its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Identifies the whole trace, never 0.
    pub trace: u128,
    /// Identifies the step that sent the request, never 0.
    pub span: u64,
    /// Flags; bit 0 tells that the sender records.
    pub flags: u8,
}

impl TraceParent {
    /// Bytes of the written form.
    pub const BYTES: usize = 55;

    /// The trace a request belongs to. `None` when it names none, several, or a malformed one: then
    /// a new trace begins, and `tracestate` is to be dropped (section 3.3).
    pub fn of(fields: &(impl Fields + ?Sized)) -> Option<Self> {
        let name = Known::Traceparent.as_str();
        let value = fields.first(name)?;
        (fields.count(name) == 1).then(|| Self::parse(value)).flatten()
    }

    /// Reads the value of `traceparent` (section 3.2.2). Later versions may say more behind it.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, more) = value.split_at_checked(Self::BYTES)?;
        let mut parts = known.split(|&b| b == b'-');
        let mut part = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            hex(part)
        };
        let version = part(2)?;
        let parent = Self { trace: part(32)?, span: part(16)? as u64, flags: part(2)? as u8 };
        let at_end = more.is_empty() || version > 0 && more[0] == b'-';
        let valid = version != 0xff && parent.trace != 0 && parent.span != 0;
        (at_end && valid).then_some(parent)
    }

    /// The value of `traceparent`, version 00.
    pub fn text(&self) -> String {
        // Only the flag that version 00 defines is passed on.
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags & 1)
    }
}

/// Lower-case hexadecimal digits, which is all that the format allows.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests;
