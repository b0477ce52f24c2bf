//! Requests with a bearer token over a pooled HTTP/1.1 client.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use tidegate_control_api::Fault;

use crate::{ClientError, Result};

const CONNECT_MS_MAX: u64 = 3_000;
/// How long an answer's head may take; purges wait up to a minute on purpose.
const HEAD_MS_MAX: u64 = 90_000;
/// Answers that are read whole; blobs are streamed.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The way to one control plane. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transport {
    http: Pooled<HttpConnector, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(address: &str, token: &str) -> Result<Self> {
        let failed = |reason: &str| ClientError::Address {
            address: address.to_owned(),
            reason: reason.into(),
        };
        let uri: Uri = address.parse().map_err(|_| failed("not a URL"))?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() {
            return Err(failed("expected http://host:port"));
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map_err(|_| failed("the token has characters that no token has"))?;
        authorization.set_sensitive(true);
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(Duration::from_secs(15)));
        let http = Pooled::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Ok(Self { http, base: address.trim_end_matches('/').to_owned(), authorization })
    }

    pub(crate) fn address(&self) -> &str {
        &self.base
    }

    /// Sends a request; any status but 2xx and 304 is an error.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", self.base)
            .parse()
            .map_err(|_| self.protocol(format!("{path} is not a path")))?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(AUTHORIZATION, self.authorization.clone());
        let answer =
            tokio::time::timeout(Duration::from_millis(HEAD_MS_MAX), self.http.request(request));
        let response = match answer.await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unreachable(error)),
            Err(elapsed) => return Err(self.unreachable(elapsed)),
        };
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    /// Sends JSON (or nothing) and reads JSON.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<T> {
        let bytes = self.call_bytes(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(|e| self.protocol(format!("{path}: {e}")))
    }

    pub(crate) async fn call_bytes(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Bytes> {
        let mut headers = HeaderMap::new();
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let response = self.send(method, path, headers, body.unwrap_or_default()).await?;
        self.whole(response).await
    }

    pub(crate) async fn whole(&self, response: Response<Incoming>) -> Result<Bytes> {
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        body.map(|body| body.to_bytes())
            .map_err(|source| ClientError::Unreachable { address: self.base.clone(), source })
    }

    async fn refusal(&self, response: Response<Incoming>) -> ClientError {
        let status = response.status();
        let body = self.whole(response).await.unwrap_or_default();
        let fault = serde_json::from_slice::<Fault>(&body).unwrap_or_else(|_| {
            let detail: String = String::from_utf8_lossy(&body).chars().take(200).collect();
            Fault::new(
                status.as_u16(),
                "http",
                status.canonical_reason().unwrap_or("error"),
                detail,
            )
        });
        ClientError::Refused(Box::new(fault))
    }

    pub(crate) fn protocol(&self, reason: impl Into<String>) -> ClientError {
        ClientError::Protocol { address: self.base.clone(), reason: reason.into() }
    }

    pub(crate) fn unreachable(
        &self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> ClientError {
        ClientError::Unreachable { address: self.base.clone(), source: with_cause(&source).into() }
    }
}

/// hyper's own text ("client error (Connect)") hides what happened: the cause says it.
fn with_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

/// A header map from pairs; values that no header can carry are left out.
pub(crate) fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), HeaderValue::from_str(value).ok()?)))
        .collect()
}
