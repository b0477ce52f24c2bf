//! What a token is checked against.

use std::net::{IpAddr, Ipv4Addr};

use tidegate_http::{FieldList, Fields};

/// The parts of a request that tokens speak about.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Whether the client spoke TLS.
    pub https: bool,
    /// Host in lower case, without port.
    pub host: &'a str,
    /// Port, when it is not the scheme's own.
    pub port: Option<u16>,
    /// Method as sent.
    pub method: &'a str,
    /// Normalised path.
    pub path: &'a str,
    /// Path as received, which some signers sign; only compared with, never passed on.
    pub path_sent: &'a str,
    /// Query without the question mark, as sent.
    pub query: Option<&'a str>,
    /// The client's address, after the trusted proxies were taken off.
    pub client: IpAddr,
    /// The client's country (ISO 3166-1 alpha-2, upper case), when it is known.
    pub country: Option<&'a str>,
    /// The request's fields.
    pub fields: &'a dyn Fields,
    /// Whether the grant is asked for claims; otherwise those of the token are not kept.
    pub wants_claims: bool,
}

/// Now, and how far the clocks of signers may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Seconds since the Unix epoch.
    pub now_s: u64,
    /// Allowed difference in both directions, seconds.
    pub skew_s: u64,
}

impl Request<'_> {
    /// Scheme, host and, unless it is the scheme's own, port: `https://example.com`.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        match self.port {
            Some(port) if port != self.default_port() => format!("{scheme}://{}:{port}", self.host),
            _ => format!("{scheme}://{}", self.host),
        }
    }

    fn default_port(&self) -> u16 {
        if self.https { 443 } else { 80 }
    }
}

impl Request<'static> {
    /// What fuzzed claims are held against.
    pub(crate) fn fuzzed() -> Self {
        static NONE: FieldList = FieldList::new();
        Self {
            https: true,
            host: "h.example",
            port: None,
            method: "GET",
            path: "/a/b.ts",
            path_sent: "/a/b.ts",
            query: None,
            client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            country: Some("DE"),
            fields: &NONE,
            wants_claims: true,
        }
    }
}

impl Clock {
    /// Whether a token that ends at `expires_s` is over. A token is good through the second before.
    pub fn is_past(self, expires_s: u64) -> bool {
        self.now_s >= expires_s.saturating_add(self.skew_s)
    }

    /// Whether a token that begins at `starts_s` has not begun.
    pub fn is_before(self, starts_s: u64) -> bool {
        self.now_s.saturating_add(self.skew_s) < starts_s
    }
}

/// A time of exactly ten digits (the years 2001 to 2286). Formats that put it right behind a path need
/// the fixed length: else `/a/1` until `1700000000` could pass as `/a/` until `11700000000`.
pub(crate) fn ten_digits(text: &str) -> Option<u64> {
    let plain =
        text.len() == 10 && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}
