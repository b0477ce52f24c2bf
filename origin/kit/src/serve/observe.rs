//! What happens around every request: its id, its deadline, its figures.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::ANSWER_DEADLINE;
use crate::metrics::Metrics;
use crate::{Clock, Fault, random};

/// The field that carries a request's id, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_BYTES_MAX: usize = 64;

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that is being answered, inside a handler.
pub fn request_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

pub(super) async fn identify(request: Request, next: Next) -> Response {
    let id = given_id(request.headers()).unwrap_or_else(|| random::id(Clock::System.now()));
    let mut response = CURRENT.scope(id.clone(), next.run(request)).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

pub(super) async fn guard(request: Request, next: Next) -> Response {
    // A handler shares nothing by reference with the rest, so that a panic leaves nothing half done
    // but its own transaction, which rolls back.
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(ANSWER_DEADLINE, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => Fault::Bug(panic_text(panic.as_ref())).into_response(),
        Err(_) => {
            let cause = format!("no answer within {} s", ANSWER_DEADLINE.as_secs());
            Fault::Unavailable { retry_secs: 1, cause }.into_response()
        }
    }
}

pub(super) async fn count(
    State(metrics): State<Metrics>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = known_method(request.method().as_str());
    let response = next.run(request).await;
    // Never the path itself: whoever sends random paths must not make the figures grow.
    let route = route.as_ref().map_or("none", |matched| matched.as_str());
    metrics.answered(route, method, response.status().as_u16(), started.elapsed());
    response
}

fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits = !id.is_empty()
        && id.len() <= REQUEST_ID_BYTES_MAX
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    fits.then(|| id.to_owned())
}

fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("of an unknown type"))
}
