//! Which country an address is in, from a file that the operator brings.
//!
//! One line a range: `first,last,CC`, IPv4 and IPv6, as the freely available country tables come.
//! A file that ends in `.mmdb` is a country or city database of that format.
//! Quotes around the values are taken off, more columns are passed over, lines that begin with `#` too.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Weak,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use maxminddb::{MaxMindDbError, PathElement, WithinOptions};

use crate::Edge;

/// How often the file is looked at.
const FILE_POLL_MS: u64 = 2_000;
/// Most networks of a database; the largest there are have some six millions.
const NETWORKS_MAX: usize = 16 << 20;

/// Ranges of addresses with their countries, in order; those of the file as it was when it last was whole.
#[derive(Default)]
pub(crate) struct Countries {
    file: Option<PathBuf>,
    ranges: ArcSwap<Vec<Range>>,
}

/// All pairs of capital letters, so that a code outlives the file it was read from.
static CODES: [u8; 26 * 26 * 2] = {
    let mut codes = [0; 26 * 26 * 2];
    let mut at = 0;
    while at < 26 * 26 {
        codes[at * 2] = b'A' + (at / 26) as u8;
        codes[at * 2 + 1] = b'A' + (at % 26) as u8;
        at += 1;
    }
    codes
};

/// Where the databases keep the code of a network's country.
const PLACES: [&[PathElement<'static>]; 4] = [
    &[PathElement::Key("country"), PathElement::Key("iso_code")],
    &[PathElement::Key("registered_country"), PathElement::Key("iso_code")],
    &[PathElement::Key("country_code")],
    &[PathElement::Key("country")],
];

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
        let ranges = ArcSwap::from_pointee(read(path)?);
        Ok(Self { file: Some(path.to_owned()), ranges })
    }

    /// The country of an address.
    pub(crate) fn of(&self, address: IpAddr) -> Option<&'static str> {
        // Without a file, which is most nodes, this costs a request nothing.
        self.file.as_ref()?;
        let ranges = self.ranges.load();
        let address = bits(address);
        let at = ranges.partition_point(|range| range.first <= address).checked_sub(1)?;
        let range = &ranges[at];
        if address <= range.last { code(range.country) } else { None }
    }
}

/// A country's two capital letters; `None` for anything else.
fn code([first, second]: [u8; 2]) -> Option<&'static str> {
    let place = |letter: u8| letter.is_ascii_uppercase().then(|| usize::from(letter - b'A'));
    let at = (place(first)? * 26 + place(second)?) * 2;
    std::str::from_utf8(CODES.get(at..at + 2)?).ok()
}

/// Takes the file over again when it changes. A file that is missing or not whole changes nothing but the log.
pub(crate) async fn follow(edge: Weak<Edge>) {
    let Some(path) = edge.upgrade().and_then(|edge| edge.node.countries.file.clone()) else {
        return;
    };
    let mut seen = stamp(&path);
    while let Some(edge) = edge.upgrade() {
        let now = stamp(&path);
        if now != seen {
            seen = now;
            let file = path.clone();
            let ranges = tokio::task::spawn_blocking(move || read(&file)).await;
            match ranges.map_err(io::Error::other).flatten() {
                Ok(ranges) => {
                    tracing::info!(file = %path.display(), ranges = ranges.len(), "countries read again");
                    edge.node.countries.ranges.store(ranges.into());
                }
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "countries stay as they were");
                }
            }
        }
        drop(edge);
        tokio::time::sleep(Duration::from_millis(FILE_POLL_MS)).await;
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> io::Result<Vec<Range>> {
    match path.extension().is_some_and(|extension| extension == "mmdb") {
        // The reader of these databases takes for granted that one is whole.
        true => std::panic::catch_unwind(|| read_mmdb(std::fs::read(path)?)).unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::InvalidData, "no whole database"))
        }),
        false => read_csv(&std::fs::read_to_string(path)?),
    }
}

/// Country and city databases name the country of each network; all of them are taken over at once.
fn read_mmdb(bytes: Vec<u8>) -> io::Result<Vec<Range>> {
    let wrong = |error: MaxMindDbError| io::Error::new(io::ErrorKind::InvalidData, error);
    let reader = maxminddb::Reader::from_source(bytes).map_err(wrong)?;
    let mut ranges: Vec<Range> = Vec::new();
    for (count, found) in reader.networks(WithinOptions::default()).map_err(wrong)?.enumerate() {
        // A broken tree may lead back into itself.
        if count > NETWORKS_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too many networks"));
        }
        let found = found.map_err(wrong)?;
        // MaxMind's and DB-IP's databases, then those of others.
        let code = PLACES.iter().find_map(|place| found.decode_path::<String>(place).ok()?);
        let code = code.and_then(|code| <[u8; 2]>::try_from(code.into_bytes()).ok());
        let Some(country) = code.filter(|code| code.is_ascii()) else { continue };
        let country = country.map(|b| b.to_ascii_uppercase());
        let network = found.network().map_err(wrong)?;
        let (first, last) = (mapped(network.network()), mapped(network.broadcast()));
        match ranges.last_mut() {
            // Neighbours of one country become one range.
            Some(before)
                if before.country == country && before.last.checked_add(1) == Some(first) =>
            {
                before.last = last;
            }
            _ => ranges.push(Range { first, last, country }),
        }
    }
    ranges.sort_unstable_by_key(|range| range.first);
    Ok(ranges)
}

fn read_csv(text: &str) -> io::Result<Vec<Range>> {
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
    Ok(ranges)
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
    use super::*;

    impl Countries {
        fn read(text: &str) -> io::Result<Self> {
            let ranges = ArcSwap::from_pointee(read_csv(text)?);
            Ok(Self { file: Some(PathBuf::new()), ranges })
        }
    }

    /// Made by `testdata/countries.py`.
    #[test]
    fn a_database_is_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let countries = Countries::load(&folder.join("countries.mmdb")).unwrap();
        let of = |address: &str| countries.of(address.parse().unwrap()).map(|code| code.to_owned());
        assert_eq!(of("192.0.2.77").as_deref(), Some("DE"));
        assert_eq!(of("::ffff:192.0.2.77").as_deref(), Some("DE"));
        assert_eq!(of("192.0.3.0").as_deref(), Some("DE"), "neighbours");
        assert_eq!(of("198.51.100.1").as_deref(), Some("FR"));
        assert_eq!(of("198.51.101.1"), None);
        assert_eq!(of("203.0.113.9").as_deref(), Some("US"), "registered only");
        assert_eq!(of("2001:db8:1::9").as_deref(), Some("JP"));
        assert_eq!(of("2001:db9::"), None);
    }

    #[test]
    fn a_broken_database_is_an_error() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let whole = std::fs::read(folder.join("countries.mmdb")).unwrap();
        let file = tempfile::TempDir::new().unwrap().path().with_extension("mmdb");
        let read = |bytes: &[u8]| {
            std::fs::write(&file, bytes).unwrap();
            Countries::load(&file)
        };
        assert!(read(&whole).is_ok());
        assert!(read(b"no database").is_err());
        assert!(read(&whole[..whole.len() / 2]).is_err());
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn ranges_have_ends() {
        let text =
            "# a comment\n\"10.0.0.0\",\"10.0.0.255\",\"de\",more\n2001:db8::,2001:db8::ffff,FR\n";
        let countries = Countries::read(text).unwrap();
        let of = |address: &str| countries.of(address.parse().unwrap()).map(|code| code.to_owned());
        assert_eq!(of("10.0.0.0").as_deref(), Some("DE"));
        assert_eq!(of("::ffff:10.0.0.255").as_deref(), Some("DE"));
        assert_eq!(of("10.0.1.0"), None);
        assert_eq!(of("9.255.255.255"), None);
        assert_eq!(of("2001:db8::5").as_deref(), Some("FR"));
        assert!(Countries::read("10.0.0.1,DE").is_err());
        assert!(Countries::read("10.0.0.2,10.0.0.1,DE").is_err());
    }
}
