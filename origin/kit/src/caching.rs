//! What caches may keep: the one vocabulary of `Cache-Control` and `Surrogate-Key`.
//!
//! Handlers choose a [`Caching`] beside the data they return; nobody writes the header by hand.

use std::fmt::Write as _;

use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::{HeaderName, HeaderValue, header};

/// Field that names the groups an answer belongs to, for purges by group at the edge.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// Bytes of one `Surrogate-Key` line; keys beyond it are left out.
pub const SURROGATE_KEY_BYTES_MAX: usize = 4096;

/// How long which cache may keep an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caching {
    /// Nobody keeps it (`no-store`).
    Never,
    /// Only the caller's own cache may, and asks each time (`private, no-cache`).
    Private,
    /// Only the caller's own cache may, for so many seconds.
    Own {
        /// Seconds.
        max_age_secs: u32,
    },
    /// The bytes behind this URL never change: a year, `immutable` (RFC 8246).
    Immutable,
    /// Every cache may, for so many seconds.
    Public {
        /// Seconds for the caller's own cache.
        max_age_secs: u32,
        /// Seconds for shared caches, where they differ (RFC 9111 section 5.2.2.10).
        shared_secs: Option<u32>,
        /// Seconds during which a stale answer may be used while a fresh one is fetched (RFC 5861).
        stale_secs: u32,
    },
}

/// An answer's caching and the groups it belongs to; axum takes it as a part of a response.
#[derive(Debug, Clone)]
pub struct Cached {
    caching: Caching,
    keys: Vec<String>,
}

impl Caching {
    /// The same number of seconds for every cache.
    pub fn public(secs: u32) -> Self {
        Self::Public { max_age_secs: secs, shared_secs: None, stale_secs: 0 }
    }

    /// With one surrogate key; see [`Cached::key`] for more.
    pub fn key(self, key: impl Into<String>) -> Cached {
        Cached { caching: self, keys: vec![key.into()] }
    }

    /// The value of `Cache-Control`.
    pub fn header(&self) -> String {
        match self {
            Self::Never => "no-store".to_owned(),
            Self::Private => "private, no-cache".to_owned(),
            Self::Own { max_age_secs } => format!("private, max-age={max_age_secs}"),
            Self::Immutable => "public, max-age=31536000, immutable".to_owned(),
            Self::Public { max_age_secs, shared_secs, stale_secs } => {
                public_header(*max_age_secs, *shared_secs, *stale_secs)
            }
        }
    }
}

impl Cached {
    /// Adds a group.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }
}

impl From<Caching> for Cached {
    fn from(caching: Caching) -> Self {
        Self { caching, keys: Vec::new() }
    }
}

impl IntoResponseParts for Cached {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        if let Ok(value) = HeaderValue::from_str(&self.caching.header()) {
            parts.headers_mut().insert(header::CACHE_CONTROL, value);
        }
        if let Some(value) = surrogate_value(&self.keys) {
            parts.headers_mut().insert(SURROGATE_KEY, value);
        }
        Ok(parts)
    }
}

impl IntoResponseParts for Caching {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        Cached::from(self).into_response_parts(parts)
    }
}

impl IntoResponse for Cached {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

fn public_header(max_age: u32, shared: Option<u32>, stale: u32) -> String {
    let mut out = format!("public, max-age={max_age}");
    if let Some(secs) = shared {
        let _ = write!(out, ", s-maxage={secs}");
    }
    if stale > 0 {
        let _ = write!(out, ", stale-while-revalidate={stale}");
    }
    out
}

fn surrogate_value(keys: &[String]) -> Option<HeaderValue> {
    let mut line = String::new();
    for key in keys.iter().filter(|k| is_key(k)) {
        if line.len() + key.len() >= SURROGATE_KEY_BYTES_MAX {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(key);
    }
    (!line.is_empty()).then(|| HeaderValue::from_str(&line).ok()).flatten()
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic())
}
