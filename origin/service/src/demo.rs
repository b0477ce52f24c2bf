//! The demonstration page: one page that shows what edge, links and media do together.

mod files;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, header};
use serde::Deserialize;
use tidegate_origin_kit::caching::Caching;
use tidegate_origin_kit::extract::Path;
use tidegate_origin_kit::fault::Problem;
use tidegate_origin_kit::service::BootError;
use tidegate_origin_kit::settings::Typed;
use tidegate_origin_kit::{Cx, Fault, Service};
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

/// The section `demo` of the services' settings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DemoSettings {
    /// The admin address of an edge, `host:port`, whose figures the page shows; none when empty.
    edge_admin: String,
}

#[derive(Clone)]
struct Desk {
    settings: Typed<DemoSettings>,
    figures: EdgeFigures,
}

/// The page, its files, and the figures of an edge.
///
/// # Errors
/// When the settings do not fit.
pub(crate) fn service(cx: &Cx) -> Result<Service, BootError> {
    let desk = Desk { settings: cx.settings.typed(NAME)?, figures: EdgeFigures::new() };
    let router = OpenApiRouter::new()
        .routes(routes!(page))
        .routes(routes!(file))
        .routes(routes!(figures))
        .with_state(desk);
    Ok(Service::new(NAME, router))
}

/// The demonstration page.
#[utoipa::path(get, path = "/", tag = "demo", responses((status = 200, content_type = "text/html")))]
async fn page() -> Result<Response, Fault> {
    let page = Page {
        style: files::address("demo.css"),
        script: files::address("demo.js"),
        player: files::address("hls.min.js"),
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
async fn figures(State(desk): State<Desk>) -> Response {
    let figures = match desk.settings.now().edge_admin.as_str() {
        "" => Figures::default(),
        admin => desk.figures.now(admin).await,
    };
    (Caching::Never, axum::Json(figures)).into_response()
}
