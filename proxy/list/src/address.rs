//! Addresses and networks as ranges.

use std::net::IpAddr;

/// IPv4 addresses lie behind this many bits of their mapped form (RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

/// First and last addresses in order; no two touch.
#[derive(Debug)]
pub(crate) struct Ranges(Box<[(u128, u128)]>);

impl Ranges {
    pub(crate) fn new(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Self(merged.into_boxed_slice())
    }

    pub(crate) fn holds(&self, value: &[u8]) -> bool {
        let address = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        let Some(address) = address.map(|address| bits(address).0) else { return false };
        let after = self.0.partition_point(|range| range.0 <= address);
        after > 0 && address <= self.0[after - 1].1
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// The first and the last address of a network, IPv4 within IPv6.
pub(crate) fn network(entry: &str) -> Result<(u128, u128), String> {
    let wrong = || format!("{entry:?} is no address and no network such as 192.0.2.0/24");
    let (address, length) = match entry.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (entry, None),
    };
    let (address, v4) = bits(address.parse().map_err(|_| wrong())?);
    let before = if v4 { MAPPED_BITS } else { 0 };
    let length = match length {
        None => 128,
        Some(length) => {
            let length: u8 = length.parse().map_err(|_| wrong())?;
            if length > 128 - before {
                let most = 128 - before;
                return Err(format!("{entry:?}: a network of this family has at most {most} bits"));
            }
            length + before
        }
    };
    let rest = u128::MAX.checked_shr(length.into()).unwrap_or(0);
    if address & rest != 0 {
        // The network meant is another one, or somebody's last digits are wrong.
        return Err(format!("{entry:?} has bits behind the prefix"));
    }
    Ok((address, address | rest))
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().to_bits(), true),
        IpAddr::V6(v6) => (v6.to_bits(), v6.to_ipv4_mapped().is_some()),
    }
}
