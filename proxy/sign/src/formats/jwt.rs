//! Plain JWT (RFC 7519), as query parameter, cookie or bearer token (RFC 6750).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::carry::{self, Carrier, Names, Rest};
use crate::denial::Reason;
use crate::encode::to_base64url;
use crate::jose::{self, Claims};
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::scope::glob;
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "jwt";

const BEARER: &str = "bearer ";
const GLOBS_MAX: usize = 64;

/// JWT with its settings: `parameter`, `issuer`, `audience`, `path_claim` (a glob of paths or a list of
/// them; without it a token opens the whole route), `require_exp`.
#[derive(Debug)]
pub(crate) struct Jwt {
    parameter: String,
    issuer: Option<String>,
    audience: Option<String>,
    path_claim: Option<String>,
    require_exp: bool,
}

impl Jwt {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let parameter = settings.name("parameter", "token")?;
        let issuer = settings.optional("issuer").map(str::to_owned);
        let audience = settings.optional("audience").map(str::to_owned);
        let path_claim = settings.optional("path_claim").map(str::to_owned);
        let require_exp = settings.number("require_exp", true)?;
        settings.done()?;
        Ok(Self { parameter, issuer, audience, path_claim, require_exp })
    }

    fn check_path(&self, claims: &Claims, path: &str) -> Result<(), Reason> {
        let Some(name) = &self.path_claim else { return Ok(()) };
        let opens = |pattern: &str| glob(pattern.as_bytes(), path.as_bytes());
        let opens = match claims.0.get(name) {
            Some(Value::String(pattern)) => opens(pattern),
            Some(Value::Array(patterns)) if patterns.len() <= GLOBS_MAX => {
                patterns.iter().filter_map(Value::as_str).any(opens)
            }
            _ => return Err(Reason::TokenMalformed),
        };
        if opens { Ok(()) } else { Err(Reason::ScopeMismatch) }
    }
}

impl Scheme for Jwt {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let (text, rest) = find(request, &self.parameter)?;
        let (claims, key) = jose::verify(text, keys)?;
        let expires_s = claims.check_time(clock)?;
        if self.require_exp && expires_s.is_none() {
            return Err(Reason::TokenMalformed);
        }
        claims.check_parties(self.issuer.as_deref(), self.audience.as_deref())?;
        self.check_path(&claims, request.path)?;
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = expires_s;
        grant.subject = claims.text("sub")?.map(Into::into);
        grant.token_id = claims.text("jti")?.map(Into::into);
        grant.claims = request.wants_claims.then_some(claims.0);
        Ok(Verified::new(grant, rest))
    }
}

fn find<'r>(request: &Request<'r>, parameter: &str) -> Result<(&'r str, Rest<'r>), Reason> {
    match carry::find(request, &Names { parameter, cookie: parameter, field: None }) {
        Err(Reason::TokenMissing) => {}
        decided => return decided,
    }
    let value = carry::header(request.fields, "authorization").ok_or(Reason::TokenMissing)?;
    let (scheme, token) = value.split_at_checked(BEARER.len()).ok_or(Reason::TokenMissing)?;
    match scheme.eq_ignore_ascii_case(BEARER) {
        true => Ok((token.trim(), Rest::whole(request, Carrier::Header("authorization".into())))),
        false => Err(Reason::TokenMissing),
    }
}

/// Fuzz body for all formats of JWT: any bytes as the payload of a token that a key has signed.
pub(crate) fn fuzz(format: &str, data: &[u8], key: &Key) {
    let text = ["{\"alg\":\"HS256\"}".as_bytes(), data].map(to_base64url).join(".");
    let Some(mac) = key.sign(text.as_bytes()) else { return };
    let token = [&text, ".", &to_base64url(&mac)].concat();
    let (path, query) = (format!("/{token}/a"), format!("token={token}&URISigningPackage={token}"));
    let request = Request { path: &path, query: Some(&query), ..Request::fuzzed() };
    if let Ok(scheme) = super::build(format, &BTreeMap::new()) {
        let _ = scheme.verify(std::slice::from_ref(key), &request, Clock { now_s: 1, skew_s: 0 });
    }
}
