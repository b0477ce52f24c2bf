//! BunnyCDN token authentication: version 2, and the two forms before it.
//!
//! `?token=HS256-<MAC>&<parameters>&expires=<end>`, or the same as the path segment `bcdn_token=...`. The MAC
//! covers path, end, the client's address in binary when the prefix is `HS256-1-`, and the parameters sorted
//! by name with their plain values. A token without prefix is a bare hash: SHA-256 over key, path, end and
//! parameters, or, of the basic form, MD5 over key, path, end and perhaps the client's address. Appending to
//! what was hashed needs a byte 0x80 there, which no path or parameter holds by itself (it is not UTF-8).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use md5::{Digest, Md5};
use ring::digest::{SHA256, digest};

use crate::carry::{self, Rest, parameters};
use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::{base64url_exact, percent_decoded, same};
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::ten_digits;
use crate::request::{Clock, Request};
use crate::scope::is_below;
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "bunny";

const SEGMENT: &str = "bcdn_token";
const PARAMETERS_MAX: usize = 64;
const OWN: [&str; 6] = [
    "token",
    "expires",
    "token_path",
    "token_countries",
    "token_countries_blocked",
    "token_ignore_params",
];

/// Token authentication with its setting `legacy_ip`: whether tokens bound to an address in the way of
/// before June 2026 are accepted. They put the address, as text, behind the parameters, where it cannot be
/// told from the end of one, so this is off by default.
#[derive(Debug)]
pub(crate) struct Bunny {
    legacy_ip: bool,
}

struct Token<'t> {
    mark: Mark,
    expires: &'t str,
    signed: BTreeMap<&'t str, Cow<'t, str>>,
}

/// What the token itself is.
#[derive(Clone, Copy)]
enum Mark {
    Hmac { mac: [u8; 32], bound: bool },
    Sha256([u8; 32]),
    Md5([u8; 16]),
}

impl Bunny {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let legacy_ip = settings.number("legacy_ip", false)?;
        settings.done()?;
        Ok(Self { legacy_ip })
    }
}

impl Scheme for Bunny {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let (token, rest) = find(request)?;
        let key = token.signer(keys, &rest.path, request.client, self.legacy_ip)?;
        let expires_s = ten_digits(token.expires).ok_or(Reason::TokenMalformed)?;
        if clock.is_past(expires_s) {
            return Err(Reason::Expired);
        }
        token.check(&rest.path, request.country)?;
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(expires_s);
        Ok(Verified::new(grant, rest))
    }
}

fn find<'r>(request: &Request<'r>) -> Result<(Token<'r>, Rest<'r>), Reason> {
    if let Some((value, path)) = carry::segment(request.path, SEGMENT) {
        let (token, fields) = value.split_once('&').ok_or(Reason::TokenMalformed)?;
        let token = Token::parse(token, fields).ok_or(Reason::TokenMalformed)?;
        return Ok((token, Rest::at_path(request, path)));
    }
    let query = request.query.ok_or(Reason::TokenMissing)?;
    let token = carry::parameter(Some(query), "token").map_err(|_| Reason::TokenMalformed)?;
    let token = Token::parse(token.ok_or(Reason::TokenMissing)?, query);
    Ok((token.ok_or(Reason::TokenMalformed)?, Rest::without(request, &OWN)))
}

impl<'t> Token<'t> {
    fn parse(token: &'t str, fields: &'t str) -> Option<Self> {
        let mark = Mark::parse(token)?;
        let mut signed = BTreeMap::new();
        for (name, value) in parameters(Some(fields)).filter(|(name, _)| *name != "token") {
            let twice = signed.insert(name, percent_decoded(value)?).is_some();
            if twice || signed.len() > PARAMETERS_MAX {
                return None;
            }
        }
        signed.remove("expires")?;
        let (_, expires) = parameters(Some(fields)).find(|(name, _)| *name == "expires")?;
        if signed.get("token_ignore_params").is_some_and(|value| value == "true") {
            signed.retain(|name, _| *name == "token_ignore_params" || *name == "token_path");
        }
        Some(Self { mark, expires, signed })
    }

    fn signer<'k>(
        &self,
        keys: &'k [Key],
        path: &str,
        client: IpAddr,
        legacy_ip: bool,
    ) -> Result<&'k Key, Reason> {
        // The basic form signs no parameters, so one of them must not choose the path.
        let folder = self.signed.get("token_path").filter(|_| !matches!(self.mark, Mark::Md5(_)));
        let path = folder.map_or(path, |folder| folder);
        let listed: Vec<String> =
            self.signed.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let listed = listed.join("&");
        let text = client.to_canonical().to_string();
        let (path, end, listed) = (path.as_bytes(), self.expires.as_bytes(), listed.as_bytes());
        let verify = |message: &[&[u8]]| self.mark.verify(keys, &message.concat());
        let (first, second) = match self.mark {
            Mark::Hmac { bound: true, .. } => {
                (verify(&[path, end, &ip_bytes(client), listed]), None)
            }
            Mark::Hmac { .. } => (
                verify(&[path, end, listed]),
                legacy_ip.then(|| verify(&[path, end, listed, text.as_bytes()])),
            ),
            Mark::Sha256(_) => (
                verify(&[path, end, listed]),
                legacy_ip.then(|| verify(&[path, end, text.as_bytes(), listed])),
            ),
            // Nothing follows the address, so it cannot be taken for something else.
            Mark::Md5(_) => (verify(&[path, end]), Some(verify(&[path, end, text.as_bytes()]))),
        };
        first.or_else(|reason| second.unwrap_or(Err(reason)))
    }

    fn check(&self, path: &str, country: Option<&str>) -> Result<(), Reason> {
        let below = |prefix: &str| is_below(path.as_bytes(), prefix.as_bytes());
        if !self.signed.get("token_path").is_none_or(|prefix| below(prefix)) {
            return Err(Reason::ScopeMismatch);
        }
        let lists = |name: &str| {
            let list = self.signed.get(name)?;
            let is =
                |country: &str| list.split(',').any(|c| c.trim().eq_ignore_ascii_case(country));
            Some(country.is_some_and(is))
        };
        let allowed = lists("token_countries").unwrap_or(true);
        let blocked = lists("token_countries_blocked").unwrap_or(false);
        if allowed && !blocked { Ok(()) } else { Err(Reason::CountryMismatch) }
    }
}

impl Mark {
    fn parse(token: &str) -> Option<Self> {
        let Some(mac) = token.strip_prefix("HS256-") else {
            return match token.trim_end_matches('=') {
                hash if hash.len() == 22 => base64url_exact(hash).map(Self::Md5),
                hash => base64url_exact(hash).map(Self::Sha256),
            };
        };
        let (bound, mac) = match mac.strip_prefix("1-") {
            // A MAC may begin with "1-" as well; only the longer text can be a bound one.
            Some(rest) if mac.len() == 45 => (true, rest),
            _ => (false, mac),
        };
        Some(Self::Hmac { mac: base64url_exact(mac)?, bound })
    }

    fn verify<'k>(&self, keys: &'k [Key], message: &[u8]) -> Result<&'k Key, Reason> {
        let hashed = |key: &Key, hash: &dyn Fn(&[u8]) -> bool| {
            key.secret().is_some_and(|secret| hash(&[secret, message].concat()))
        };
        let found = match self {
            Self::Hmac { mac, .. } => {
                return crypto::verify(keys, None, Method::HmacSha256, message, mac);
            }
            Self::Sha256(want) => keys
                .iter()
                .find(|key| hashed(key, &|whole| same(digest(&SHA256, whole).as_ref(), want))),
            Self::Md5(want) => {
                keys.iter().find(|key| hashed(key, &|whole| same(&Md5::digest(whole), want)))
            }
        };
        found.ok_or(Reason::SignatureInvalid)
    }
}

/// Four bytes, or the sixteen of an IPv6 address without its lower half.
fn ip_bytes(client: IpAddr) -> Vec<u8> {
    match client.to_canonical() {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => [&a.octets()[..8], &[0; 8]].concat(),
    }
}

/// Fuzz body: any text as the parameters of a token.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mac = ["HS256-", &"A".repeat(43)].concat();
    if let Some(token) = Token::parse(&mac, text) {
        let request = Request::fuzzed();
        let _ = token.signer(&[], request.path, request.client, true);
        let _ = token.check(request.path, request.country);
    }
}
