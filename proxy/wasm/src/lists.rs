//! Lists that the host loaded for plugins: texts, addresses and networks.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use hashbrown::{HashMap, HashSet};

/// Lists by name.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    inside: RwLock<HashMap<Vec<u8>, Arc<List>>>,
}

/// One list; whoever reads sees it whole, before or after a replacement.
#[derive(Debug, Default)]
pub(crate) struct List {
    texts: HashSet<Box<[u8]>>,
    /// Networks by length, as the address with its host bits cleared; IPv4 within ::ffff:0:0/96.
    networks: HashMap<u8, HashSet<u128>>,
}

impl List {
    /// Reads entries: an address or network (`192.0.2.0/24`) by its meaning, anything else as text.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Self {
        let mut list = Self::default();
        for entry in entries.into_iter().map(str::trim).filter(|entry| !entry.is_empty()) {
            match network(entry) {
                Some((bits, length)) => {
                    list.networks.entry(length).or_default().insert(bits);
                }
                None => {
                    list.texts.insert(entry.as_bytes().into());
                }
            }
        }
        list
    }

    fn holds(&self, value: &[u8]) -> bool {
        if self.texts.contains(value) {
            return true;
        }
        let address = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        let Some(bits) = address.map(bits) else { return false };
        self.networks.iter().any(|(length, set)| set.contains(&masked(bits, *length)))
    }
}

impl Lists {
    pub(crate) fn set(&self, name: &str, list: List) {
        let mut inside = self.inside.write().unwrap_or_else(PoisonError::into_inner);
        inside.insert(name.as_bytes().to_vec(), Arc::new(list));
    }

    pub(crate) fn holds(&self, name: &[u8], value: &[u8]) -> bool {
        let list = self.inside.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        list.is_some_and(|list| list.holds(value))
    }
}

fn network(entry: &str) -> Option<(u128, u8)> {
    let (address, length) = match entry.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (entry, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (most, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    let length = length.unwrap_or(most);
    if length > most {
        return None;
    }
    Some((masked(bits(address), length + before), length + before))
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(bits: u128, length: u8) -> u128 {
    match length {
        0 => 0,
        length => bits & (u128::MAX << (128 - u32::from(length))),
    }
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn addresses_match_by_their_networks() {
        let list =
            List::new(["192.0.2.0/24", "2001:db8::/32", "203.0.113.7", "word", "", "10.0.0.0/40"]);
        for inside in ["192.0.2.77", "::ffff:192.0.2.1", "2001:db8:1::1", "203.0.113.7", "word"] {
            assert!(list.holds(inside.as_bytes()), "{inside}");
        }
        for outside in ["192.0.3.1", "2001:db9::1", "203.0.113.8", "words", "", "10.0.0.1"] {
            assert!(!list.holds(outside.as_bytes()), "{outside}");
        }
    }

    #[test]
    fn the_widest_network_holds_everything_of_its_family() {
        let list = List::new(["0.0.0.0/0"]);
        assert!(list.holds(b"198.51.100.1"));
        assert!(!list.holds(b"2001:db8::1"));
    }
}
