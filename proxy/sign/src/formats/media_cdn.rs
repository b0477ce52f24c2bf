//! Google Media CDN: tokens, signed URLs, signed path components and signed cookies.
//!
//! - Token: `URLPrefix=..~Expires=..~Signature=..`, fields with `~` between, Ed25519 (`Signature`) or HMAC
//!   (`hmac`). The token shows a bare `FullPath` and the names of `Headers`, and signs their values too.
//! - URL: `?Expires=..&KeyName=..&Signature=..` signs the URL before `&Signature`; with `URLPrefix` first, only
//!   the parameters from there on.
//! - Path: `/edge-cache-token=Expires=..&KeyName=..&Signature=../` signs the URL before `&Signature`, and opens
//!   what lies below.
//! - Cookie: `Edge-Cache-Cookie=URLPrefix=..:Expires=..:KeyName=..:Signature=..`.

use std::collections::BTreeMap;

use crate::carry::{self, Carrier, Names, Rest, parameters};
use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::{base64url_either, hex, percent_decoded};
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::scope::{ClientPrefix, wildcard};
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "media-cdn";

const TOKEN_BYTES_MAX: usize = 4096;
const FIELDS_MAX: usize = 16;
const COOKIE: &str = "Edge-Cache-Cookie";
const SEGMENT: &str = "edge-cache-token";
const SIGNED: [&str; 4] = ["URLPrefix", "Expires", "KeyName", "Signature"];
const SHA1_BYTES: usize = 20;

/// Media CDN with its settings: `parameter` of the token form.
#[derive(Debug)]
pub(crate) struct MediaCdn {
    parameter: String,
}

/// What a token of any form says, once it is verified.
#[derive(Default)]
struct Claims<'t> {
    prefix: Option<&'t str>,
    full_path: bool,
    globs: Option<&'t str>,
    starts: Option<&'t str>,
    expires: Option<&'t str>,
    ranges: Option<&'t str>,
    session: Option<&'t str>,
}

impl MediaCdn {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let parameter = settings.name("parameter", SEGMENT)?;
        settings.done()?;
        Ok(Self { parameter })
    }

    /// The signed cookie, unless the address brings a token: that is the newer one.
    fn signed_cookie<'r>(&self, request: &Request<'r>) -> Option<&'r str> {
        let in_query = parameters(request.query).any(|(name, _)| name == self.parameter);
        carry::cookie(request.fields, COOKIE).filter(|_| !in_query)
    }
}

impl Scheme for MediaCdn {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let (grant, rest) = if let Some((value, path)) = carry::segment(request.path, SEGMENT) {
            (component(value, keys, request, clock)?, Rest::at_path(request, path))
        } else if parameters(request.query).any(|(name, _)| name == "Signature") {
            (signed_url(keys, request, clock)?, Rest::without(request, &SIGNED))
        } else if let Some(cookie) = self.signed_cookie(request) {
            let rest = Rest::whole(request, Carrier::Cookies(vec![COOKIE.into()]));
            (signed(cookie, ':', cookie, keys, request, clock)?, rest)
        } else {
            let cookie = self.parameter.as_str();
            let names = Names { parameter: cookie, cookie, field: None };
            let (text, rest) = carry::find(request, &names)?;
            (token(text, keys, request, clock)?, rest)
        };
        Ok(Verified::new(grant, rest))
    }
}

/// The token form.
fn token(text: &str, keys: &[Key], request: &Request<'_>, clock: Clock) -> Result<Grant, Reason> {
    let bare = percent_decoded(text).ok_or(Reason::TokenMalformed)?;
    let (shown, mark) = bare.rsplit_once('~').ok_or(Reason::TokenMalformed)?;
    let (method, signature) = match mark.split_once('=') {
        Some(("Signature", text)) => (Method::Ed25519, base64url_either(text)),
        Some(("hmac", text)) if text.len() == 2 * SHA1_BYTES => (Method::HmacSha1, hex(text)),
        Some(("hmac", text)) => (Method::HmacSha256, hex(text)),
        _ => return Err(Reason::TokenMalformed),
    };
    let signature = signature.ok_or(Reason::TokenMalformed)?;
    let message = signed_value(shown, request)?;
    let key = crypto::verify(keys, None, method, message.as_bytes(), &signature)?;
    let claims = Claims::read(shown, '~')?;
    if claims.prefix.is_none() && claims.globs.is_none() && !claims.full_path {
        return Err(Reason::TokenMalformed);
    }
    claims.grant(key, request, clock)
}

/// The shown fields with the values that only the request has.
fn signed_value(shown: &str, request: &Request<'_>) -> Result<String, Reason> {
    let field = |field: &str| -> Result<String, Reason> {
        if field == "FullPath" {
            return Ok(format!("FullPath={}", request.path));
        }
        let Some(names) = field.strip_prefix("Headers=") else { return Ok(field.to_owned()) };
        let with_value = |name: &str| {
            let value = carry::header(request.fields, &name.to_ascii_lowercase());
            // A value with a tilde could stand for fields that the token then need not show.
            let value = value.unwrap_or_default();
            (!value.contains('~')).then(|| format!("{name}={value}"))
        };
        let pairs: Option<Vec<String>> = names.split(',').map(with_value).collect();
        let pairs = pairs.ok_or(Reason::SignatureInvalid)?;
        Ok(format!("Headers={}", pairs.join(",")))
    };
    if shown.len() > TOKEN_BYTES_MAX || shown.split('~').count() > FIELDS_MAX {
        return Err(Reason::TokenMalformed);
    }
    Ok(shown.split('~').map(field).collect::<Result<Vec<_>, _>>()?.join("~"))
}

/// A text that ends with `KeyName` and `Signature`; `message` is what it signs, signature and all.
fn signed(
    text: &str,
    joint: char,
    message: &str,
    keys: &[Key],
    request: &Request<'_>,
    clock: Clock,
) -> Result<Grant, Reason> {
    let mark = [joint.encode_utf8(&mut [0; 4]), "Signature="].concat();
    let parts = |text| str::rsplit_once(text, mark.as_str()).ok_or(Reason::TokenMalformed);
    let ((shown, signature), (message, _)) = (parts(text)?, parts(message)?);
    let signature = percent_decoded(signature).and_then(|text| base64url_either(&text));
    let signature = signature.ok_or(Reason::TokenMalformed)?;
    let (_, name) = shown.rsplit_once("KeyName=").ok_or(Reason::TokenMalformed)?;
    let key = crypto::verify(keys, Some(name), Method::Ed25519, message.as_bytes(), &signature)?;
    let claims = Claims::read(shown, joint)?;
    if joint == ':' && claims.prefix.is_none() {
        return Err(Reason::TokenMalformed);
    }
    claims.grant(key, request, clock)
}

fn signed_url(keys: &[Key], request: &Request<'_>, clock: Clock) -> Result<Grant, Reason> {
    let query = request.query.unwrap_or_default();
    // Nothing may stand after the signature, for it would not be signed.
    if !query.rsplit('&').next().is_some_and(|last| last.starts_with("Signature=")) {
        return Err(Reason::TokenMalformed);
    }
    let first = if query.contains("URLPrefix=") { "URLPrefix=" } else { "Expires=" };
    let starts = |at: &usize| *at == 0 || query.as_bytes()[at - 1] == b'&';
    let at = query.match_indices(first).map(|(at, _)| at).find(starts);
    let own = &query[at.ok_or(Reason::TokenMalformed)?..];
    if first == "URLPrefix=" {
        return signed(own, '&', own, keys, request, clock);
    }
    let url = format!("{}{}?{query}", request.origin(), request.path);
    signed(own, '&', &url, keys, request, clock)
}

/// The signed path component: what it signs ends with itself, so it opens what lies below.
fn component(
    value: &str,
    keys: &[Key],
    request: &Request<'_>,
    clock: Clock,
) -> Result<Grant, Reason> {
    let mark = format!("/{SEGMENT}={value}");
    let (above, _) = request.path.split_once(&mark).ok_or(Reason::TokenMalformed)?;
    let url = [&request.origin(), above, &mark].concat();
    signed(value, '&', &url, keys, request, clock)
}

impl<'t> Claims<'t> {
    fn read(shown: &'t str, joint: char) -> Result<Self, Reason> {
        let mut claims = Self::default();
        let mut seen = Vec::new();
        for field in shown.split(joint) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            if seen.contains(&name) {
                return Err(Reason::TokenMalformed);
            }
            seen.push(name);
            claims.add(name, value)?;
        }
        Ok(claims)
    }

    fn add(&mut self, name: &'t str, value: &'t str) -> Result<(), Reason> {
        match name {
            "URLPrefix" => self.prefix = Some(value),
            "FullPath" => self.full_path = true,
            "PathGlobs" | "paths" | "acl" => self.globs = Some(value),
            "Starts" | "st" => self.starts = Some(value),
            "Expires" | "exp" => self.expires = Some(value),
            "IPRanges" => self.ranges = Some(value),
            "SessionID" | "id" => self.session = Some(value),
            "Data" | "data" | "payload" | "Headers" | "KeyName" => {}
            _ => return Err(Reason::ClaimUnsupported),
        }
        Ok(())
    }

    fn grant(&self, key: &Key, request: &Request<'_>, clock: Clock) -> Result<Grant, Reason> {
        let seconds = |text: &str| text.parse::<u64>().map_err(|_| Reason::TokenMalformed);
        if let Some(starts) = self.starts
            && clock.is_before(seconds(starts)?)
        {
            return Err(Reason::NotYetValid);
        }
        let expires_s = seconds(self.expires.ok_or(Reason::TokenMalformed)?)?;
        if clock.is_past(expires_s) {
            return Err(Reason::Expired);
        }
        self.check_scope(request)?;
        self.check_client(request)?;
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(expires_s);
        grant.session = self.session.map(Into::into);
        Ok(grant)
    }

    fn check_scope(&self, request: &Request<'_>) -> Result<(), Reason> {
        let opens = |glob: &str| wildcard(glob.as_bytes(), request.path.as_bytes());
        let in_globs = self.globs.is_none_or(|globs| globs.split([',', '!']).any(opens));
        let in_prefix = match self.prefix {
            Some(prefix) => below(prefix, request).ok_or(Reason::TokenMalformed)?,
            None => true,
        };
        if in_globs && in_prefix { Ok(()) } else { Err(Reason::ScopeMismatch) }
    }

    fn check_client(&self, request: &Request<'_>) -> Result<(), Reason> {
        let Some(ranges) = self.ranges else { return Ok(()) };
        let list = base64url_either(ranges).and_then(|list| String::from_utf8(list).ok());
        for range in list.ok_or(Reason::TokenMalformed)?.split(',') {
            let range: ClientPrefix = range.parse().map_err(|_| Reason::TokenMalformed)?;
            if range.contains(request.client) {
                return Ok(());
            }
        }
        Err(Reason::ClientMismatch)
    }
}

/// Google's prefixes end anywhere in the path, but never within the host.
fn below(prefix: &str, request: &Request<'_>) -> Option<bool> {
    let prefix = String::from_utf8(base64url_either(prefix)?).ok()?;
    let origin = request.origin();
    let Some(path) = prefix.strip_prefix(&origin) else { return Some(false) };
    Some(path.is_empty() || (path.starts_with('/') && request.path.starts_with(path)))
}

/// Fuzz body: any text as the fields of a token.
pub(crate) fn fuzz(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let request = Request::fuzzed();
    for joint in ['~', ':', '&'] {
        if let Ok(claims) = Claims::read(text.trim_end_matches(joint), joint) {
            let _ = (claims.check_scope(&request), claims.check_client(&request));
        }
    }
    let _ = signed_value(text, &request);
}
