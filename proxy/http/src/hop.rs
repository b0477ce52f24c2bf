//! Fields that are meant for one connection only (RFC 9110 7.6.1).

use crate::{FieldList, Fields};

/// Hop-by-hop whether or not Connection names them. Trailer and TE are handled by whoever carries
/// the body; Proxy-Authenticate and Proxy-Authorization belong to the nearest proxy (RFC 9110 11.7).
const ALWAYS: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "proxy-authenticate",
    "proxy-authorization",
];

/// Whether the field `name` must not be forwarded, given the value of Connection (empty when there
/// is none).
pub fn is_hop_by_hop(name: &[u8], connection: &[u8]) -> bool {
    ALWAYS.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes()))
        || tokens(connection).any(|word| word.eq_ignore_ascii_case(name))
}

/// Removes every hop-by-hop field, those named by Connection too.
pub fn strip_hop_by_hop(fields: &mut FieldList) {
    let connection = fields.joined("connection").unwrap_or_default().into_owned();
    fields.retain(|field| !is_hop_by_hop(field.name, &connection));
}

/// The members of a comma-separated list, without whitespace, empty ones left out
/// (RFC 9110 5.6.1).
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests;
