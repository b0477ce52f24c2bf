//! Requests for the tests of the formats.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use ring::hmac;
use tidegate_http::FieldList;

use crate::crypto::{Method, hash};
use crate::{Algorithm, Denial, Key, Keyset, KeysetOptions, Reason, Request, verify};

/// A request that owns its parts.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) https: bool,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) path_sent: Option<String>,
    pub(crate) query: Option<String>,
    pub(crate) client: String,
    pub(crate) country: Option<String>,
    pub(crate) fields: FieldList,
}

/// Path and query that would go upstream.
pub(crate) type Rest = (String, Option<String>);

impl Call {
    pub(crate) fn get(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (authority, target) = rest.split_at(rest.find('/').expect("a path"));
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None => (authority, None),
        };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self {
            https: matches!(scheme, "https" | "wss"),
            host: host.to_owned(),
            port,
            method: "GET".to_owned(),
            path: path.to_owned(),
            path_sent: None,
            query,
            client: "1.2.3.4".to_owned(),
            country: None,
            fields: FieldList::default(),
        }
    }

    pub(crate) fn from(mut self, client: &str) -> Self {
        self.client = client.to_owned();
        self
    }

    pub(crate) fn inside(mut self, country: &str) -> Self {
        self.country = Some(country.to_owned());
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push(name, value);
        self
    }

    pub(crate) fn verify(&self, keyset: &Keyset, now_s: u64) -> Result<Rest, Reason> {
        self.grant(keyset, now_s).map(|(_, rest)| rest)
    }

    pub(crate) fn grant(
        &self,
        keyset: &Keyset,
        now_s: u64,
    ) -> Result<(crate::Grant, Rest), Reason> {
        let request = Request {
            https: self.https,
            host: &self.host,
            port: self.port,
            method: &self.method,
            path: &self.path,
            path_sent: self.path_sent.as_deref().unwrap_or(&self.path),
            query: self.query.as_deref(),
            client: self.client.parse().expect("an address"),
            country: self.country.as_deref(),
            fields: &self.fields,
            wants_claims: true,
        };
        let verified = verify(keyset, &request, now_s).map_err(|Denial { reason, .. }| reason)?;
        let (grant, path, query) = verified.into_parts();
        Ok((grant, (path.into_owned(), query.map(|query| query.into_owned()))))
    }
}

pub(crate) fn key(id: &str, algorithm: Algorithm, text: &str) -> Key {
    Key::from_text(id, algorithm, text).expect("a key")
}

pub(crate) fn secret(text: &str) -> Vec<Key> {
    vec![key("k1", Algorithm::HmacSha256, text)]
}

pub(crate) fn keyset(format: &str, settings: &[(&str, &str)], keys: Vec<Key>) -> Keyset {
    let settings = settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let formats = vec![(format.to_owned(), settings)];
    Keyset::new(KeysetOptions { name: "test".to_owned(), keys, formats, skew_s: 0 })
        .expect("a keyset")
}

/// Changes each character of `token` in turn, wherever `make` puts it, and leaves each out in turn; the
/// unchanged token must be good and no other.
pub(crate) fn mutate(token: &str, keyset: &Keyset, now_s: u64, make: impl Fn(&str) -> Call) {
    make(token).verify(keyset, now_s).expect("the unchanged token is good");
    for at in 0..token.len() {
        let was = token.as_bytes()[at];
        let other = match was {
            b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Y' => (was + 1) as char,
            _ => 'A',
        };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        let shorter = format!("{}{}", &token[..at], &token[at + 1..]);
        for token in [changed, shorter] {
            assert!(make(&token).verify(keyset, now_s).is_err(), "{token}");
        }
    }
}

pub(crate) fn hmac_sign(key: &Key, method: Method, message: &[u8]) -> Option<Vec<u8>> {
    let key = hmac::Key::new(hash(method)?, key.secret()?);
    Some(hmac::sign(&key, message).as_ref().to_vec())
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// With padding.
pub(crate) fn to_base64url_padded(bytes: &[u8]) -> String {
    URL_SAFE.encode(bytes)
}
