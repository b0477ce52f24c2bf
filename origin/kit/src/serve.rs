//! The HTTP server of a process: all contexts behind one address.
//!
//! Around every route lie, from outside in: the request's id, the catcher of panics with the deadline,
//! the figures. Health, figures and the OpenAPI document are routes of the server itself.

mod listen;
mod observe;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use listen::{Handle, Limits, bind};
pub use observe::{REQUEST_ID, request_id};

use crate::Fault;
use crate::caching::Caching;
use crate::extract::JSON_BYTES_MAX;
use crate::metrics::Metrics;
use crate::service::{Ready, Service, Task};

/// Time until the head of an answer must be there.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// Folds contexts into one server.
pub struct Server {
    router: OpenApiRouter,
    metrics: Metrics,
    tasks: Vec<Task>,
    ready: Vec<(&'static str, Ready)>,
}

impl Server {
    /// A server whose document is `openapi` and whose figures go to `metrics`.
    pub fn new(openapi: OpenApi, metrics: Metrics) -> Self {
        let router = OpenApiRouter::with_openapi(openapi);
        Self { router, metrics, tasks: Vec::new(), ready: Vec::new() }
    }

    /// Adds a context: its routes, its tasks, its readiness.
    #[must_use]
    pub fn with(mut self, service: Service) -> Self {
        self.router = self.router.merge(service.router);
        self.tasks.extend(service.tasks);
        self.ready.push((service.name, service.ready));
        self
    }

    /// The routes with everything around them, and the tasks that someone has to run.
    pub fn split(self) -> (Router, Vec<Task>) {
        let (routes, document) = self.router.split_for_parts();
        let routes = routes.merge(own_routes(document, self.metrics.clone(), self.ready));
        (around(routes, self.metrics), self.tasks)
    }
}

fn own_routes(document: OpenApi, metrics: Metrics, ready: Vec<(&'static str, Ready)>) -> Router {
    let document: Arc<str> = document.to_json().unwrap_or_default().into();
    let ready = Arc::new(ready);
    Router::new()
        .route("/openapi.json", get(move || openapi(Arc::clone(&document))))
        .route("/metrics", get(move || figures(metrics.clone())))
        .route("/healthz", get(|| async { (Caching::Never, "ok\n") }))
        .route("/readyz", get(move || readyz(Arc::clone(&ready))))
}

fn around(routes: Router, metrics: Metrics) -> Router {
    routes
        .fallback(|| async { Fault::NotFound("resource") })
        .method_not_allowed_fallback(|| async { Fault::Method })
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .layer(middleware::from_fn_with_state(metrics, observe::count))
        .layer(middleware::from_fn(observe::guard))
        .layer(middleware::from_fn(observe::identify))
}

async fn openapi(document: Arc<str>) -> impl axum::response::IntoResponse {
    let kind = [(http::header::CONTENT_TYPE, "application/json")];
    (Caching::public(60), kind, document.to_string())
}

async fn figures(metrics: Metrics) -> impl axum::response::IntoResponse {
    let kind = [(http::header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (Caching::Never, kind, metrics.text())
}

async fn readyz(ready: Arc<Vec<(&'static str, Ready)>>) -> Result<(Caching, &'static str), Fault> {
    for (name, check) in ready.iter() {
        check().await.map_err(|cause| Fault::Unavailable {
            retry_secs: 1,
            cause: format!("{name} is not ready: {cause}"),
        })?;
    }
    Ok((Caching::Never, "ready\n"))
}
