//! CDNI URI Signing (RFC 9246).
//!
//! A JWT in the query, the path (`;URISigningPackage=..` or `/URISigningPackage=../`) or a cookie. `cdniuc` names
//! the URI it opens, by hash or by regular expression, which is anchored here; `cdniip` and `sub` may be
//! encrypted. With `cdnistt` 1 the answer to a good token is a cookie with the next one: its end counts from
//! now and not from the old end, so that tokens cannot be saved up.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regex::RegexBuilder;
use ring::digest;
use serde_json::Value;

use crate::carry::{self, Carrier, Rest, Twice};
use crate::denial::Reason;
use crate::encode::{base64_either, base64url_either};
use crate::jose::{self, Claims};
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::scope::ClientPrefix;
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "cdni";

/// Longest regular expression, bytes, and what its program may take.
const PATTERN_BYTES_MAX: usize = 1024;
const PROGRAM_BYTES_MAX: usize = 256 * 1024;
const COOKIES_MAX: usize = 8;
/// Claims that `cdnicrit` may demand.
const UNDERSTOOD: [&str; 14] = [
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cdniv", "cdnicrit", "cdniip", "cdniuc",
    "cdniets", "cdnistt", "cdnistd",
];

/// URI Signing with its settings: `parameter`, `issuer`, `audience`.
#[derive(Debug)]
pub(crate) struct Cdni {
    parameter: String,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Cdni {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let parameter = settings.name("parameter", "URISigningPackage")?;
        let issuer = settings.optional("issuer").map(str::to_owned);
        let audience = settings.optional("audience").map(str::to_owned);
        settings.done()?;
        Ok(Self { parameter, issuer, audience })
    }

    /// Every token of the request: a player may send an old cookie before the new one.
    fn find<'r>(&self, request: &Request<'r>) -> Result<Vec<(Cow<'r, str>, Rest<'r>)>, Reason> {
        let name = self.parameter.as_str();
        match carry::parameter(request.query, name) {
            Err(Twice) => return Err(Reason::TokenMalformed),
            Ok(Some(token)) => {
                return Ok(vec![(token.into(), Rest::without(request, &[name]))]);
            }
            Ok(None) => {}
        }
        let in_path = carry::segment(request.path, name).or_else(|| in_segment(request.path, name));
        if let Some((token, path)) = in_path {
            return Ok(vec![(token.into(), Rest::at_path(request, path))]);
        }
        let rest = || Rest::whole(request, Carrier::Cookies(vec![name.to_owned().into()]));
        let tokens = carry::cookies(request.fields, name);
        Ok(tokens.into_iter().take(COOKIES_MAX).map(|token| (token.into(), rest())).collect())
    }

    fn check(
        &self,
        text: &str,
        rest: &Rest<'_>,
        keys: &[Key],
        request: &Request<'_>,
        clock: Clock,
    ) -> Result<Grant, Reason> {
        let (claims, key) = jose::verify(text, keys)?;
        check_understood(&claims)?;
        let expires_s = claims.check_time(clock)?;
        claims.check_parties(self.issuer.as_deref(), self.audience.as_deref())?;
        check_client(&claims, keys, request)?;
        if let Some(container) = claims.text("cdniuc")?
            && !opens(container, &rest.url(request))?
        {
            return Err(Reason::ScopeMismatch);
        }
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = expires_s;
        grant.token_id = claims.text("jti")?.map(Into::into);
        grant.set_cookie = self.renewed(&claims, keys, request, &rest.path, clock)?;
        grant.claims = request.wants_claims.then_some(claims.0);
        Ok(grant)
    }

    fn renewed(
        &self,
        claims: &Claims,
        keys: &[Key],
        request: &Request<'_>,
        path: &str,
        clock: Clock,
    ) -> Result<Option<Box<str>>, Reason> {
        let transport = claims.0.get("cdnistt").and_then(Value::as_u64);
        let (Some(1), Some(lifetime_s)) = (transport, claims.seconds("cdniets")?) else {
            return Ok(None);
        };
        let Some(key) = keys.iter().find(|key| key.can_sign()) else { return Ok(None) };
        let mut next = claims.clone();
        next.0.insert("exp".to_owned(), clock.now_s.saturating_add(lifetime_s).into());
        let depth = claims.0.get("cdnistd").and_then(Value::as_i64).unwrap_or(0);
        let secure = if request.https { "; Secure" } else { "" };
        let cookie = |token| {
            let (name, path) = (&self.parameter, cookie_path(path, depth));
            format!("{name}={token}; Path={path}; Max-Age={lifetime_s}; HttpOnly{secure}").into()
        };
        Ok(jose::sign(&next, key).map(cookie))
    }
}

impl Scheme for Cdni {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let mut reason = Reason::TokenMissing;
        for (token, rest) in self.find(request)? {
            match self.check(&token, &rest, keys, request, clock) {
                Ok(grant) => return Ok(Verified::new(grant, rest)),
                Err(why) => reason = why,
            }
        }
        Err(reason)
    }
}

fn check_understood(claims: &Claims) -> Result<(), Reason> {
    let understood = |name: &str| UNDERSTOOD.contains(&name.trim());
    let demanded = match claims.0.get("cdnicrit") {
        None => true,
        Some(Value::String(names)) => names.split(',').all(understood),
        Some(Value::Array(names)) => names.iter().all(|n| n.as_str().is_some_and(understood)),
        Some(_) => return Err(Reason::TokenMalformed),
    };
    let version = claims.0.get("cdniv").is_none_or(|version| version.as_u64() == Some(1));
    if demanded && version { Ok(()) } else { Err(Reason::ClaimUnsupported) }
}

fn check_client(claims: &Claims, keys: &[Key], request: &Request<'_>) -> Result<(), Reason> {
    let Some(sealed) = claims.text("cdniip")? else { return Ok(()) };
    let plain = String::from_utf8(jose::decrypt(sealed, keys)?);
    let plain = plain.map_err(|_| Reason::TokenMalformed)?;
    // The RFC's sample puts brackets around the whole prefix, others around the address.
    let range = plain.replace(['[', ']'], "").parse::<ClientPrefix>();
    match range.map_err(|_| Reason::TokenMalformed)?.contains(request.client) {
        true => Ok(()),
        false => Err(Reason::ClientMismatch),
    }
}

/// Whether a URI container (RFC 9246 2.1.15) holds the URI.
fn opens(container: &str, uri: &str) -> Result<bool, Reason> {
    if let Some(pattern) = container.strip_prefix("regex:") {
        return matches(pattern, uri);
    }
    let hash = container.strip_prefix("hash:").and_then(|hash| hash.split_once(';'));
    let (name, value) = hash.ok_or(Reason::ClaimUnsupported)?;
    // RFC 6920 9.4 has shorter ones too, down to 32 bits: those below 96 are guessed too soon.
    let (algorithm, bytes) = match name {
        "sha-256" => (&digest::SHA256, 32),
        "sha-256-128" => (&digest::SHA256, 16),
        "sha-256-120" => (&digest::SHA256, 15),
        "sha-256-96" => (&digest::SHA256, 12),
        "sha-384" => (&digest::SHA384, 48),
        "sha-512" => (&digest::SHA512, 64),
        _ => return Err(Reason::ClaimUnsupported),
    };
    let value = base64_either(value).or_else(|| base64url_either(value));
    let value = value.ok_or(Reason::TokenMalformed)?;
    Ok(digest::digest(algorithm, uri.as_bytes()).as_ref()[..bytes] == value)
}

fn matches(pattern: &str, uri: &str) -> Result<bool, Reason> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(Reason::TokenMalformed);
    }
    // The pattern stands alone first: one with a stray parenthesis must not reach out of the anchors.
    let build = |text: &str| RegexBuilder::new(text).size_limit(PROGRAM_BYTES_MAX).build();
    build(pattern).map_err(|_| Reason::TokenMalformed)?;
    let whole = build(&format!(r"\A(?:{pattern})\z")).map_err(|_| Reason::TokenMalformed)?;
    Ok(whole.is_match(uri))
}

/// The path parameter `;name=..` of a segment, and the path without it.
fn in_segment<'r>(path: &'r str, name: &str) -> Option<(&'r str, String)> {
    let mark = format!(";{name}=");
    let at = path.find(&mark)?;
    let value = &path[at + mark.len()..];
    let end = value.find([';', '/']).unwrap_or(value.len());
    Some((&value[..end], [&path[..at], &value[end..]].concat()))
}

/// `depth` segments of the path; a negative depth is the path itself.
fn cookie_path(path: &str, depth: i64) -> &str {
    let Ok(depth) = usize::try_from(depth) else { return path };
    let slash = path.match_indices('/').nth(depth).map(|(at, _)| at);
    match slash {
        Some(0) => "/",
        Some(at) => &path[..at],
        None => path,
    }
}
