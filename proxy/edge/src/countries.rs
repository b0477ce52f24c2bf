//! Which country an address is in, from a file that the operator brings.
//!
//! One line a range: `first,last,CC`, IPv4 and IPv6, as the freely available country tables come.
//! Quotes around the values are taken off, more columns are passed over, lines that begin with `#` too.

use std::{io, net::IpAddr, path::Path};

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

/// IPv4 within IPv6, so that one order holds all (RFC 4291 section 2.5.5.2).
fn bits(address: IpAddr) -> u128 {
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
