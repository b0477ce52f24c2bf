//! The demonstration page: one page that shows what edge, links and media do together.

mod files;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, header};
use tidegate_origin_kit::caching::Caching;
use tidegate_origin_kit::extract::Path;
use tidegate_origin_kit::fault::Problem;
use tidegate_origin_kit::{Fault, Service};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::figures::{EdgeFigures, Figures};

/// The page's name among the contexts.
pub(crate) const NAME: &str = "demo";

/// Only what this origin serves may run or load; the player makes its worker and its media from blobs.
const POLICY: &str = "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; img-src 'self' data:; \
     object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "demo.html")]
struct Page {
    style: &'static str,
    script: &'static str,
    player: &'static str,
    version: &'static str,
}

/// The page, its files, and the figures of the edge whose admin address is given.
pub(crate) fn service(edge_admin: Option<&str>) -> Service {
    let router = OpenApiRouter::new()
        .routes(routes!(page))
        .routes(routes!(file))
        .routes(routes!(figures))
        .with_state(edge_admin.map(EdgeFigures::new));
    Service::new(NAME, router)
}

/// The demonstration page.
#[utoipa::path(get, path = "/", tag = "demo", responses((status = 200, content_type = "text/html")))]
async fn page() -> Result<Response, Fault> {
    let page = Page {
        style: files::address("demo.css"),
        script: files::address("demo.js"),
        player: files::address("hls.light.min.js"),
        version: env!("CARGO_PKG_VERSION"),
    };
    let fields = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let html = page.render().map_err(Fault::bug)?;
    Ok((Caching::public(60).key("demo:page"), fields, html).into_response())
}

/// A file of the page; its address changes with its bytes.
#[utoipa::path(get, path = "/static/{hash}/{name}", tag = "demo", params(("hash", Path), ("name", Path)),
    responses((status = 200), (status = 404, body = Problem)))]
async fn file(Path((hash, name)): Path<(String, String)>) -> Result<Response, Fault> {
    let file = files::find(&hash, &name).ok_or(Fault::NotFound("file"))?;
    let fields: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, file.kind), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((Caching::Immutable.key("demo:static"), fields, file.bytes).into_response())
}

/// A few figures of the edge.
#[utoipa::path(get, path = "/demo/edge", tag = "demo", responses((status = 200, body = Figures)))]
async fn figures(State(edge): State<Option<EdgeFigures>>) -> Response {
    let figures = match edge {
        Some(edge) => edge.now().await,
        None => Figures::default(),
    };
    (Caching::Never, axum::Json(figures)).into_response()
}
