//! What is known of a link's clicks.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use tidegate_origin_kit::Fault;
use tidegate_origin_kit::caching::Caching;
use tidegate_origin_kit::extract::{Path, Query};
use tidegate_origin_kit::fault::Problem;

use super::domain_name;
use crate::app::{Analytics, App, Wanted};

const READ: &str = "links:read";

/// Clicks over time, where they came from, and the share of programs among them.
#[utoipa::path(get, path = "/analytics/{code}", tag = "clicks", params(("code", Path), Wanted), responses(
    (status = 200, body = Analytics), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn analytics(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let settings = app.settings.now();
    settings.api_keys.require(&headers, READ)?;
    let domain = App::known(&settings, domain_name(wanted.domain.as_ref()))?;
    let answer = app.analytics(domain, &code, &wanted).await?;
    Ok((Caching::Private, axum::Json(answer)).into_response())
}
