//! JA4: what a client's first message looks like, whatever order its parts came in.

use std::fmt;

use ring::digest::{SHA256, digest};

use crate::hello::{Hello, is_grease};

/// Extensions that say whom the client talks to, not what it is.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// Bytes of a fingerprint: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
const FINGERPRINT_BYTES: usize = 36;

/// A JA4 fingerprint of a client.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; FINGERPRINT_BYTES]);

// === impl Fingerprint ===

impl Fingerprint {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// The fingerprint of nothing that could be read.
    pub(crate) fn unknown() -> Self {
        Self::of(&Hello::default())
    }

    pub(crate) fn of(hello: &Hello) -> Self {
        let ciphers = plain(&hello.ciphers);
        let extensions = plain(&hello.extensions);
        let name = if extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
        let (first, last) = alpn_ends(hello.alpn.as_deref());
        let counts = (ciphers.len().min(99), extensions.len().min(99));
        let version = version(hello.version);
        let shape = format!("t{version}{name}{:02}{:02}{first}{last}", counts.0, counts.1);
        let ciphers = hash(&listed(sorted(ciphers)));
        let told = extensions.into_iter().filter(|kind| !matches!(*kind, SERVER_NAME | ALPN));
        let mut extensions = listed(sorted(told.collect()));
        let signatures = listed(plain(&hello.signatures));
        if !signatures.is_empty() {
            extensions = format!("{extensions}_{signatures}");
        }
        let text = format!("{shape}_{ciphers}_{}", hash(&extensions));
        let mut bytes = [b'0'; FINGERPRINT_BYTES];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Self(bytes)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn plain(values: &[u16]) -> Vec<u16> {
    values.iter().copied().filter(|value| !is_grease(*value)).collect()
}

fn sorted(mut values: Vec<u16>) -> Vec<u16> {
    values.sort_unstable();
    values
}

fn listed(values: Vec<u16>) -> String {
    let words: Vec<String> = values.into_iter().map(|value| format!("{value:04x}")).collect();
    words.join(",")
}

/// The first twelve digits of the SHA-256.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn version(version: u16) -> &'static str {
    match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        _ => "00",
    }
}

/// First and last character of the protocol liked best, of its hexadecimal form where they are no
/// letters or digits.
fn alpn_ends(alpn: Option<&[u8]>) -> (char, char) {
    let Some((Some(first), Some(last))) = alpn.map(|alpn| (alpn.first(), alpn.last())) else {
        return ('0', '0');
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return (char::from(*first), char::from(*last));
    }
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    (digit(first >> 4), digit(last & 15))
}
