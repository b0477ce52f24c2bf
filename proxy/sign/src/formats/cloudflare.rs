//! Cloudflare's `is_timed_hmac_valid_v0`.
//!
//! `?verify=<issued>-<MAC>` as the last parameter. The MAC is HMAC-SHA256 over path, the query before the
//! parameter, and the time of issue; base64, percent-encoded. The link is good for `ttl` seconds.

use std::collections::BTreeMap;

use crate::carry::{self, Rest};
use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::{base64_either, base64url_either, percent_decoded};
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request, ten_digits};
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "cloudflare";

/// The timed HMAC with its settings: `parameter`, `ttl` (seconds, required).
#[derive(Debug)]
pub(crate) struct Cloudflare {
    parameter: String,
    ttl_s: u64,
}

impl Cloudflare {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        let mut settings = Settings::new(FORMAT, settings);
        let parameter = settings.name("parameter", "verify")?;
        settings.required("ttl")?;
        let ttl_s = settings.number("ttl", 0)?;
        settings.done()?;
        Ok(Self { parameter, ttl_s })
    }
}

impl Scheme for Cloudflare {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let token = carry::parameter(request.query, &self.parameter);
        let token = token.map_err(|_| Reason::TokenMalformed)?.ok_or(Reason::TokenMissing)?;
        let query = request.query.unwrap_or_default();
        let before = query.strip_suffix(token).ok_or(Reason::TokenMalformed)?;
        let before = before.strip_suffix(&format!("{}=", self.parameter));
        let before = before.ok_or(Reason::TokenMalformed)?.trim_end_matches('&');
        let (issued, mac) = token.split_once('-').ok_or(Reason::TokenMalformed)?;
        let joint = if before.is_empty() { "" } else { "?" };
        let message = [request.path, joint, before, issued].concat();
        let mac = mac_bytes(mac).ok_or(Reason::TokenMalformed)?;
        let key = crypto::verify(keys, None, Method::HmacSha256, message.as_bytes(), &mac)?;
        let issued_s = ten_digits(issued).ok_or(Reason::TokenMalformed)?;
        let expires_s = issued_s.saturating_add(self.ttl_s);
        if clock.is_past(expires_s) {
            return Err(Reason::Expired);
        }
        if clock.is_before(issued_s) {
            return Err(Reason::NotYetValid);
        }
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(expires_s);
        Ok(Verified::new(grant, Rest::without(request, &[&self.parameter])))
    }
}

fn mac_bytes(text: &str) -> Option<Vec<u8>> {
    let text = percent_decoded(text)?;
    base64_either(&text).or_else(|| base64url_either(&text))
}
