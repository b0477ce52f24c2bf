//! Many links at once, as JSON or as a table.

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, header};
use serde::Serialize;
use tidegate_origin_kit::caching::Caching;
use tidegate_origin_kit::extract::Json;
use tidegate_origin_kit::fault::Problem;
use tidegate_origin_kit::pages::{PAGE_ROWS_MAX, Paging};
use tidegate_origin_kit::{Fault, Moment};
use utoipa::ToSchema;

use super::links::{READ, WRITE, recorded};
use crate::app::{App, Bulk, Outcome};
use crate::model::csv;
use crate::model::link::Link;
use crate::settings::DEFAULT_DOMAIN;
use crate::store::Filter;

const BULK_BYTES_MAX: usize = 1 << 20;
const CSV: &str = "text/csv; charset=utf-8";

/// What became of many links.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Outcomes {
    /// Links that were created.
    created: usize,
    /// One for each link of the request, in its order.
    results: Vec<Outcome>,
}

/// Creates up to 1000 links; those that cannot be created do not keep back the others.
#[utoipa::path(post, path = "/v1/links/bulk", tag = "links", request_body = Bulk, responses(
    (status = 200, body = Outcomes), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: Json<Bulk>,
) -> Result<Response, Fault> {
    let caller = app.settings.now().api_keys.require(&headers, WRITE)?;
    let links = body.value.links.into_iter().map(Ok).enumerate().collect();
    app.create_all(links, &caller.id, recorded).await.map(answer)
}

/// Creates the links of a CSV table; its first line names the columns, `url` among them.
#[utoipa::path(post, path = "/v1/links/import", tag = "links", request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = Outcomes), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn import(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    let caller = app.settings.now().api_keys.require(&headers, WRITE)?;
    let text = std::str::from_utf8(&body).map_err(|e| Fault::Malformed(e.to_string()))?;
    app.import(text, &caller.id, recorded).await.map(answer)
}

/// All links of the default domain as a CSV table, newest first.
#[utoipa::path(get, path = "/v1/links/export", tag = "links", responses(
    (status = 200, content_type = "text/csv"), (status = 401, body = Problem)))]
pub(crate) async fn export(State(app): State<App>, headers: HeaderMap) -> Result<Response, Fault> {
    app.settings.now().api_keys.require(&headers, READ)?;
    let names = [
        "code",
        "url",
        "state",
        "redirect",
        "title",
        "tags",
        "created_at",
        "expires_at",
        "max_visits",
    ];
    let head = Ok::<_, std::io::Error>(csv::write(&names));
    let pages = stream::try_unfold(Some(None), move |cursor| next_page(app.clone(), cursor));
    let body = stream::StreamExt::chain(stream::iter([head]), pages);
    let fields = [
        (header::CONTENT_TYPE, CSV),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"links.csv\""),
    ];
    Ok((Caching::Never, fields, Body::from_stream(body)).into_response())
}

/// Lets bodies be larger than elsewhere.
pub(crate) fn body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BULK_BYTES_MAX)
}

type Cursor = Option<Option<String>>;

/// The rows of a page and where the next one begins. A fault cuts the table off: half a table must not
/// look like a whole one.
async fn next_page(app: App, cursor: Cursor) -> std::io::Result<Option<(String, Cursor)>> {
    let Some(cursor) = cursor else { return Ok(None) };
    let filter = Filter { domain: DEFAULT_DOMAIN.to_owned(), ..Filter::default() };
    let page = app.list(filter, &Paging { limit: Some(PAGE_ROWS_MAX), cursor }).await;
    let page = page.map_err(std::io::Error::other)?;
    let rows = page.items.iter().map(record).collect();
    Ok(Some((rows, page.next.map(Some))))
}

fn record(link: &Link) -> String {
    let optional = |micros: Option<i64>| micros.map(|m| Moment(m).to_string()).unwrap_or_default();
    csv::write(&[
        &link.code,
        &link.target,
        link.state.word(),
        &link.status.to_string(),
        link.extra.title.as_deref().unwrap_or(""),
        &link.extra.tags.join(";"),
        &Moment(link.created_at).to_string(),
        &optional(link.expires_at),
        &link.visits_max.map(|n| n.to_string()).unwrap_or_default(),
    ])
}

fn answer(results: Vec<Outcome>) -> Response {
    let created = results.iter().filter(|outcome| outcome.link.is_some()).count();
    (Caching::Never, axum::Json(Outcomes { created, results })).into_response()
}
