//! The cache key: what of a request names the stored response (RFC 9111 §2).

use std::fmt;
use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};
use tidegate_http::{Fields, Scheme};

use crate::policy::{KeyPart, Policy};
use crate::query;

/// The 128-bit keyed hash of everything that names a response. Two requests with one key share an answer,
/// unless `Vary` tells them apart. The method is not part of it: only answers to GET are stored, and they
/// serve GET and HEAD.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u128);

/// The secret of the hash: without it nobody can make two URLs that collide. A disk tier keeps it with its
/// data, since keys are only comparable under one seed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeySeed([u8; 16]);

/// What of a request the key is made from, normalised as `tidegate_http::Head` gives it.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Scheme the client used.
    pub scheme: Scheme,
    /// Host, lower case, without port.
    pub host: &'a str,
    /// Port, when the authority names one.
    pub port: Option<u16>,
    /// Absolute path, normalised.
    pub path: &'a str,
    /// Query without the question mark.
    pub query: Option<&'a str>,
    /// The request's fields, for key parts.
    pub fields: &'a dyn Fields,
}

/// Takes the parts of a key in order.
pub(crate) trait Sink {
    fn put(&mut self, part: &[u8]);
}

impl Key {
    /// The key of a request. Allocates only for a sorted query of more than
    /// [`SORT_ON_STACK_MAX`](crate::query::SORT_ON_STACK_MAX) parameters.
    pub fn of(seed: &KeySeed, policy: &Policy, target: &Target<'_>) -> Self {
        let mut hash = Hash(SipHasher13::new_with_key(&seed.0));
        target.write_uri(policy, &mut hash);
        target.write_parts(policy, &mut hash);
        Self(hash.0.finish128().as_u128())
    }

    /// The key of a URL as keyed, [`Target::url`], under a policy without key parts.
    pub fn of_url(seed: &KeySeed, url: &str) -> Self {
        let mut hash = Hash(SipHasher13::new_with_key(&seed.0));
        hash.put(url.as_bytes());
        Self(hash.0.finish128().as_u128())
    }

    /// The same key as text, for `explain` and logs: URL as keyed, then one ` name=value` for each key part.
    pub fn readable(policy: &Policy, target: &Target<'_>) -> String {
        let mut text = Vec::with_capacity(64);
        target.write_uri(policy, &mut text);
        target.write_parts(policy, &mut text);
        for byte in &mut text {
            if *byte == SEPARATOR {
                *byte = b' ';
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// A key from its number, as a tier keeps it.
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl KeySeed {
    /// A seed from 16 random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a tier that outlives the process.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySeed(..)")
    }
}

/// Stands between key parts; no normalised target and no field value contains it.
const SEPARATOR: u8 = 0;

impl Target<'_> {
    /// `https://example.com/a?b`, with the query as the policy keeps it.
    pub fn url(&self, policy: &Policy) -> String {
        let mut text = Vec::with_capacity(64);
        self.write_uri(policy, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn write_uri(&self, policy: &Policy, sink: &mut dyn Sink) {
        sink.put(scheme_prefix(self.scheme));
        sink.put(self.host.as_bytes());
        self.write_port(sink);
        sink.put(self.path.as_bytes());
        query::write(policy, self.query, sink);
    }

    /// A default port says nothing: `example.com:443` over https is `example.com` (RFC 9110 §4.2.3).
    fn write_port(&self, sink: &mut dyn Sink) {
        let Some(port) = self.port.filter(|port| *port != self.scheme.default_port()) else {
            return;
        };
        let mut text = [b':', 0, 0, 0, 0, 0];
        let mut at = text.len();
        let mut rest = port;
        while rest > 0 || at == text.len() {
            at -= 1;
            text[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        sink.put(b":");
        sink.put(&text[at..]);
    }

    fn write_parts(&self, policy: &Policy, sink: &mut dyn Sink) {
        for part in &policy.key_parts {
            sink.put(&[SEPARATOR]);
            match part {
                KeyPart::Const(text) => sink.put(text.as_bytes()),
                KeyPart::Header(name) => self.write_header(name, sink),
                KeyPart::Cookie(name) => self.write_cookie(name, sink),
            }
        }
    }

    fn write_header(&self, name: &str, sink: &mut dyn Sink) {
        sink.put(name.as_bytes());
        self.fields.each(&mut |field, value| {
            if field.eq_ignore_ascii_case(name.as_bytes()) {
                sink.put(b"=");
                sink.put(value);
            }
        });
    }

    fn write_cookie(&self, name: &str, sink: &mut dyn Sink) {
        sink.put(name.as_bytes());
        self.fields.each(&mut |field, value| {
            if field.eq_ignore_ascii_case(b"cookie")
                && let Some(found) = cookie_value(value, name.as_bytes())
            {
                sink.put(b"=");
                sink.put(found);
            }
        });
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, part: &[u8]) {
        self.extend_from_slice(part);
    }
}

struct Hash(SipHasher13);

impl Sink for Hash {
    fn put(&mut self, part: &[u8]) {
        self.0.write(part);
    }
}

const fn scheme_prefix(scheme: Scheme) -> &'static [u8] {
    match scheme {
        Scheme::Http => b"http://",
        Scheme::Https => b"https://",
    }
}

fn cookie_value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    line.split(|b| *b == b';').map(<[u8]>::trim_ascii).find_map(|pair| {
        let value = pair.strip_prefix(name)?;
        value.strip_prefix(b"=")
    })
}

#[cfg(test)]
mod tests;
