//! Where edges report clicks.

use axum::extract::{DefaultBodyLimit, State};
use http::HeaderMap;
use tidegate_origin_kit::Fault;
use tidegate_origin_kit::extract::Json;
use tidegate_origin_kit::fault::Problem;

use crate::app::{Accepted, App, Batch};

/// Bytes of a batch.
const BATCH_BYTES_MAX: usize = 1 << 20;
const REPORT: &str = "clicks:report";

/// Reports clicks, each at least once; a click is counted once.
#[utoipa::path(post, path = "/v1/clicks", tag = "clicks", request_body = Batch, responses(
    (status = 200, description = "counted for good", body = Accepted), (status = 400, body = Problem),
    (status = 401, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn report(
    State(app): State<App>,
    headers: HeaderMap,
    body: Json<Batch>,
) -> Result<axum::Json<Accepted>, Fault> {
    app.settings.now().api_keys.require(&headers, REPORT)?;
    app.count(body.value).await.map(axum::Json)
}

/// Lets batches be larger than other bodies.
pub(crate) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BATCH_BYTES_MAX)
}
