//! The token of Cloudflare Stream: a JWT that stands in the path where the video's id would be.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::carry::Rest;
use crate::denial::Reason;
use crate::jose;
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::scope::ClientPrefix;
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "cloudflare-stream";

/// Most access rules of a token, and most ranges or countries of a rule.
const RULES_MAX: usize = 32;
const VIDEO_ID_BYTES_MAX: usize = 128;

/// Stream tokens; they have no settings.
#[derive(Debug)]
pub(crate) struct CloudflareStream(());

impl CloudflareStream {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        Settings::new(FORMAT, settings).done().map(|()| Self(()))
    }
}

impl Scheme for CloudflareStream {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        // Every JWS begins with the base64 of `{"`.
        let is_token = |part: &&str| part.starts_with("eyJ") && part.matches('.').count() == 2;
        let token = request.path.split('/').find(is_token).ok_or(Reason::TokenMissing)?;
        let (claims, key) = jose::verify(token, keys)?;
        let expires_s = claims.check_time(clock)?.ok_or(Reason::TokenMalformed)?;
        let video = claims.text("sub")?.filter(|id| is_video(id)).ok_or(Reason::TokenMalformed)?;
        check_rules(claims.0.get("accessRules"), request)?;
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(expires_s);
        grant.subject = Some(video.into());
        let rest = Rest::at_path(request, request.path.replacen(token, video, 1));
        grant.claims = request.wants_claims.then_some(claims.0);
        Ok(Verified::new(grant, rest))
    }
}

/// The id becomes a path segment, so it must not be able to become more.
fn is_video(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=VIDEO_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(plain)
}

/// The first rule that matches decides; when none does, the request passes.
fn check_rules(rules: Option<&Value>, request: &Request<'_>) -> Result<(), Reason> {
    let Some(rules) = rules else { return Ok(()) };
    let rules = rules.as_array().filter(|rules| rules.len() <= RULES_MAX);
    for rule in rules.ok_or(Reason::TokenMalformed)? {
        let of = |name| rule.get(name).and_then(Value::as_str).ok_or(Reason::TokenMalformed);
        let (matches, reason) = match of("type")? {
            "any" => (true, Reason::ClientMismatch),
            "ip.src" => (in_ranges(rule.get("ip"), request)?, Reason::ClientMismatch),
            "ip.geoip.country" => {
                (in_countries(rule.get("country"), request)?, Reason::CountryMismatch)
            }
            _ => return Err(Reason::ClaimUnsupported),
        };
        match (matches, of("action")?) {
            (false, "allow" | "block") => {}
            (true, "allow") => return Ok(()),
            (true, "block") => return Err(reason),
            _ => return Err(Reason::ClaimUnsupported),
        }
    }
    Ok(())
}

fn in_ranges(list: Option<&Value>, request: &Request<'_>) -> Result<bool, Reason> {
    for range in texts(list)? {
        let range: ClientPrefix = range.parse().map_err(|_| Reason::TokenMalformed)?;
        if range.contains(request.client) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn in_countries(list: Option<&Value>, request: &Request<'_>) -> Result<bool, Reason> {
    Ok(texts(list)?.iter().any(|country| Some(*country) == request.country))
}

fn texts(list: Option<&Value>) -> Result<Vec<&str>, Reason> {
    let list = list.and_then(Value::as_array).filter(|list| list.len() <= RULES_MAX);
    let texts = list.ok_or(Reason::TokenMalformed)?.iter().map(Value::as_str);
    texts.collect::<Option<_>>().ok_or(Reason::TokenMalformed)
}
