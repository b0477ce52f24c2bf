//! The HTTP face: reads requests, asks the application, presents. Caching is chosen here.

mod analytics;
mod bulk;
mod clicks;
#[expect(unused_qualifications, reason = "the macro of the document writes paths out")]
mod links;
mod pages;
#[expect(unused_qualifications, reason = "the macro of the document writes paths out")]
mod qr;
mod visit;

use tidegate_origin_kit::Fault;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::app::App;
use crate::settings::DEFAULT_DOMAIN;

/// The routes of the links.
pub(crate) fn router(app: App) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(links::shorten))
        .routes(routes!(links::create, links::list))
        .routes(routes!(links::read, links::change, links::delete))
        .routes(routes!(bulk::create).layer(bulk::body_limit()))
        .routes(routes!(bulk::import).layer(bulk::body_limit()))
        .routes(routes!(bulk::export))
        .routes(routes!(qr::picture))
        .routes(routes!(visit::resolve))
        .routes(routes!(visit::resolve_default))
        .routes(routes!(visit::visit, visit::unlock))
        .routes(routes!(clicks::report).layer(clicks::body_limit()))
        .routes(routes!(analytics::analytics))
        .with_state(app)
}

/// The name of the domain that a request means.
fn domain_name(given: Option<&String>) -> &str {
    given.map_or(DEFAULT_DOMAIN, String::as_str)
}

/// The version in `If-Match` (RFC 9110 section 13.1.1), as [`etag`] wrote it.
fn expected_version(headers: &http::HeaderMap) -> Result<Option<i64>, Fault> {
    let Some(value) = headers.get(http::header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or("");
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix("\"v").and_then(|t| t.strip_suffix('"')?.parse().ok());
    let bad = || Fault::Malformed("If-Match is the ETag of an answer, such as \"v3\"".to_owned());
    version.map(Some).ok_or_else(bad)
}

/// The version as an entity tag.
fn etag(version: i64) -> [(http::HeaderName, String); 1] {
    [(http::header::ETAG, format!("\"v{version}\""))]
}
