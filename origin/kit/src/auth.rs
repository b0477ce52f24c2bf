//! Who calls: API keys as bearer tokens (RFC 6750 section 2.1), known by their SHA-256 alone.

use std::borrow::Cow;

use http::{HeaderMap, header};
use ring::digest;
use serde::Deserialize;

use crate::Fault;
use crate::pages::same;

/// The keys that a service accepts; part of its settings.
///
/// An empty list means that the service is open: so it is on one's own machine, before keys are set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Access(Vec<ApiKey>);

/// One key: its hash and what it may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Name in logs and audit rows.
    pub id: String,
    /// SHA-256 of the key, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Words such as `links:write`; `*` is all of them.
    #[serde(default)]
    pub scopes: Vec<String>,
}

/// Whoever passed [`Access::require`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The key's name, or `open` where no keys are set.
    pub id: Cow<'static, str>,
}

impl Access {
    /// The caller, when it may do `scope`.
    ///
    /// # Errors
    /// 401 without a known key, 403 when the key lacks the scope.
    pub fn require(&self, headers: &HeaderMap, scope: &'static str) -> Result<Principal, Fault> {
        if self.0.is_empty() {
            return Ok(Principal { id: Cow::Borrowed("open") });
        }
        let key = bearer(headers).and_then(|token| self.find(token));
        let key = key.ok_or(Fault::Unauthenticated)?;
        if !key.may(scope) {
            return Err(Fault::Forbidden(Cow::Borrowed(scope)));
        }
        Ok(Principal { id: Cow::Owned(key.id.clone()) })
    }

    fn find(&self, token: &str) -> Option<&ApiKey> {
        let hash = sha256_hex(token.as_bytes());
        self.0.iter().find(|key| same(key.sha256.as_bytes(), hash.as_bytes()))
    }
}

impl ApiKey {
    fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|s| s == "*" || s == scope)
    }
}

/// SHA-256 of `bytes` in lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
