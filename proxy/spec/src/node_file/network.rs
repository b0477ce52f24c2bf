//! Address ranges.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer};

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address with every bit outside the prefix zero; IPv4 as mapped into IPv6.
    bits: u128,
    /// Bits that must agree, of 128.
    prefix: u8,
    v4: bool,
}

/// Text that is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an address or a range such as 10.0.0.0/8 or fd00::/8 without bits after the prefix"
)]
pub struct NetworkInvalid;

/// IPv4 addresses lie behind this many bits of their mapped form (RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

impl Network {
    /// Whether the address lies in it. An IPv4 address mapped into IPv6 is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, v4) = bits(address);
        v4 == self.v4 && masked(bits, self.prefix) == self.bits
    }
}

impl FromStr for Network {
    type Err = NetworkInvalid;

    fn from_str(text: &str) -> Result<Self, NetworkInvalid> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let (bits, v4) = bits(address.parse().map_err(|_| NetworkInvalid)?);
        let offset = if v4 { MAPPED_BITS } else { 0 };
        let prefix = match prefix {
            None => 128,
            Some(prefix) => {
                prefix.parse::<u8>().ok().filter(|p| *p <= 128 - offset).ok_or(NetworkInvalid)?
                    + offset
            }
        };
        // Bits behind the prefix are a mistake: the range meant is another one.
        (masked(bits, prefix) == bits).then_some(Self { bits, prefix, v4 }).ok_or(NetworkInvalid)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = std::net::Ipv6Addr::from(self.bits);
        match address.to_ipv4_mapped() {
            Some(v4) if self.v4 => write!(f, "{v4}/{}", self.prefix - MAPPED_BITS),
            _ => write!(f, "{address}/{}", self.prefix),
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| serde::de::Error::custom(format!("{text:?}: {error}")))
    }
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().into(), true),
        IpAddr::V6(v6) => (v6.into(), v6.to_ipv4_mapped().is_some()),
    }
}

fn masked(bits: u128, prefix: u8) -> u128 {
    bits & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}
