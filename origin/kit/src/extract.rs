//! Extractors that fail with a [`Fault`], so that also a body that cannot be read is answered as a problem.

use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use serde::de::DeserializeOwned;

use crate::Fault;

/// Bytes of a JSON body where the route sets no other limit.
pub const JSON_BYTES_MAX: usize = 64 * 1024;

/// A JSON body, with the bytes it was read from (for fingerprints).
///
/// `application/json`, any `+json`, and what `curl -d` sends by default are read; a body of another type
/// is refused with 415.
#[derive(Debug)]
pub struct Json<T> {
    /// The value.
    pub value: T,
    /// The body as it came.
    pub raw: Bytes,
}

/// The query string as a value of type `T`.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// The parameters of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        expect_json(request.headers())?;
        let raw = Bytes::from_request(request, state).await.map_err(body_fault)?;
        let value = serde_json::from_slice(&raw).map_err(|e| json_fault(&e))?;
        Ok(Self { value, raw })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|e| Fault::invalid("query", "query", e.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(e) => Err(Fault::Malformed(e.body_text())),
        }
    }
}

fn expect_json(headers: &HeaderMap) -> Result<(), Fault> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = kind.to_str().unwrap_or("").to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or("").trim();
    let fits = kind == "application/json"
        || kind.ends_with("+json")
        || kind == "application/x-www-form-urlencoded";
    if fits { Ok(()) } else { Err(Fault::MediaType("application/json")) }
}

fn body_fault(rejection: BytesRejection) -> Fault {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Fault::TooLarge(JSON_BYTES_MAX)
        }
        other => Fault::Malformed(other.body_text()),
    }
}

fn json_fault(error: &serde_json::Error) -> Fault {
    if error.is_data() {
        return Fault::invalid("", "shape", error.to_string());
    }
    Fault::Malformed(format!("the body is not JSON: {error}"))
}
