//! The PROXY protocol, versions 1 and 2: what a load balancer says about the client before the
//! client's own bytes.
//!
//! The specification is HAProxy's `doc/proxy-protocol.txt`; sections are quoted from there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1, with its CRLF (section 2.1).
const V1_BYTES_MAX: usize = 107;
/// The longest header of version 2 that is taken: addresses of the largest family and plenty of
/// extensions.
const V2_BYTES_MAX: usize = 4096;
/// The bytes that version 2 begins with (section 2.2).
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD_BYTES: usize = 16;
/// The bytes that version 1 begins with.
const V1_SIGNATURE: &[u8; 6] = b"PROXY ";
/// Addresses and ports of TCP over IPv4, over IPv6, and the paths of two Unix sockets.
const V4_BYTES: usize = 12;
const V6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;

/// The longest header of all: whoever reads one needs no more room.
pub const HEADER_BYTES_MAX: usize = V2_BYTES_MAX;

/// What some bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// More are needed to know.
    Partial,
    /// With no PROXY protocol header.
    Absent,
    /// With something that wants to be one.
    Invalid(&'static str),
    /// With a header.
    Complete(Header),
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its bytes; what follows is the client's.
    pub length: usize,
    /// Where the client's connection came from and went to. `None` where the sender speaks for
    /// itself (health checks), or says nothing that could be used: then the connection's own
    /// addresses hold.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
}

/// Reads the header that `bytes` begin with.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let begins = |signature: &[u8]| {
        let length = signature.len().min(bytes.len());
        bytes[..length] == signature[..length]
    };
    if begins(V2_SIGNATURE) {
        return if bytes.len() < V2_HEAD_BYTES { Parsed::Partial } else { version_2(bytes) };
    }
    if begins(V1_SIGNATURE) {
        return if bytes.len() < V1_SIGNATURE.len() { Parsed::Partial } else { version_1(bytes) };
    }
    Parsed::Absent
}

/// Section 2.1: one line of text.
fn version_1(bytes: &[u8]) -> Parsed {
    let window = &bytes[..bytes.len().min(V1_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() == V1_BYTES_MAX {
            Parsed::Invalid("the line does not end within 107 bytes")
        } else {
            Parsed::Partial
        };
    };
    let length = end + 1;
    let Some(line) = window[V1_SIGNATURE.len()..end].strip_suffix(b"\r") else {
        return Parsed::Invalid("the line does not end in CRLF");
    };
    let Ok(line) = std::str::from_utf8(line) else { return Parsed::Invalid("not text") };
    // "the receiver must ignore anything presented before the CRLF"
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Parsed::Complete(Header { length, addresses: None });
    }
    match v1_addresses(line) {
        Some(addresses) => Parsed::Complete(Header { length, addresses: Some(addresses) }),
        None => Parsed::Invalid("the line is not: PROXY TCP4|TCP6 SOURCE DESTINATION PORT PORT"),
    }
}

fn v1_addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = line.split(' ');
    let family = words.next()?;
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = (address()?, address()?);
    let (from, to) = (v1_port(words.next()?)?, v1_port(words.next()?)?);
    let over = words.next().is_some();
    (!over).then_some((SocketAddr::new(source, from), SocketAddr::new(destination, to)))
}

/// Digits alone, and no zero before others: one way to write each port.
fn v1_port(word: &str) -> Option<u16> {
    let plain =
        word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    if plain { word.parse().ok() } else { None }
}

/// Section 2.2: a head of 16 bytes, addresses, extensions. The extensions are not looked at.
fn version_2(bytes: &[u8]) -> Parsed {
    let (version, command) = (bytes[12] >> 4, bytes[12] & 15);
    let (family, transport) = (bytes[13] >> 4, bytes[13] & 15);
    let length = V2_HEAD_BYTES + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if version != 2 {
        return Parsed::Invalid("the version is not 2");
    }
    if command > 1 {
        return Parsed::Invalid("the command is neither LOCAL nor PROXY");
    }
    if length > V2_BYTES_MAX {
        return Parsed::Invalid("the header is longer than 4096 bytes");
    }
    let least = match family {
        0 => 0,
        1 => V4_BYTES,
        2 => V6_BYTES,
        3 => UNIX_BYTES,
        _ => return Parsed::Invalid("an unknown address family"),
    };
    if transport > 2 {
        return Parsed::Invalid("an unknown transport");
    }
    // A sender that speaks for itself may leave the addresses out, whatever family it names.
    if command == 1 && length < V2_HEAD_BYTES + least {
        return Parsed::Invalid("the header is shorter than its addresses");
    }
    let Some(rest) = bytes.get(V2_HEAD_BYTES..length) else { return Parsed::Partial };
    let stream = command == 1 && transport == 1;
    let addresses = stream.then(|| v2_addresses(family, rest)).flatten();
    Parsed::Complete(Header { length, addresses })
}

fn v2_addresses(family: u8, bytes: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let port = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let v4 = |at: usize| {
        let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    let v6 = |at: usize| {
        let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::from(octets))
    };
    let (source, destination, from, to) = match family {
        1 => (v4(0)?, v4(4)?, port(8)?, port(10)?),
        2 => (v6(0)?, v6(16)?, port(32)?, port(34)?),
        // Paths of Unix sockets are no addresses of clients.
        _ => return None,
    };
    Some((SocketAddr::new(source, from), SocketAddr::new(destination, to)))
}

#[cfg(test)]
mod tests;
