//! What rules look at most, in one call to the host.

use std::net::IpAddr;

use crate::World;

/// Version of the packed record that is understood.
const VERSION: u16 = 1;
/// Texts of that version.
const TEXTS: usize = 21;

/// A request at a glance; absent texts are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Field lines, pseudo fields not among them.
    pub field_lines: u32,
    /// A hash of the names of the fields in their order: the same everywhere and in every version.
    pub field_order: u64,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Host and port, as asked for.
    pub authority: String,
    /// `http` or `https`.
    pub scheme: String,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The field of that name, like the next ones.
    pub user_agent: String,
    /// `accept`
    pub accept: String,
    /// `accept-language`
    pub accept_language: String,
    /// `accept-encoding`
    pub accept_encoding: String,
    /// `referer`
    pub referer: String,
    /// `origin`
    pub origin: String,
    /// `content-type`
    pub content_type: String,
    /// `sec-fetch-site`
    pub sec_fetch_site: String,
    /// `sec-fetch-mode`
    pub sec_fetch_mode: String,
    /// `sec-fetch-dest`
    pub sec_fetch_dest: String,
    /// `cookie`
    pub cookie: String,
    /// `HTTP/1.1` and the like.
    pub protocol: String,
    /// JA4 fingerprint of the TLS client.
    pub ja4: String,
    /// Fingerprint of the HTTP/2 client.
    pub http2: String,
    /// Country of the client, two capital letters.
    pub country: String,
    /// Number of the system that announces the client's address.
    pub asn: Option<u32>,
}

impl Features {
    /// Reads the record of the host; `None` when it is of another version or cut off.
    #[must_use]
    pub fn unpack(record: &[u8]) -> Option<Self> {
        let (head, mut rest) = record.split_at_checked(24)?;
        let number = |from: usize, to: usize| {
            head[from..to].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        if number(0, 2) != u64::from(VERSION) || number(2, 4) < TEXTS as u64 {
            return None;
        }
        let mut text = || {
            let (size, behind) = rest.split_first_chunk::<2>()?;
            let (text, behind) = behind.split_at_checked(u16::from_le_bytes(*size).into())?;
            rest = behind;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        Some(Self {
            field_lines: number(4, 8) as u32,
            field_order: number(8, 16),
            now_ms: number(16, 24),
            method: text()?,
            target: text()?,
            authority: text()?,
            scheme: text()?,
            client: address(&text()?),
            user_agent: text()?,
            accept: text()?,
            accept_language: text()?,
            accept_encoding: text()?,
            referer: text()?,
            origin: text()?,
            content_type: text()?,
            sec_fetch_site: text()?,
            sec_fetch_mode: text()?,
            sec_fetch_dest: text()?,
            cookie: text()?,
            protocol: text()?,
            ja4: text()?,
            http2: text()?,
            country: text()?,
            asn: text()?.parse().ok(),
        })
    }

    /// The same, asked for piece by piece: for hosts without the record, and for tests.
    #[must_use]
    pub fn gather(world: &(impl World + ?Sized)) -> Self {
        let field = |name: &str| world.header(name).unwrap_or_default();
        let property = |path: &str| world.property(path).unwrap_or_default();
        let names = world.headers().into_iter().map(|(name, _)| name);
        let names: Vec<String> = names.filter(|name| !name.starts_with(':')).collect();
        Self {
            field_lines: names.len() as u32,
            field_order: names.iter().fold(FNV_BASIS, |hash, name| order(hash, name)),
            now_ms: world.now_ms(),
            method: field(":method"),
            target: field(":path"),
            authority: field(":authority"),
            scheme: field(":scheme"),
            client: world.client(),
            user_agent: field("user-agent"),
            accept: field("accept"),
            accept_language: field("accept-language"),
            accept_encoding: field("accept-encoding"),
            referer: field("referer"),
            origin: field("origin"),
            content_type: field("content-type"),
            sec_fetch_site: field("sec-fetch-site"),
            sec_fetch_mode: field("sec-fetch-mode"),
            sec_fetch_dest: field("sec-fetch-dest"),
            cookie: field("cookie"),
            protocol: property("request.protocol"),
            ja4: property("tls.ja4"),
            http2: property("http2.fingerprint"),
            country: property("source.country"),
            asn: property("source.asn").parse().ok(),
        }
    }
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a over the names, a comma behind each.
fn order(hash: u64, name: &str) -> u64 {
    let bytes = name.bytes().chain(*b",");
    bytes.fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// `192.0.2.1:4000` or `[2001:db8::1]:4000`.
fn address(text: &str) -> Option<IpAddr> {
    let (address, _) = text.rsplit_once(':')?;
    address.trim_matches(['[', ']']).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Features;
    use crate::{World, fake::FakeWorld};

    fn record(texts: &[&str]) -> Vec<u8> {
        let mut record = Vec::new();
        record.extend(1_u16.to_le_bytes());
        record.extend((texts.len() as u16).to_le_bytes());
        record.extend(3_u32.to_le_bytes());
        record.extend(0x0102_0304_0506_0708_u64.to_le_bytes());
        record.extend(1_800_000_000_000_u64.to_le_bytes());
        for text in texts {
            record.extend((text.len() as u16).to_le_bytes());
            record.extend(text.bytes());
        }
        record
    }

    #[test]
    fn a_record_is_read_and_a_longer_one_of_a_later_host_too() {
        let mut texts = vec![""; 21];
        (texts[0], texts[1], texts[4]) = ("GET", "/a?b", "[2001:db8::1]:4000");
        (texts[5], texts[18], texts[19], texts[20]) =
            ("curl/8", "1:65536|00|0|m,a,s,p", "DE", "64500");
        for more in 0..2 {
            texts.resize(21 + more, "new");
            let features = Features::unpack(&record(&texts)).unwrap();
            assert_eq!((features.field_lines, features.field_order), (3, 0x0102_0304_0506_0708));
            assert_eq!((&*features.method, &*features.target), ("GET", "/a?b"));
            assert_eq!(features.client, "2001:db8::1".parse().ok());
            assert_eq!((&*features.user_agent, &*features.country), ("curl/8", "DE"));
            assert_eq!((features.asn, features.now_ms), (Some(64_500), 1_800_000_000_000));
            assert!(features.http2.ends_with("m,a,s,p") && features.cookie.is_empty());
        }
    }

    #[test]
    fn what_is_cut_off_or_of_another_version_is_none() {
        let whole = record(&[""; 21]);
        assert!((0..whole.len()).all(|end| Features::unpack(&whole[..end]).is_none()));
        let mut other = whole;
        other[0] = 2;
        assert_eq!(Features::unpack(&other), None);
    }

    #[test]
    fn a_world_without_records_gathers_the_same() {
        let mut world =
            FakeWorld::new("GET", "/a").with("user-agent", "curl/8").with("accept", "*/*");
        world.from("192.0.2.7");
        let features = world.features();
        assert_eq!((features.field_lines, &*features.accept), (2, "*/*"));
        assert_eq!(features.client, "192.0.2.7".parse().ok());
        let turned = FakeWorld::new("GET", "/a").with("accept", "*/*").with("user-agent", "curl/8");
        assert_ne!(features.field_order, turned.features().field_order);
    }
}
