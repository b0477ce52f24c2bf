//! Amazon CloudFront signed URLs and signed cookies, canned and custom policies.
//!
//! `Expires` or `Policy`, `Signature`, `Key-Pair-Id` and sometimes `Hash-Algorithm`, as query parameters or as
//! cookies with `CloudFront-` before the name. A canned policy is rebuilt from the request, byte for byte; a
//! custom one is verified as it came, before it is read.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::carry::{self, Carrier, Rest};
use crate::crypto::{self, Method};
use crate::denial::Reason;
use crate::encode::{base64_either, percent_decoded};
use crate::key::{Algorithm, Key};
use crate::keyset::{KeysetError, Scheme};
use crate::request::{Clock, Request};
use crate::scope::{ClientPrefix, wildcard};
use crate::settings::Settings;
use crate::verified::{Grant, Verified};

#[cfg(test)]
mod tests;

/// The format's word.
pub(crate) const FORMAT: &str = "cloudfront";

const POLICY_BYTES_MAX: usize = 4096;
const SIGNATURE_BYTES_MAX: usize = 2048;
const PARAMETERS: [&str; 5] = ["Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"];
const COOKIES: [&str; 5] = [
    "CloudFront-Expires",
    "CloudFront-Policy",
    "CloudFront-Signature",
    "CloudFront-Key-Pair-Id",
    "CloudFront-Hash-Algorithm",
];

/// CloudFront's two ways; it has no settings.
#[derive(Debug)]
pub(crate) struct CloudFront(());

/// The five values, in the order of the names above.
struct Token<'t> {
    expires: Option<&'t str>,
    policy: Option<&'t str>,
    signature: &'t str,
    key_id: &'t str,
    hash: Option<&'t str>,
}

/// What a policy says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Policy {
    resource: Option<String>,
    expires_s: u64,
    starts_s: Option<u64>,
    client: Option<ClientPrefix>,
}

impl CloudFront {
    pub(crate) fn new(settings: &BTreeMap<String, String>) -> Result<Self, KeysetError> {
        Settings::new(FORMAT, settings).done().map(|()| Self(()))
    }
}

impl Scheme for CloudFront {
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
        let url = rest.url(request);
        let (message, custom) = token.message(&url)?;
        let key = token.signer(keys, &message)?;
        let policy = match custom {
            true => Policy::read(&message)?,
            false => Policy { expires_s: token.expires_s()?, ..Policy::default() },
        };
        policy.check(&url, request, clock)?;
        let mut grant = Grant::new(FORMAT, key.shared_id());
        grant.expires_s = Some(policy.expires_s);
        Ok(Verified::new(grant, rest))
    }
}

fn find<'r>(request: &Request<'r>) -> Result<(Token<'r>, Rest<'r>), Reason> {
    let mut values = [None; 5];
    for (value, name) in values.iter_mut().zip(PARAMETERS) {
        *value = carry::parameter(request.query, name).map_err(|_| Reason::TokenMalformed)?;
    }
    if values[2].is_some() {
        return Ok((Token::new(values)?, Rest::without(request, &PARAMETERS)));
    }
    let values = COOKIES.map(|name| carry::cookie(request.fields, name));
    if values[2].is_none() {
        return Err(Reason::TokenMissing);
    }
    let names = COOKIES.into_iter().map(Into::into).collect();
    Ok((Token::new(values)?, Rest::whole(request, Carrier::Cookies(names))))
}

impl<'t> Token<'t> {
    fn new(
        [expires, policy, signature, key_id, hash]: [Option<&'t str>; 5],
    ) -> Result<Self, Reason> {
        let demand = |value: Option<&'t str>| value.ok_or(Reason::TokenMalformed);
        if expires.is_some() == policy.is_some() {
            return Err(Reason::TokenMalformed);
        }
        let (signature, key_id) = (demand(signature)?, demand(key_id)?);
        Ok(Self { expires, policy, signature, key_id, hash })
    }

    fn expires_s(&self) -> Result<u64, Reason> {
        self.expires.and_then(|text| text.parse().ok()).ok_or(Reason::TokenMalformed)
    }

    /// The signed bytes, and whether they are a custom policy.
    fn message(&self, url: &str) -> Result<(Vec<u8>, bool), Reason> {
        if let Some(policy) = self.policy {
            let bytes = decoded(policy, POLICY_BYTES_MAX).ok_or(Reason::TokenMalformed)?;
            return Ok((bytes, true));
        }
        let expires_s = self.expires_s()?;
        let policy = format!(
            "{{\"Statement\":[{{\"Resource\":\"{url}\",\"Condition\":{{\"DateLessThan\":\
             {{\"AWS:EpochTime\":{expires_s}}}}}}}]}}"
        );
        Ok((policy.into_bytes(), false))
    }

    fn signer<'k>(&self, keys: &'k [Key], message: &[u8]) -> Result<&'k Key, Reason> {
        let signed = decoded(self.signature, SIGNATURE_BYTES_MAX).ok_or(Reason::TokenMalformed)?;
        let key = keys.iter().find(|key| key.id() == self.key_id).ok_or(Reason::KeyUnknown)?;
        let method = match (key.algorithm(), self.hash) {
            (Algorithm::RsaPublic, None | Some("SHA1")) => Method::RsaSha1,
            (Algorithm::RsaPublic, Some("SHA256")) => Method::RsaSha256,
            (Algorithm::EcdsaP256Public, None | Some("SHA1")) => Method::EcdsaDerSha1,
            (Algorithm::EcdsaP256Public, Some("SHA256")) => Method::EcdsaDer,
            (Algorithm::RsaPublic | Algorithm::EcdsaP256Public, _) => {
                return Err(Reason::TokenMalformed);
            }
            _ => return Err(Reason::KeyUnknown),
        };
        crypto::verify(keys, Some(self.key_id), method, message, &signed)
    }
}

impl Policy {
    /// Reads verified bytes. A condition that is not known could be a restriction, so it is refused.
    fn read(bytes: &[u8]) -> Result<Self, Reason> {
        let json: Value = serde_json::from_slice(bytes).map_err(|_| Reason::TokenMalformed)?;
        let statements = json.get("Statement").and_then(Value::as_array);
        let [statement] = statements.ok_or(Reason::TokenMalformed)?.as_slice() else {
            return Err(Reason::TokenMalformed);
        };
        let resource = statement.get("Resource").map(text).transpose()?.map(str::to_owned);
        let mut policy = Self { resource, ..Self::default() };
        let conditions = statement.get("Condition").and_then(Value::as_object);
        let mut ends = false;
        for (name, value) in conditions.ok_or(Reason::TokenMalformed)? {
            match name.as_str() {
                "DateLessThan" => (policy.expires_s, ends) = (epoch(value)?, true),
                "DateGreaterThan" => policy.starts_s = Some(epoch(value)?),
                "IpAddress" => policy.client = Some(source_ip(value)?),
                _ => return Err(Reason::ClaimUnsupported),
            }
        }
        if ends { Ok(policy) } else { Err(Reason::TokenMalformed) }
    }

    fn check(&self, url: &str, request: &Request<'_>, clock: Clock) -> Result<(), Reason> {
        if self.starts_s.is_some_and(|starts_s| clock.is_before(starts_s)) {
            return Err(Reason::NotYetValid);
        }
        if clock.is_past(self.expires_s) {
            return Err(Reason::Expired);
        }
        // A custom policy without a resource opens everything of the key's owner.
        let opens = |resource: &String| wildcard(resource.as_bytes(), url.as_bytes());
        if !self.resource.as_ref().is_none_or(opens) {
            return Err(Reason::ScopeMismatch);
        }
        // `0.0.0.0/0` is how the vendor's guides write "everybody".
        match self.client.is_none_or(|range| range.bits() == 0 || range.contains(request.client)) {
            true => Ok(()),
            false => Err(Reason::ClientMismatch),
        }
    }
}

/// CloudFront's base64: `-` for `+`, `_` for `=`, `~` for `/`.
fn decoded(text: &str, bytes_max: usize) -> Option<Vec<u8>> {
    // Some clients escape the tilde.
    let text = percent_decoded(text)?;
    if text.len() > bytes_max.div_ceil(3) * 4 {
        return None;
    }
    let standard: String = text
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '=',
            '~' => '/',
            '+' | '=' | '/' => '!',
            c => c,
        })
        .collect();
    base64_either(&standard)
}

fn text(value: &Value) -> Result<&str, Reason> {
    value.as_str().ok_or(Reason::TokenMalformed)
}

fn epoch(value: &Value) -> Result<u64, Reason> {
    value.get("AWS:EpochTime").and_then(Value::as_u64).ok_or(Reason::TokenMalformed)
}

fn source_ip(value: &Value) -> Result<ClientPrefix, Reason> {
    let range = value.get("AWS:SourceIp").ok_or(Reason::TokenMalformed)?;
    text(range)?.parse().map_err(|_| Reason::TokenMalformed)
}

/// Fuzz body: any bytes as a policy, and as its encoding.
pub(crate) fn fuzz(data: &[u8]) {
    let clock = Clock { now_s: 1, skew_s: 0 };
    if let Ok(policy) = Policy::read(data) {
        let _ = policy.check("https://h/a", &Request::fuzzed(), clock);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = decoded(text, POLICY_BYTES_MAX);
    }
}
