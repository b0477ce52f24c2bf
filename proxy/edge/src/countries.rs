//! Which country an address is in, from a file that the operator brings.
//!
//! One line a range: `first,last,CC`, IPv4 and IPv6, as the freely available country tables come.
//! A file that ends in `.mmdb` is a country or city database of that format.
//! Quotes around the values are taken off, more columns are passed over, lines that begin with `#` too.

use std::{io, net::IpAddr, path::Path};

use maxminddb::{MaxMindDbError, PathElement, WithinOptions};

/// Ranges of addresses with their countries, in order.
#[derive(Default)]
pub(crate) struct Countries {
    ranges: Vec<Range>,
}

struct Range {
    first: u128,
    last: u128,
    country: [u8; 2],
}

// === impl Countries ===

impl Countries {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not of the form.
    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        if path.extension().is_some_and(|extension| extension == "mmdb") {
            return Self::read_mmdb(std::fs::read(path)?);
        }
        Self::read(&std::fs::read_to_string(path)?)
    }

    /// The country of an address, two capital letters.
    pub(crate) fn of(&self, address: IpAddr) -> Option<&str> {
        if self.ranges.is_empty() {
            return None;
        }
        let address = bits(address);
        let at = self.ranges.partition_point(|range| range.first <= address).checked_sub(1)?;
        let range = &self.ranges[at];
        let country = std::str::from_utf8(&range.country).ok()?;
        (address <= range.last).then_some(country)
    }

    /// Country and city databases name the country of each network; all of them are taken over at once.
    fn read_mmdb(bytes: Vec<u8>) -> io::Result<Self> {
        let wrong = |error: MaxMindDbError| io::Error::new(io::ErrorKind::InvalidData, error);
        let reader = maxminddb::Reader::from_source(bytes).map_err(wrong)?;
        let iso_code = [PathElement::Key("country"), PathElement::Key("iso_code")];
        let mut ranges: Vec<Range> = Vec::new();
        for found in reader.networks(WithinOptions::default()).map_err(wrong)? {
            let found = found.map_err(wrong)?;
            let code: Option<String> = found.decode_path(&iso_code).map_err(wrong)?;
            let code = code.and_then(|code| <[u8; 2]>::try_from(code.into_bytes()).ok());
            let Some(country) = code.filter(|code| code.is_ascii()) else { continue };
            let network = found.network().map_err(wrong)?;
            let (first, last) = (mapped(network.network()), mapped(network.broadcast()));
            match ranges.last_mut() {
                // Neighbours of one country become one range.
                Some(before) if before.country == country && before.last + 1 == first => {
                    before.last = last;
                }
                _ => ranges.push(Range { first, last, country }),
            }
        }
        ranges.sort_unstable_by_key(|range| range.first);
        Ok(Self { ranges })
    }

    fn read(text: &str) -> io::Result<Self> {
        let mut ranges = Vec::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || {
                let message = format!("line {}: not of the form first,last,CC", at + 1);
                io::Error::new(io::ErrorKind::InvalidData, message)
            };
            ranges.push(range(line).ok_or_else(wrong)?);
        }
        ranges.sort_unstable_by_key(|range| range.first);
        Ok(Self { ranges })
    }
}

fn range(line: &str) -> Option<Range> {
    let mut columns = line.split(',').map(|column| column.trim().trim_matches('"'));
    let mut address = || columns.next()?.parse().ok().map(bits);
    let (first, last) = (address()?, address()?);
    let country: [u8; 2] = columns.next()?.as_bytes().try_into().ok()?;
    let valid = country.is_ascii() && first <= last;
    valid.then_some(Range { first, last, country: country.map(|b| b.to_ascii_uppercase()) })
}

/// These databases keep IPv4 in the lowest part of IPv6.
pub(crate) fn mapped(address: IpAddr) -> u128 {
    let bits = bits(address);
    if bits >> 32 == 0 { bits | 0xffff << 32 } else { bits }
}

/// IPv4 within IPv6, so that one order holds all (RFC 4291 section 2.5.5.2).
pub(crate) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::Countries;

    #[test]
    fn ranges_have_ends() {
        let text =
            "# a comment\n\"10.0.0.0\",\"10.0.0.255\",\"de\",more\n2001:db8::,2001:db8::ffff,FR\n";
        let countries = Countries::read(text).unwrap();
        let of = |address: &str| countries.of(address.parse().unwrap()).map(str::to_owned);
        assert_eq!(of("10.0.0.0").as_deref(), Some("DE"));
        assert_eq!(of("::ffff:10.0.0.255").as_deref(), Some("DE"));
        assert_eq!(of("10.0.1.0"), None);
        assert_eq!(of("9.255.255.255"), None);
        assert_eq!(of("2001:db8::5").as_deref(), Some("FR"));
        assert!(Countries::read("10.0.0.1,DE").is_err());
        assert!(Countries::read("10.0.0.2,10.0.0.1,DE").is_err());
    }
}
