//! OvenMediaEngine's SignedPolicy.
//!
//! `?policy=<base64url JSON>&signature=<base64url MAC>`, HMAC-SHA1 over the whole URL before `&signature`,
//! port always written out. Times are milliseconds.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::carry::{self, Rest};
use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::base64url_either;
use crate::key::Key;
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::scope::ClientPrefix;
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "ome-signed-policy";

const POLICY_BYTES_MAX: usize = 2048;

/// SignedPolicy; it has no settings.
#[derive(Debug)]
pub(crate) struct OmeSignedPolicy(());

impl OmeSignedPolicy {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        Settings::new(FORMAT, settings).done().map(|()| Self(()))
    }
}

impl Scheme for OmeSignedPolicy {
    fn format(&self) -> &'static str {
        FORMAT
    }

    fn verify<'r>(
        &self,
        keys: &[Key],
        request: &Request<'r>,
        clock: Clock,
    ) -> Result<Verified<'r>, Reason> {
        let of = |name| carry::parameter(request.query, name).map_err(|_| Reason::TokenMalformed);
        let policy = of("policy")?.ok_or(Reason::TokenMissing)?;
        let signature = of("signature")?.ok_or(Reason::TokenMissing)?;
        let mac = base64url_either(signature).ok_or(Reason::TokenMalformed)?;
        let key = signer(keys, request, signature, &mac)?;
        let policy = read(policy).ok_or(Reason::TokenMalformed)?;
        let expires_ms = check(&policy, request, clock)?;
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(expires_ms / 1000);
        Ok(Verified::new(grant, Rest::without(request, &["policy", "signature"])))
    }
}

fn signer<'k>(
    keys: &'k [Key],
    request: &Request<'_>,
    signature: &str,
    mac: &[u8],
) -> Result<&'k Key, Reason> {
    let query = request.query.unwrap_or_default();
    let query = query.strip_suffix(signature).and_then(|q| q.strip_suffix("&signature="));
    let query = query.ok_or(Reason::TokenMalformed)?;
    let port = request.port.unwrap_or(if request.https { 443 } else { 80 });
    // A WebSocket comes as an HTTP request; its URL was signed with the other scheme.
    let schemes = if request.https { ["https", "wss"] } else { ["http", "ws"] };
    let verify = |scheme: &str| {
        let url = format!("{scheme}://{}:{port}{}?{query}", request.host, request.path);
        crypto::verify(keys, None, Method::HmacSha1, url.as_bytes(), mac)
    };
    verify(schemes[0]).or_else(|_| verify(schemes[1]))
}

fn read(policy: &str) -> Option<serde_json::Map<String, Value>> {
    let json = base64url_either(policy).filter(|json| json.len() <= POLICY_BYTES_MAX)?;
    match serde_json::from_slice(&json).ok()? {
        Value::Object(policy) => Some(policy),
        _ => None,
    }
}

fn check(
    policy: &serde_json::Map<String, Value>,
    request: &Request<'_>,
    clock: Clock,
) -> Result<u64, Reason> {
    let mut expires_ms = None;
    for (name, value) in policy {
        match (name.as_str(), value) {
            ("url_expire", Value::Number(n)) => expires_ms = n.as_u64(),
            ("url_activate", Value::Number(n)) => {
                let starts_ms = n.as_u64().ok_or(Reason::TokenMalformed)?;
                if clock.is_before(starts_ms.div_ceil(1000)) {
                    return Err(Reason::NotYetValid);
                }
            }
            ("allow_ip" | "real_ip", Value::String(range)) => {
                let range: ClientPrefix = range.parse().map_err(|_| Reason::TokenMalformed)?;
                if !range.contains(request.client) {
                    return Err(Reason::ClientMismatch);
                }
            }
            // When a stream that began ends is for the media server to see to.
            ("stream_expire", Value::Number(_)) => {}
            _ => return Err(Reason::ClaimUnsupported),
        }
    }
    let expires_ms = expires_ms.ok_or(Reason::TokenMalformed)?;
    if clock.is_past(expires_ms / 1000) { Err(Reason::Expired) } else { Ok(expires_ms) }
}

/// Fuzz body: any bytes as a policy.
pub(crate) fn fuzz(data: &[u8]) {
    if let Some(policy) = read(&crate::encode::to_base64url(data)) {
        let _ = check(&policy, &Request::fuzzed(), Clock { now_s: 1, skew_s: 0 });
    }
}
