//! Which autonomous system an address is announced by, from a file that the operator brings.
//!
//! One line a range: `first,last,number`, more columns are passed over, as the freely available tables
//! come (`AS` before the number does not count). A file that ends in `.mmdb` is an ASN database of that
//! format.

use std::{io, net::IpAddr, path::Path, sync::Arc};

use maxminddb::{MaxMindDbError, PathElement, WithinOptions};

use crate::countries::{Countries, bits, mapped};

/// What a node knows of where addresses are.
#[derive(Clone, Default)]
pub(crate) struct Places {
    countries: Arc<Countries>,
    systems: Arc<Systems>,
}

/// Ranges of addresses with the numbers of their systems, in order.
#[derive(Default)]
pub(crate) struct Systems(Vec<(u128, u128, u32)>);

// === impl Places ===

impl Places {
    pub(crate) fn new(countries: Arc<Countries>, systems: Arc<Systems>) -> Self {
        Self { countries, systems }
    }

    /// The country of an address, two capital letters.
    pub(crate) fn country(&self, address: IpAddr) -> Option<&str> {
        self.countries.of(address)
    }

    /// The number of the system that announces an address.
    pub(crate) fn system(&self, address: IpAddr) -> Option<u32> {
        self.systems.of(address)
    }
}

// === impl Systems ===

impl Systems {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not of the form.
    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        let mut ranges = match path.extension().is_some_and(|extension| extension == "mmdb") {
            true => read_mmdb(std::fs::read(path)?)?,
            false => read(&std::fs::read_to_string(path)?)?,
        };
        ranges.sort_unstable();
        Ok(Self(ranges))
    }

    fn of(&self, address: IpAddr) -> Option<u32> {
        if self.0.is_empty() {
            return None;
        }
        let address = bits(address);
        let at = self.0.partition_point(|range| range.0 <= address).checked_sub(1)?;
        let (_, last, number) = self.0[at];
        (address <= last).then_some(number)
    }
}

fn read(text: &str) -> io::Result<Vec<(u128, u128, u32)>> {
    let lines = (1..).zip(text.lines());
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let read = lines.map(|(number, line)| {
        let message = format!("line {number}: not of the form first,last,number");
        range(line).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, message))
    });
    read.collect()
}

fn range(line: &str) -> Option<(u128, u128, u32)> {
    let mut columns = line.split(',').map(|column| column.trim().trim_matches('"'));
    let mut address = || columns.next()?.parse().ok().map(bits);
    let (first, last) = (address()?, address()?);
    let number = columns.next()?.trim_start_matches("AS").parse().ok()?;
    (first <= last).then_some((first, last, number))
}

fn read_mmdb(bytes: Vec<u8>) -> io::Result<Vec<(u128, u128, u32)>> {
    let wrong = |error: MaxMindDbError| io::Error::new(io::ErrorKind::InvalidData, error);
    let reader = maxminddb::Reader::from_source(bytes).map_err(wrong)?;
    let path = [PathElement::Key("autonomous_system_number")];
    let mut ranges = Vec::new();
    for found in reader.networks(WithinOptions::default()).map_err(wrong)? {
        let found = found.map_err(wrong)?;
        let Some(number) = found.decode_path(&path).map_err(wrong)? else { continue };
        let network = found.network().map_err(wrong)?;
        ranges.push((mapped(network.network()), mapped(network.broadcast()), number));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::{Systems, read};

    #[test]
    fn ranges_have_ends() {
        let text = "# a comment\n192.0.2.0,192.0.2.255,64500,Example\n\"2001:db8::\",\"2001:db8::ff\",\"AS64501\"\n";
        let systems = Systems(read(text).unwrap());
        let of = |address: &str| systems.of(address.parse().unwrap());
        assert_eq!((of("192.0.2.0"), of("::ffff:192.0.2.255")), (Some(64_500), Some(64_500)));
        assert_eq!(
            (of("192.0.3.0"), of("192.0.1.255"), of("2001:db8::7")),
            (None, None, Some(64_501))
        );
        assert!(read("192.0.2.0,64500").is_err() && read("192.0.2.9,192.0.2.1,64500").is_err());
    }
}
