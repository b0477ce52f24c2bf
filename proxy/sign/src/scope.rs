//! What a token is good for: paths and client addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// The paths a token opens, always matched as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// This path alone.
    Path(String),
    /// This path and everything below it, by whole segments: `/show` opens `/show` and `/show/1.ts`,
    /// not `/showcase`.
    Prefix(String),
    /// Paths of this pattern: `*` stands for any run of characters within a segment, `**` for any run,
    /// `?` for one character of a segment.
    Glob(String),
}

/// A range of client addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientPrefix {
    address: IpAddr,
    bits: u8,
}

/// A text is no address or prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("client {0:?} is not an address or prefix such as 192.0.2.0/24 or 2001:db8::/64")]
pub struct PrefixError(String);

impl ClientPrefix {
    /// The range of `bits` leading bits around an address; `None` when it has fewer bits.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let (address, most) = match address.to_canonical() {
            IpAddr::V4(a) => (IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask4(bits))), 32),
            IpAddr::V6(a) => (IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask6(bits))), 128),
        };
        (bits <= most).then_some(Self { address, bits })
    }

    /// The first address of the range.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The number of leading bits that count.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether a client is in the range. An IPv4 client that comes as `::ffff:a.b.c.d` is the same one.
    pub fn contains(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        client.is_ipv4() == self.address.is_ipv4()
            && Self::new(client, self.bits).is_some_and(|range| range.address == self.address)
    }
}

impl FromStr for ClientPrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let wrong = || PrefixError(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let whole = if address.to_canonical().is_ipv4() { 32 } else { 128 };
        Self::new(address, bits.unwrap_or(whole)).ok_or_else(wrong)
    }
}

impl fmt::Display for ClientPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Whether `path` is `prefix` or lies below it.
pub(crate) fn is_below(path: &[u8], prefix: &[u8]) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || prefix.ends_with(b"/") || rest.starts_with(b"/"))
}

/// Whether the whole of `path` has the pattern of [`Scope::Glob`]. Time is at most the product of the
/// two lengths: only the last star of each kind is ever tried again.
pub(crate) fn glob(pattern: &[u8], path: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    let mut double: Option<(usize, usize)> = None;
    loop {
        match pattern.get(p) {
            Some(b'*') if pattern.get(p + 1) == Some(&b'*') => {
                p += 2;
                double = Some((p, t));
                star = None;
                continue;
            }
            Some(b'*') => {
                p += 1;
                star = Some((p, t));
                continue;
            }
            Some(b'?') if path.get(t).is_some_and(|&c| c != b'/') => (p, t) = (p + 1, t + 1),
            Some(c) if path.get(t) == Some(c) && *c != b'?' => (p, t) = (p + 1, t + 1),
            None if t == path.len() => return true,
            _ => match again(path, &mut star, &mut double) {
                Some(at) => (p, t) = at,
                None => return false,
            },
        }
    }
}

/// One more character for the last star, or, when that has met a slash, for the last double star.
fn again(
    path: &[u8],
    star: &mut Option<(usize, usize)>,
    double: &mut Option<(usize, usize)>,
) -> Option<(usize, usize)> {
    if let Some((p, t)) = star.filter(|&(_, t)| path.get(t).is_some_and(|&c| c != b'/')) {
        *star = Some((p, t + 1));
        return *star;
    }
    *star = None;
    let (p, t) = double.filter(|&(_, t)| t < path.len())?;
    *double = Some((p, t + 1));
    *double
}

/// Whether the whole of `text` has the simpler pattern of other vendors: `*` any run, `?` one character.
pub(crate) fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

fn mask4(bits: u8) -> u32 {
    !u32::MAX.checked_shr(bits.into()).unwrap_or(0)
}

fn mask6(bits: u8) -> u128 {
    !u128::MAX.checked_shr(bits.into()).unwrap_or(0)
}
