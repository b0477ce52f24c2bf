//! The authority of a request: host and port.

use std::borrow::Cow;

use crate::{Refusal, Scheme};

/// A validated host in lower case and the port, when it is not the default of the scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: Cow<'a, str>,
    /// Absent when not named or the default.
    pub port: Option<u16>,
}

/// Reads `host[:port]` (RFC 9110 7.2) and brings it to its normal form.
///
/// # Errors
/// [`Refusal::HOST_INVALID`].
pub fn parse_authority(bytes: &[u8], scheme: Scheme) -> Result<Authority<'_>, Refusal> {
    let _ = (bytes, scheme);
    Err(Refusal::HOST_INVALID)
}
