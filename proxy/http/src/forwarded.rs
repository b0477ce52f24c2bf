//! What proxies say of the hops before them: `Forwarded` (RFC 7239) and the `X-Forwarded-*` fields.
//!
//! Only syntax: whom to believe is the caller's business.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use crate::{Fields, Scheme, tokens};

/// One hop, as the proxy that received it described it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hop {
    /// Who connected; `None` when that is hidden or cannot be read.
    pub address: Option<IpAddr>,
    /// The port it connected from, where that was said.
    pub port: Option<u16>,
    /// The scheme it used.
    pub scheme: Option<Scheme>,
    /// The host it asked for, as it stood there.
    pub host: Option<String>,
}

/// Hops that are looked at, from the nearest on. A longer list is no honest one.
pub const HOPS_MAX: usize = 32;

/// The hops of `Forwarded`, the nearest last. `None` when a line cannot be read: then nothing of it
/// is to be believed.
pub fn forwarded(fields: &(impl Fields + ?Sized)) -> Option<Vec<Hop>> {
    let Some(value) = fields.joined("forwarded") else { return Some(Vec::new()) };
    let text = std::str::from_utf8(&value).ok()?;
    let elements = split_outside_quotes(text, ',')?;
    let elements = elements.into_iter().filter(|element| !element.trim().is_empty());
    let hops = elements.map(element).collect::<Option<Vec<_>>>()?;
    (hops.len() <= HOPS_MAX).then_some(hops)
}

/// The hops of `X-Forwarded-For`, the nearest last, with what `X-Forwarded-Proto` and
/// `X-Forwarded-Host` say of them: a value for each hop, or one for all.
pub fn x_forwarded(fields: &(impl Fields + ?Sized)) -> Option<Vec<Hop>> {
    let value = fields.joined("x-forwarded-for").unwrap_or_default();
    let mut hops: Vec<Hop> = tokens(&value).take(HOPS_MAX + 1).map(x_hop).collect();
    if hops.len() > HOPS_MAX {
        return None;
    }
    let schemes = fields.joined("x-forwarded-proto").unwrap_or_default();
    let hosts = fields.joined("x-forwarded-host").unwrap_or_default();
    for (at, hop) in hops.iter_mut().enumerate() {
        hop.scheme = nth_or_last(&schemes, at).and_then(scheme);
        hop.host = nth_or_last(&hosts, at).and_then(text);
    }
    Some(hops)
}

/// Appends one element of `Forwarded` to `out`.
pub fn write_hop(address: IpAddr, said: Option<(Scheme, &str)>, out: &mut String) {
    if !out.is_empty() {
        out.push_str(", ");
    }
    // Writing to a String cannot fail.
    let _ = match address {
        IpAddr::V4(v4) => write!(out, "for={v4}"),
        // The brackets and colons are no token (RFC 7239 section 6).
        IpAddr::V6(v6) => write!(out, "for=\"[{v6}]\""),
    };
    if let Some((scheme, host)) = said {
        let _ = write!(out, ";proto={}", scheme.as_str());
        if !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        {
            let _ = write!(out, ";host=\"{host}\"");
        }
    }
}

fn element(text: &str) -> Option<Hop> {
    let mut hop = Hop::default();
    for pair in split_outside_quotes(text, ';')?.into_iter().map(str::trim) {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value)?;
        match name.to_ascii_lowercase().as_str() {
            "for" => (hop.address, hop.port) = node(&value),
            "proto" => hop.scheme = scheme(value.as_bytes()),
            "host" => hop.host = text_of(&value),
            _ => {}
        }
    }
    Some(hop)
}

fn x_hop(entry: &[u8]) -> Hop {
    let (address, port) = std::str::from_utf8(entry).map_or((None, None), node);
    Hop { address, port, ..Hop::default() }
}

/// `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`; not `unknown` nor `_hidden`
/// (RFC 7239 section 6). An IPv4 address mapped into IPv6 is the IPv4 address.
fn node(text: &str) -> (Option<IpAddr>, Option<u16>) {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return (Some(address.to_canonical()), None);
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return (Some(socket.ip().to_canonical()), Some(socket.port()));
    }
    // An obfuscated port may stand behind the address.
    let bare = match text.strip_prefix('[') {
        Some(rest) => {
            rest.split_once(']').and_then(|(v6, _)| v6.parse::<Ipv6Addr>().ok()).map(IpAddr::from)
        }
        None => text.split_once(':').and_then(|(v4, _)| v4.parse().ok()),
    };
    (bare.map(|address| address.to_canonical()), None)
}

fn scheme(word: &[u8]) -> Option<Scheme> {
    Scheme::from_word(word)
}

fn text(value: &[u8]) -> Option<String> {
    std::str::from_utf8(value).ok().and_then(text_of)
}

fn text_of(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn nth_or_last(list: &[u8], at: usize) -> Option<&[u8]> {
    tokens(list).nth(at).or_else(|| tokens(list).last())
}

fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?),
            '"' => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

/// `None` when a quote is left open.
fn split_outside_quotes(text: &str, at: char) -> Option<Vec<&str>> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == at && !quoted => {
                parts.push(&text[from..place]);
                from = place + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    (!quoted).then_some(parts)
}

#[cfg(test)]
mod tests;
