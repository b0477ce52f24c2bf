//! What tests of a context need: its routes on a fresh database, a clock that stands still, and a client
//! that speaks to the router without a socket.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::serve::Server;
use crate::service::{Cx, Service, Stopper};
use crate::{Clock, Micros, Settings};

/// The time at which a test's clock stands: 2026-01-01T00:00:00Z.
pub const START: Micros = 1_767_225_600_000_000;

/// A world of its own for one test.
pub struct World {
    /// What the context under test is built from.
    pub cx: Cx,
    /// Ends its tasks.
    pub stopper: Stopper,
    _folder: tempfile::TempDir,
}

/// A client of a router.
#[derive(Clone)]
pub struct Client(Router);

/// What the router answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// Fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl World {
    /// A world with `sections` as settings, an empty folder and a clock that stands at [`START`].
    ///
    /// # Panics
    /// When no temporary folder can be made.
    #[allow(clippy::expect_used, reason = "test support: a panic is the report")]
    pub fn new(sections: Value) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sections = serde_json::from_value(sections).expect("settings are an object");
        let (mut cx, stopper) = Cx::local(folder.path().to_owned(), Settings::new(sections));
        cx.clock = Clock::manual(START);
        Self { cx, stopper, _folder: folder }
    }

    /// A client of `service`, with everything that the server puts around it; its tasks run.
    pub fn client(&self, mut service: Service) -> Client {
        service.start_tasks(&self.cx.stop);
        let openapi = utoipa::openapi::OpenApi::default();
        Client(Server::new(openapi, self.cx.metrics.clone()).with(service).split().0)
    }
}

impl Client {
    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty())).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, body, &[]).await
    }

    /// A request with a JSON body and further fields.
    pub async fn json(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if fields.iter().all(|(name, _)| *name != "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string()))).await
    }

    /// Any request.
    ///
    /// # Panics
    /// When the request is not well formed or its answer's body breaks off.
    #[allow(clippy::expect_used, reason = "test support: a panic is the report")]
    pub async fn send(&self, request: Result<Request<Body>, http::Error>) -> Answer {
        let request = request.expect("a well-formed request");
        let response = self.0.clone().oneshot(request).await;
        let (parts, body) = response.expect("a router never fails").into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[allow(clippy::expect_used, reason = "test support: a panic is the report")]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A field as text; empty when absent.
    pub fn field(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("")
    }
}
