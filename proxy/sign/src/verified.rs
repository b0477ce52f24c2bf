//! What a good token gives.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};
use tidegate_http::FieldList;

use crate::carry::{Carrier, Rest, cookie_without};
use crate::claims;

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
    /// The token's own id, by which its uses can be counted.
    pub token_id: Option<Box<str>>,
    /// How often it may be used; the caller counts.
    pub uses_max: Option<u32>,
    /// The subject or user it was made for.
    pub subject: Option<Box<str>>,
    /// The next token, as a `Set-Cookie` value that the answer must carry.
    pub set_cookie: Option<Box<str>>,
    /// The next token, as a field that the answer must carry: its name and value.
    pub set_field: Option<(Box<str>, Box<str>)>,
    /// All claims of a token that has any, where they are wanted.
    pub(crate) claims: Option<Map<String, Value>>,
    /// A hash of the token, where its uses count and it has no id.
    pub(crate) print: [u8; 16],
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
    /// Calls `f` with each value of a claim. `kid` is the key that signed; `sub`, `jti`, `session` and `sid` stand
    /// for what formats without claims say; any other is a claim of the token ([`Request::wants_claims`]), one
    /// inside another by both names with a dot between. A list gives each of its values.
    ///
    /// [`Request::wants_claims`]: crate::Request::wants_claims
    pub fn each_claim(&self, name: &str, f: &mut dyn FnMut(&str)) {
        let named = match name {
            "sub" => self.subject.as_deref(),
            "jti" | "cti" => self.token_id.as_deref(),
            "session" | "sid" => self.session.as_deref(),
            "kid" => Some(&*self.key_id),
            _ => None,
        };
        match (named, &self.claims) {
            (Some(value), _) => f(value),
            (None, Some(claims)) => claims::each_value(claims, name, f),
            (None, None) => {}
        }
    }

    /// What its uses are counted by: its id, or a part of its signature.
    pub fn fingerprint(&self) -> &[u8] {
        self.token_id.as_deref().map_or(&self.print[..], str::as_bytes)
    }

    /// Whether answers carry the next token.
    pub fn renews(&self) -> bool {
        self.set_cookie.is_some() || self.set_field.is_some()
    }

    pub(crate) fn new(format: &'static str, key_id: &Arc<str>) -> Self {
        Self {
            format,
            key_id: Arc::clone(key_id),
            expires_s: None,
            session: None,
            uses_max: None,
            subject: None,
            token_id: None,
            set_cookie: None,
            set_field: None,
            claims: None,
            print: [0; 16],
        }
    }
}

impl<'r> Verified<'r> {
    pub(crate) fn new(grant: Grant, rest: Rest<'r>) -> Self {
        Self { grant, carrier: rest.carrier, path: rest.path, query: rest.query }
    }

    /// Which borrows nothing of the request.
    pub(crate) fn into_owned(self) -> Verified<'static> {
        Verified {
            grant: self.grant,
            carrier: self.carrier,
            path: Cow::Owned(self.path.into_owned()),
            query: self.query.map(|query| Cow::Owned(query.into_owned())),
        }
    }

    /// With the path that goes on.
    pub(crate) fn at(mut self, path: &'r str) -> Self {
        self.path = Cow::Borrowed(path);
        self
    }

    /// What the token says.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Takes a token that came in a field or cookie off the fields that go upstream.
    pub fn strip(&self, fields: &mut FieldList) {
        match &self.carrier {
            Carrier::Query | Carrier::Path => {}
            Carrier::Header(name) => _ = fields.remove(name.as_bytes()),
            Carrier::Cookies(names) => strip_cookies(fields, names),
        }
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

fn strip_cookies(fields: &mut FieldList, names: &[Cow<'static, str>]) {
    let is_cookie = |name: &[u8]| name.eq_ignore_ascii_case(b"cookie");
    let lines: Vec<_> = fields.iter().filter(|field| is_cookie(field.name)).collect();
    let kept: Vec<_> = lines.iter().filter_map(|l| cookie_without(l.value, names)).collect();
    fields.remove("cookie");
    kept.into_iter().for_each(|line| fields.push("cookie", line));
}
