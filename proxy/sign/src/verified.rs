//! What a good token gives.

use std::borrow::Cow;
use std::sync::Arc;

use crate::carry::{Carrier, Rest};

/// What the token says beyond "let it pass".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The token's format.
    pub format: &'static str,
    /// Id of the key that signed it.
    pub key_id: Arc<str>,
    /// When it ends, seconds since the Unix epoch.
    pub expires_s: Option<u64>,
    /// The session it was made for.
    pub session: Option<Box<str>>,
    /// How often it may be used; the caller counts.
    pub uses_max: Option<u32>,
    /// The subject or user it was made for.
    pub subject: Option<Box<str>>,
}

/// A request whose token was verified, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'r> {
    grant: Grant,
    carrier: Carrier,
    path: Cow<'r, str>,
    query: Option<Cow<'r, str>>,
}

impl Grant {
    pub(crate) fn new(format: &'static str, key_id: &Arc<str>) -> Self {
        Self {
            format,
            key_id: Arc::clone(key_id),
            expires_s: None,
            session: None,
            uses_max: None,
            subject: None,
        }
    }
}

impl<'r> Verified<'r> {
    pub(crate) fn new(grant: Grant, rest: Rest<'r>) -> Self {
        Self { grant, carrier: rest.carrier, path: rest.path, query: rest.query }
    }

    /// What the token says.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// How the token came; what came in a field must be taken off before the request goes upstream.
    pub fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// The path for cache key and upstream.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query for cache key and upstream; `None` when nothing is left of it.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Grant, path and query by value.
    pub fn into_parts(self) -> (Grant, Cow<'r, str>, Option<Cow<'r, str>>) {
        (self.grant, self.path, self.query)
    }
}
