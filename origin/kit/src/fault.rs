//! Faults: the one way in which a service says no (RFC 9457, `application/problem+json`).
//!
//! Which kind is chosen decides the status; the text of a 4xx is for the caller, the text of a 5xx stays
//! in the log, next to the request's id that the answer carries as `trace`.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::serve::request_id;

/// Media type of a fault's body (RFC 9457 section 3).
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, from the caller's point of view.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// 400: the bytes are not what the endpoint reads.
    #[error("{0}")]
    Malformed(String),
    /// 401: no key, or one that is not known.
    #[error("an API key is required")]
    Unauthenticated,
    /// 403: the key is known and does not carry the scope.
    #[error("the API key lacks the scope `{0}`")]
    Forbidden(Cow<'static, str>),
    /// 404: names what was looked for.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// 405: the resource is there and does not take this method.
    #[error("this resource does not take that method")]
    Method,
    /// 409: the request and the state exclude one another.
    #[error("{detail}")]
    Conflict {
        /// Stable word, last part of the problem's `type`.
        code: &'static str,
        /// Text for the caller.
        detail: String,
    },
    /// 410: it was there once.
    #[error("this {0} is gone")]
    Gone(&'static str),
    /// 412: the version in `If-Match` is not the one that is stored.
    #[error("the stored version is {0}")]
    Stale(i64),
    /// 413: more bytes than the endpoint takes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// 415: another media type than the endpoint reads.
    #[error("send the body as {0}")]
    MediaType(&'static str),
    /// 422: well formed, and not acceptable; each violation has its place.
    #[error("{}", summary(.0))]
    Invalid(Vec<Violation>),
    /// 429: too often; seconds to wait.
    #[error("too many requests")]
    TooMany {
        /// Seconds until the next attempt makes sense.
        retry_secs: u32,
    },
    /// 451: taken down (RFC 7725).
    #[error("unavailable for legal reasons")]
    Legal,
    /// 503: something this service needs is away; the cause is logged.
    #[error("unavailable: {cause}")]
    Unavailable {
        /// Seconds until the next attempt makes sense.
        retry_secs: u32,
        /// For the log.
        cause: String,
    },
    /// 500: a defect; the cause is logged.
    #[error("defect: {0}")]
    Bug(String),
}

/// One place of a request that cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
pub struct Violation {
    /// JSON pointer into the body (RFC 6901), or the name of a query parameter.
    pub pointer: String,
    /// Stable word for programs.
    pub code: String,
    /// Text for people.
    pub detail: String,
}

/// The body of every fault (RFC 9457 section 3.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:tidegate:problem:<word>`; programs compare this.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every occurrence of the kind.
    pub title: String,
    /// The status code of the answer.
    pub status: u16,
    /// What is special about this occurrence; absent for a 5xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Each place that was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
    /// The request's id, as in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl Fault {
    /// A single violation as a fault.
    pub fn invalid(pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(pointer, code, detail)])
    }

    /// A defect, whatever its type; the text is for the log alone.
    pub fn bug(cause: impl std::fmt::Display) -> Self {
        Self::Bug(cause.to_string())
    }

    /// The status code of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Gone(_) => StatusCode::GONE,
            Self::Stale(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Legal => StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Bug(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The last part of the problem's `type`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not-found",
            Self::Method => "method",
            Self::Conflict { code, .. } => code,
            Self::Gone(_) => "gone",
            Self::Stale(_) => "stale",
            Self::TooLarge(_) => "too-large",
            Self::MediaType(_) => "media-type",
            Self::Invalid(_) => "invalid",
            Self::TooMany { .. } => "too-many-requests",
            Self::Legal => "legal",
            Self::Unavailable { .. } => "unavailable",
            Self::Bug(_) => "defect",
        }
    }

    /// The body that the caller gets.
    pub fn problem(&self) -> Problem {
        let status = self.status();
        let open = status.is_client_error();
        Problem {
            kind: format!("urn:tidegate:problem:{}", self.code()),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: open.then(|| self.to_string()),
            errors: if let Self::Invalid(all) = self { all.clone() } else { Vec::new() },
            trace: request_id(),
        }
    }

    fn extra_header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::TooMany { retry_secs } | Self::Unavailable { retry_secs, .. } => {
                Some((header::RETRY_AFTER, HeaderValue::from(*retry_secs)))
            }
            // RFC 9110 section 11.6.1: a 401 names at least one challenge.
            Self::Unauthenticated => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            _ => None,
        }
    }

    fn log(&self) {
        match self {
            Self::Bug(cause) => tracing::error!(%cause, trace = request_id(), "request failed"),
            Self::Unavailable { cause, .. } => {
                tracing::warn!(%cause, trace = request_id(), "request failed");
            }
            _ => {}
        }
    }
}

impl Violation {
    /// `pointer` is a JSON pointer into the body or the name of a query parameter.
    pub fn new(pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), code: code.to_owned(), detail: detail.into() }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        self.log();
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        // Whoever wants a fault kept for a while says so; the default is never.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.extra_header() {
            headers.insert(name, value);
        }
        response
    }
}

fn summary(all: &[Violation]) -> String {
    let texts: Vec<&str> = all.iter().map(|v| v.detail.as_str()).collect();
    texts.join("; ")
}
