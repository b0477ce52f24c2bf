//! Errors as answers.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tidegate_control_api::{Fault, Problem, paths};
use tidegate_control_store::StoreError;

/// An error answer.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Fault);

impl Refusal {
    pub(crate) fn new(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self(Fault::new(status, kind, title, detail))
    }

    pub(crate) fn invalid(problems: Vec<Problem>) -> Self {
        Self(Fault::invalid(problems))
    }

    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(404, "not-found", "nothing is there", format!("{what} was not found"))
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(400, "bad-request", "the request cannot be understood", detail)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::Stale { .. } => Self::new(412, "stale", "the spec has moved on", detail),
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::RolloutRunning(_) => {
                Self::new(409, "rollout-running", "a rollout is under way", detail)
            }
            StoreError::Refused(_) => {
                Self::new(422, "refused", "the request is out of bounds", detail)
            }
            StoreError::Sql(_) | StoreError::Io { .. } | StoreError::Corrupt { .. } => {
                tracing::error!(%error, "store failed");
                let detail = "the control plane's store failed; its log says why";
                Self::new(503, "store", "nothing was changed", detail)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let kind = HeaderValue::from_static(paths::PROBLEM_JSON);
        (status, [(CONTENT_TYPE, kind)], body).into_response()
    }
}
