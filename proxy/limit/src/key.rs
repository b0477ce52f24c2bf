//! What tells one client from another: the parts of a key, and its hash.

use std::borrow::Cow;
use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;
use std::str::FromStr;

use siphasher::sip::SipHasher13;
use tidegate_http::Fields;

use crate::rule::Missing;

#[cfg(test)]
mod tests;

/// Most parts of one key.
pub const KEY_PARTS_MAX: usize = 8;
/// Address prefix of an IPv6 client when the rule names none: one subscriber usually has a whole /64.
pub const IPV6_PREFIX_DEFAULT: u8 = 64;

/// Keys up to this length are hashed in one pass.
const TEXT_BYTES: usize = 128;

/// The secret of the keyed hash, one per fleet. Without it nobody can choose keys that collide.
#[derive(Clone)]
pub struct Secret([u8; 16]);

/// The hash of a rule's name and a request's key under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub u64);

/// One part of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPart {
    /// The client's address, cut to a prefix length for IPv4 and one for IPv6.
    ClientIp {
        /// Bits kept of an IPv4 address, at most 32.
        v4: u8,
        /// Bits kept of an IPv6 address, at most 128.
        v6: u8,
    },
    /// All lines of a request field, by its lower-case name.
    Header(String),
    /// A cookie, by its exact name.
    Cookie(String),
    /// The first query parameter of this name, both percent-decoded.
    Query(String),
    /// A claim of the verified token; all values of a list.
    Claim(String),
    /// The API key: the field `x-api-key`, or the bearer token of `authorization`.
    ApiKey,
    /// The country of the client's address, two capital letters.
    Country,
    /// The route that the request matched.
    Route,
    /// The host of the request.
    Host,
    /// The method of the request.
    Method,
    /// The path of the request.
    Path,
    /// A fixed word: one bucket for everybody.
    Constant(String),
}

/// The claims of a verified token: given a name and what to call with each of the claim's values, which are
/// several where the claim is a list.
pub type Claims<'a> = dyn Fn(&str, &mut dyn FnMut(&str)) + 'a;

/// Why a part of a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An unknown word.
    #[error(
        "key part {0:?} is not one of client_ip, client_ip/<v4 bits>/<v6 bits>, header:<name>, \
         cookie:<name>, query:<name>, claim:<name>, api_key, country, route, host, method, path, const:<word>"
    )]
    Unknown(String),
    /// A prefix length that no address has.
    #[error("key part {0:?} has a prefix length outside 1-32 (IPv4) or 1-128 (IPv6)")]
    Prefix(String),
    /// A part without its name.
    #[error("key part {0:?} lacks a name after the colon")]
    Nameless(String),
    /// More parts than [`KEY_PARTS_MAX`].
    #[error("a key has at most 8 parts, this one has {0}")]
    TooMany(usize),
}

/// What a key is taken from.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The client's address, after the trusted proxies were taken off.
    pub client: IpAddr,
    /// Host in lower case, without port.
    pub host: &'a str,
    /// Method as sent.
    pub method: &'a str,
    /// Normalised path.
    pub path: &'a str,
    /// Query without the question mark, as sent.
    pub query: Option<&'a str>,
    /// Name of the matched route.
    pub route: &'a str,
    /// The request's fields.
    pub fields: &'a dyn Fields,
    /// Claims of the verified token, by name.
    pub claim: Option<&'a Claims<'a>>,
    /// Country of the client's address, two capital letters, where it is known.
    pub country: Option<&'a str>,
}

impl Secret {
    /// A secret from 16 random bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A hash of some bytes that is the same on every machine.
    pub fn fingerprint(&self, bytes: &[u8]) -> u64 {
        self.hash(bytes)
    }

    pub(crate) fn words(&self) -> [u64; 2] {
        let bits = u128::from_le_bytes(self.0);
        [bits as u64, (bits >> 64) as u64]
    }

    pub(crate) fn of_words(words: [u64; 2]) -> Self {
        Self((u128::from(words[0]) | u128::from(words[1]) << 64).to_le_bytes())
    }

    /// The keyed hash of some bytes, never equal to that of a request's key but by accident.
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write_u32(u32::MAX);
        hasher.write(bytes);
        hasher.finish()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl FromStr for KeyPart {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text {
            "api_key" => return Ok(Self::ApiKey),
            "country" => return Ok(Self::Country),
            "route" => return Ok(Self::Route),
            "host" => return Ok(Self::Host),
            "method" => return Ok(Self::Method),
            "path" => return Ok(Self::Path),
            "const" => return Ok(Self::Constant(String::new())),
            _ => {}
        }
        if let Some(prefix) = text.strip_prefix("client_ip") {
            return client_ip(prefix).ok_or_else(|| KeyError::Prefix(text.to_owned()));
        }
        named(text)
    }
}

impl fmt::Display for KeyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientIp { v4: 32, v6: IPV6_PREFIX_DEFAULT } => f.write_str("client_ip"),
            Self::ClientIp { v4, v6 } => write!(f, "client_ip/{v4}/{v6}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Claim(name) => write!(f, "claim:{name}"),
            Self::ApiKey => f.write_str("api_key"),
            Self::Country => f.write_str("country"),
            Self::Route => f.write_str("route"),
            Self::Host => f.write_str("host"),
            Self::Method => f.write_str("method"),
            Self::Path => f.write_str("path"),
            Self::Constant(word) => write!(f, "const:{word}"),
        }
    }
}

/// Hashes rule name and parts; every piece is preceded by its length, so that no two keys run together.
pub(crate) fn hash(
    secret: &Secret,
    name: &str,
    parts: &[KeyPart],
    missing: Missing,
    request: &Request<'_>,
) -> Option<KeyHash> {
    let mut text = Text::new(secret);
    text.piece(name.as_bytes());
    for part in parts {
        if part.feed(&mut text, request) {
            continue;
        }
        text.put(&[0xff]);
        match missing {
            Missing::ClientIp => text.address(request.client, 32, IPV6_PREFIX_DEFAULT),
            Missing::Share => {}
            Missing::Skip => return None,
        }
    }
    Some(text.hash())
}

/// The hash that [`hash`] gives for a request with these values of the parts.
pub(crate) fn hash_of(
    secret: &Secret,
    name: &str,
    parts: &[KeyPart],
    values: &[impl AsRef<str>],
) -> Option<KeyHash> {
    if parts.len() != values.len() {
        return None;
    }
    let mut text = Text::new(secret);
    text.piece(name.as_bytes());
    for (part, value) in parts.iter().zip(values) {
        let value = value.as_ref();
        match part {
            KeyPart::ClientIp { v4, v6 } => text.address(value.parse().ok()?, *v4, *v6),
            KeyPart::Header(_) | KeyPart::Claim(_) => {
                text.piece(value.as_bytes());
                text.put(&1_u32.to_le_bytes());
            }
            _ => text.piece(value.as_bytes()),
        }
    }
    Some(text.hash())
}

impl KeyPart {
    /// Feeds the part's value to the hash; false when the request lacks it.
    fn feed(&self, text: &mut Text, request: &Request<'_>) -> bool {
        let mut count = 0_u32;
        match self {
            Self::ClientIp { v4, v6 } => {
                text.address(request.client, *v4, *v6);
                return true;
            }
            // All lines: were only the first one counted, a client could put a fresh value before the
            // one that the origin believes.
            Self::Header(name) => request.fields.lines(name, &mut |value| {
                text.piece(value);
                count += 1;
            }),
            Self::Claim(_) => self.each_value(request, &mut |value| {
                text.piece(value);
                count += 1;
            }),
            _ => return self.value(request).map(|value| text.piece(&value)).is_some(),
        }
        text.put(&count.to_le_bytes());
        count > 0
    }

    /// Calls `f` with each of the part's values as text: several where a claim is a list, none where the
    /// request lacks it. An address is no text.
    pub fn each_value(&self, request: &Request<'_>, f: &mut dyn FnMut(&[u8])) {
        match self {
            Self::Claim(name) => {
                if let Some(claim) = request.claim {
                    claim(name, &mut |value| f(value.as_bytes()));
                }
            }
            _ => _ = self.value(request).map(|value| f(&value)),
        }
    }

    fn value<'v>(&'v self, request: &'v Request<'_>) -> Option<Cow<'v, [u8]>> {
        let text = |text: &'v str| Some(Cow::Borrowed(text.as_bytes()));
        match self {
            Self::ClientIp { .. } | Self::Claim(_) => None,
            Self::Header(name) => request.fields.joined(name),
            Self::Cookie(name) => cookie(request.fields, name),
            Self::Query(name) => parameter(request.query?, name),
            Self::ApiKey => api_key(request.fields),
            Self::Country => text(request.country?),
            Self::Route => text(request.route),
            Self::Host => text(request.host),
            Self::Method => text(request.method),
            Self::Path => text(request.path),
            Self::Constant(word) => text(word),
        }
    }
}

/// What is hashed, put together first: one pass over a short text costs a fraction of many small writes.
struct Text {
    hasher: SipHasher13,
    bytes: [u8; TEXT_BYTES],
    len: usize,
    /// Longer than the buffer: the beginning is in the hasher already.
    long: bool,
}

impl Text {
    fn new(secret: &Secret) -> Self {
        let [first, second] = secret.words();
        let hasher = SipHasher13::new_with_keys(first, second);
        Self { hasher, bytes: [0; TEXT_BYTES], len: 0, long: false }
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
            return;
        }
        self.hasher.write(&self.bytes[..self.len]);
        self.hasher.write(bytes);
        (self.len, self.long) = (0, true);
    }

    fn piece(&mut self, bytes: &[u8]) {
        self.put(&(bytes.len() as u32).to_le_bytes());
        self.put(bytes);
    }

    /// An IPv4 address inside IPv6 (RFC 4291 2.5.5.2) is the same client as the bare one.
    fn address(&mut self, client: IpAddr, v4: u8, v6: u8) {
        match client.to_canonical() {
            IpAddr::V4(a) => {
                self.put(&[4]);
                self.put(&(a.to_bits() & top_bits(v4, 32) as u32).to_le_bytes());
            }
            IpAddr::V6(a) => {
                self.put(&[6]);
                self.put(&(a.to_bits() & top_bits(v6, 128)).to_le_bytes());
            }
        }
    }

    fn hash(mut self) -> KeyHash {
        let rest = &self.bytes[..self.len];
        if !self.long {
            return KeyHash(self.hasher.hash(rest));
        }
        self.hasher.write(rest);
        KeyHash(self.hasher.finish())
    }
}

/// A key that is empty is none.
fn api_key(fields: &dyn Fields) -> Option<Cow<'_, [u8]>> {
    if let Some(key) = fields.joined("x-api-key") {
        return Some(key).filter(|key| !key.is_empty());
    }
    let scheme = |line: &[u8]| line.get(..7).is_some_and(|s| s.eq_ignore_ascii_case(b"bearer "));
    match fields.joined("authorization")? {
        Cow::Borrowed(line) if scheme(line) => Some(Cow::Borrowed(line[7..].trim_ascii())),
        Cow::Owned(line) if scheme(&line) => Some(Cow::Owned(line[7..].to_vec())),
        _ => None,
    }
    .filter(|key| !key.is_empty())
}

fn client_ip(prefix: &str) -> Option<KeyPart> {
    if prefix.is_empty() {
        return Some(KeyPart::ClientIp { v4: 32, v6: IPV6_PREFIX_DEFAULT });
    }
    let (v4, v6) = match prefix.strip_prefix('/')?.split_once('/') {
        Some((v4, v6)) => (v4.parse().ok()?, v6.parse().ok()?),
        None => (prefix[1..].parse().ok()?, IPV6_PREFIX_DEFAULT),
    };
    ((1..=32).contains(&v4) && (1..=128).contains(&v6)).then_some(KeyPart::ClientIp { v4, v6 })
}

fn named(text: &str) -> Result<KeyPart, KeyError> {
    let (kind, name) = text.split_once(':').ok_or_else(|| KeyError::Unknown(text.to_owned()))?;
    let make: fn(String) -> KeyPart = match kind {
        "header" => |name| KeyPart::Header(name.to_ascii_lowercase()),
        "cookie" => KeyPart::Cookie,
        "query" => KeyPart::Query,
        "claim" => KeyPart::Claim,
        "const" => KeyPart::Constant,
        _ => return Err(KeyError::Unknown(text.to_owned())),
    };
    match name {
        "" => Err(KeyError::Nameless(text.to_owned())),
        _ => Ok(make(name.to_owned())),
    }
}

fn top_bits(keep: u8, width: u32) -> u128 {
    let all = u128::MAX >> (128 - width);
    all & !all.checked_shr(u32::from(keep)).unwrap_or(0)
}

fn cookie<'a>(fields: &'a dyn Fields, name: &str) -> Option<Cow<'a, [u8]>> {
    match fields.joined("cookie")? {
        Cow::Borrowed(line) => crumb(line, name).map(Cow::Borrowed),
        // Several lines were joined with a comma; cookies are told apart by semicolons (RFC 6265 5.4).
        Cow::Owned(_) => each_crumb(fields, name),
    }
}

fn each_crumb(fields: &dyn Fields, name: &str) -> Option<Cow<'static, [u8]>> {
    let mut found = None;
    fields.each(&mut |field, line| {
        if found.is_none() && field.eq_ignore_ascii_case(b"cookie") {
            found = crumb(line, name).map(|value| Cow::Owned(value.to_vec()));
        }
    });
    found
}

fn crumb<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    line.split(|&b| b == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
    })
}

/// Decoded on both sides: `a` and `%61` are one key to the origin, so they are one key here.
fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, [u8]>> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*decoded(key) == *name.as_bytes()).then(|| decoded(value))
    })
}

fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.bytes().any(|b| b == b'%' || b == b'+') {
        return Cow::Borrowed(text.as_bytes());
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (byte, width) = match bytes[at] {
            b'+' => (b' ', 1),
            b'%' => hex_pair(bytes.get(at + 1..at + 3)).map_or((b'%', 1), |byte| (byte, 3)),
            byte => (byte, 1),
        };
        plain.push(byte);
        at += width;
    }
    Cow::Owned(plain)
}

fn hex_pair(pair: Option<&[u8]>) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16);
    let [high, low] = pair? else { return None };
    Some((digit(*high)? * 16 + digit(*low)?) as u8)
}
