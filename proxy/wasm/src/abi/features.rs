//! The packed record of a request: what rules look at, in one call.
//!
//! All numbers are little endian. A fixed part: version (u16, 1), number of texts (u16), field lines
//! (u32), a hash of the names of the fields in their order (u64), the time in milliseconds since 1970
//! (u64). Then the texts, each with its length (u16) in front; an absent one is empty:
//!
//! `:method`, `:path`, `:authority`, `:scheme`, client address, `user-agent`, `accept`,
//! `accept-language`, `accept-encoding`, `referer`, `origin`, `content-type`, `sec-fetch-site`,
//! `sec-fetch-mode`, `sec-fetch-dest`, `cookie`, protocol, JA4, HTTP/2 fingerprint, country, ASN.

use crate::{Exchange, Map, state::State};

const VERSION: u16 = 1;
/// Longest text; the rest is cut.
const TEXT_BYTES_MAX: usize = 8_192;

const FIELDS: [&str; 4] = [":method", ":path", ":authority", ":scheme"];
const MORE_FIELDS: [&str; 11] = [
    "user-agent",
    "accept",
    "accept-language",
    "accept-encoding",
    "referer",
    "origin",
    "content-type",
    "sec-fetch-site",
    "sec-fetch-mode",
    "sec-fetch-dest",
    "cookie",
];
const PROPERTIES: [&str; 5] =
    ["request.protocol", "tls.ja4", "http2.fingerprint", "source.country", "source.asn"];

/// Writes the record into `state.scratch`.
pub(super) fn pack(state: &mut State) {
    let now_ms = state.common.now_ms();
    let mut out = std::mem::take(&mut state.scratch);
    out.clear();
    if let Some(exchange) = state.exchange() {
        write(exchange, now_ms, &mut out);
    }
    state.scratch = out;
}

fn write(exchange: &dyn Exchange, now_ms: u64, out: &mut Vec<u8>) {
    let (mut lines, mut order) = (0_u32, Fnv::default());
    exchange.each_field(Map::RequestHeaders, &mut |name, _| {
        if !name.starts_with(b":") {
            lines += 1;
            order.add(name);
        }
    });
    let texts = FIELDS.len() + 1 + MORE_FIELDS.len() + PROPERTIES.len();
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(texts as u16).to_le_bytes());
    out.extend_from_slice(&lines.to_le_bytes());
    out.extend_from_slice(&order.0.to_le_bytes());
    out.extend_from_slice(&now_ms.to_le_bytes());
    let field = |name, out: &mut Vec<u8>| {
        text(exchange.field(Map::RequestHeaders, name).as_deref().unwrap_or_default(), out);
    };
    FIELDS.iter().for_each(|name| field(name, out));
    property(exchange, "source.address", out);
    MORE_FIELDS.iter().for_each(|name| field(name, out));
    PROPERTIES.iter().for_each(|path| property(exchange, path, out));
}

fn property(exchange: &dyn Exchange, path: &str, out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    if let Some(value) = exchange.property(path) {
        value.write(&mut bytes);
    }
    text(&bytes, out);
}

fn text(bytes: &[u8], out: &mut Vec<u8>) {
    let bytes = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// FNV-1a over names with a separator: the same on every machine and in every version.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, name: &[u8]) {
        for byte in name.iter().chain(b",") {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
