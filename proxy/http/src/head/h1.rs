use super::{Head, HeadLimits};
use crate::{Refusal, Scheme};

/// Reads the head of an HTTP/1 request from the start of `buf`.
///
/// `Ok(None)` asks for more bytes; the number is how many bytes the head took, with the empty line
/// that ends it.
///
/// # Errors
/// A [`Refusal`] when a rule is broken, also when that shows before the head is complete.
pub fn parse_head<'a>(
    buf: &'a [u8],
    limits: &HeadLimits,
    scheme: Scheme,
) -> Result<Option<(Head<'a>, usize)>, Refusal> {
    let _ = (buf, limits, scheme);
    Err(Refusal::REQUEST_LINE)
}

/// Whether the bytes from `from` on may complete a head; a cheap question to ask before parsing a
/// head again that came in pieces. `from` is how many bytes were there the last time.
pub fn head_may_end(buf: &[u8], from: usize) -> bool {
    let _ = (buf, from);
    true
}
