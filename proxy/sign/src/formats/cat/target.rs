//! What the claims of a token demand of a request.

use std::net::IpAddr;

use regex::RegexBuilder;
use ring::digest;

use super::label;
use crate::carry;
use crate::cbor::Value;
use crate::denial::Reason;
use crate::encode::to_hex;
use crate::request::{Clock, Request};
use crate::scope::ClientPrefix;

const PATTERN_BYTES_MAX: usize = 1024;
const PROGRAM_BYTES_MAX: usize = 256 * 1024;

/// A request against which claims are held.
pub(super) struct Target<'q> {
    pub(super) request: &'q Request<'q>,
    pub(super) query: Option<&'q str>,
    pub(super) path: &'q str,
    pub(super) clock: Clock,
}

/// Deepest nesting of `or`, `nor` and `and`.
const NESTING_MAX: usize = 4;

impl Target<'_> {
    /// Whether a set of claims accepts the request, nested sets included.
    pub(super) fn check_all(&self, claims: &[(Value<'_>, Value<'_>)]) -> Result<(), Reason> {
        self.check_set(claims, 0)
    }

    fn check_set(&self, claims: &[(Value<'_>, Value<'_>)], depth: usize) -> Result<(), Reason> {
        super::check_time(claims, self.clock)?;
        for (name, value) in claims {
            match name.as_int() {
                Some(label::OR | label::NOR | label::AND) => {
                    self.check_nested(name, value, depth)?
                }
                _ => self.check(name, value)?,
            }
        }
        Ok(())
    }

    /// `or`: one of the sets accepts; `and`: all do; `nor`: none does. What cannot be judged refuses, for it
    /// might be the set that forbids.
    fn check_nested(
        &self,
        name: &Value<'_>,
        value: &Value<'_>,
        depth: usize,
    ) -> Result<(), Reason> {
        let sets = value.as_array().filter(|_| depth < NESTING_MAX);
        let (mut accepted, mut refused) = (0, None);
        let sets = sets.ok_or(Reason::TokenMalformed)?;
        for set in sets {
            let set = set.as_map().ok_or(Reason::TokenMalformed)?;
            match self.check_set(set, depth + 1) {
                Ok(()) => accepted += 1,
                Err(why @ (Reason::TokenMalformed | Reason::ClaimUnsupported)) => return Err(why),
                Err(why) => refused = Some(why),
            }
        }
        let (holds, otherwise) = match name.as_int() {
            Some(label::OR) => (accepted > 0, refused.unwrap_or(Reason::TokenMalformed)),
            Some(label::AND) => (accepted == sets.len(), refused.unwrap_or(Reason::TokenMalformed)),
            _ => (accepted == 0, Reason::ScopeMismatch),
        };
        if holds { Ok(()) } else { Err(otherwise) }
    }

    fn check(&self, name: &Value<'_>, value: &Value<'_>) -> Result<(), Reason> {
        // A claim with a text for its name, or one that came after this was written, says nothing here
        // (RFC 8392 3: claims that are not understood are ignored).
        let Value::Int(name) = name else { return Ok(()) };
        let (holds, otherwise) = match *name {
            label::CATV => (Some(value.as_int() == Some(1)), Reason::ClaimUnsupported),
            label::CATU => (self.is_uri(value), Reason::ScopeMismatch),
            label::CATM => (self.is_method(value), Reason::MethodMismatch),
            label::CATNIP => (self.is_network(value), Reason::ClientMismatch),
            label::CATGEOISO3166 => (self.is_country(value), Reason::CountryMismatch),
            label::CATH => (self.has_fields(value), Reason::ScopeMismatch),
            label::CRIT => (is_understood(value), Reason::ClaimUnsupported),
            label::ENC
            | label::CNF
            | label::GEOHASH
            | label::CATPOR
            | label::CATALPN
            | 317
            | 318
            | label::CATTPK
            | label::CATDPOP
            | label::CATTPRINT => return Err(Reason::ClaimUnsupported),
            _ => return Ok(()),
        };
        match holds {
            Some(true) => Ok(()),
            Some(false) => Err(otherwise),
            None => Err(Reason::TokenMalformed),
        }
    }

    fn is_uri(&self, parts: &Value<'_>) -> Option<bool> {
        for (part, matches) in parts.as_map()? {
            let texts = self.part(part.as_int()?)?;
            let mut any = false;
            for text in texts {
                any |= all_match(matches, &text)?;
            }
            if !any {
                return Some(false);
            }
        }
        Some(true)
    }

    /// The spellings of a part of the URI: an extension with its dot or without, a standard port as
    /// its number or as nothing, a query as it came or sorted.
    fn part(&self, number: i64) -> Option<Vec<String>> {
        let request = self.request;
        let (parent, file) = self.path.rsplit_once('/')?;
        // The first dot or the last: both are in use.
        let (first, last) = (file.find('.'), file.rfind('.'));
        let dots = [first.unwrap_or(file.len()), last.unwrap_or(file.len())];
        let standard = if request.https { "443" } else { "80" };
        let query = self.query.unwrap_or_default();
        Some(match number {
            0 => vec![if request.https { "https" } else { "http" }.to_owned()],
            1 => vec![request.host.to_owned()],
            2 => match request.port {
                Some(port) if port.to_string() != standard => vec![port.to_string()],
                _ => vec![standard.to_owned(), String::new()],
            },
            3 => vec![self.path.to_owned()],
            4 => vec![query.to_owned(), sorted(query)],
            5 => vec![parent.to_owned()],
            6 => vec![file.to_owned()],
            7 => dots.map(|at| file[..at].to_owned()).to_vec(),
            8 => dots
                .iter()
                .flat_map(|&at| [&file[at..], file[at..].trim_start_matches('.')])
                .map(str::to_owned)
                .collect(),
            _ => return None,
        })
    }

    fn is_method(&self, methods: &Value<'_>) -> Option<bool> {
        Some(methods.as_array()?.iter().any(|m| m.as_text() == Some(self.request.method)))
    }

    fn is_country(&self, countries: &Value<'_>) -> Option<bool> {
        Some(
            countries
                .as_array()?
                .iter()
                .any(|c| c.as_text().is_some_and(|c| Some(c) == self.request.country)),
        )
    }

    fn is_network(&self, networks: &Value<'_>) -> Option<bool> {
        let contains = |network| range(network).is_some_and(|n| n.contains(self.request.client));
        Some(networks.as_array()?.iter().any(contains))
    }

    fn has_fields(&self, fields: &Value<'_>) -> Option<bool> {
        for (name, matches) in fields.as_map()? {
            let name = name.as_text()?.to_ascii_lowercase();
            let value = carry::header(self.request.fields, &name);
            if !value.map_or(Some(false), |value| all_match(matches, value))? {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// Whether all the claims that must be understood are.
fn is_understood(labels: &Value<'_>) -> Option<bool> {
    const UNDERSTOOD: [i64; 19] = [
        label::ISS,
        label::SUB,
        label::AUD,
        label::EXP,
        label::NBF,
        label::IAT,
        label::CTI,
        label::OR,
        label::NOR,
        label::AND,
        label::CRIT,
        label::CATREPLAY,
        label::CATV,
        label::CATNIP,
        label::CATU,
        label::CATM,
        label::CATH,
        label::CATGEOISO3166,
        label::CATR,
    ];
    let known = |one: &Value<'_>| one.as_int().is_some_and(|label| UNDERSTOOD.contains(&label));
    Some(labels.as_array()?.iter().all(known))
}

/// Whether a text passes every match of a map from kind to value.
fn all_match(matches: &Value<'_>, text: &str) -> Option<bool> {
    for (kind, value) in matches.as_map()? {
        let words = value.as_text();
        let hash = |algorithm| digest::digest(algorithm, text.as_bytes());
        let holds = match kind.as_int()? {
            0 => text == words.map(str::to_owned).or(value.as_int().map(|n| n.to_string()))?,
            1 => text.starts_with(words?),
            2 => text.ends_with(words?),
            3 => text.contains(words?),
            4 => pattern_matches(value, text)?,
            -1 => is_hash(value, hash(&digest::SHA256).as_ref())?,
            -2 => is_hash(value, hash(&digest::SHA512_256).as_ref())?,
            _ => return None,
        };
        if !holds {
            return Some(false);
        }
    }
    Some(true)
}

/// A hash as bytes, or as hex.
fn is_hash(value: &Value<'_>, hash: &[u8]) -> Option<bool> {
    match value {
        Value::Bytes(bytes) => Some(*bytes == hash),
        Value::Text(text) => Some(to_hex(hash) == text.to_ascii_lowercase()),
        _ => None,
    }
}

fn sorted(query: &str) -> String {
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    pairs.join("&")
}

/// A regular expression, or a list that begins with one; always for the whole of the text.
fn pattern_matches(value: &Value<'_>, text: &str) -> Option<bool> {
    let (pattern, flags) = match value {
        Value::Array(list) => (list.first()?.as_text()?, list.get(1).and_then(Value::as_text)),
        one => (one.as_text()?, None),
    };
    if pattern.len() > PATTERN_BYTES_MAX {
        return None;
    }
    let any_case = flags.is_some_and(|flags| flags.contains('i'));
    let build = |text: &str| {
        let mut builder = RegexBuilder::new(text);
        builder.case_insensitive(any_case).size_limit(PROGRAM_BYTES_MAX).build().ok()
    };
    build(pattern)?;
    Some(build(&format!(r"\A(?:{pattern})\z"))?.is_match(text))
}

/// An address or prefix as RFC 9164 writes it (tag 52 IPv4, 54 IPv6), or as text. Numbers of autonomous
/// systems match nobody here.
fn range(value: &Value<'_>) -> Option<ClientPrefix> {
    let (tag, inner) = match value {
        Value::Text(text) => return text.parse().ok(),
        Value::Tag(tag @ (52 | 54), inner) => (*tag, inner.as_ref()),
        _ => return None,
    };
    let (bits, bytes) = match inner {
        Value::Bytes(bytes) => (None, *bytes),
        Value::Array(parts) => match parts.as_slice() {
            [bits, bytes] => (Some(u8::try_from(bits.as_int()?).ok()?), bytes.as_bytes()?),
            _ => return None,
        },
        _ => return None,
    };
    let (address, whole) = address(tag, bytes)?;
    ClientPrefix::new(address, bits.unwrap_or(whole))
}

/// Trailing zero bytes may be left out (RFC 9164 3.1.2).
fn address(tag: u64, bytes: &[u8]) -> Option<(IpAddr, u8)> {
    if tag == 52 {
        let mut octets = [0; 4];
        octets.get_mut(..bytes.len())?.copy_from_slice(bytes);
        return Some((octets.into(), 32));
    }
    let mut octets = [0; 16];
    octets.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some((octets.into(), 128))
}
