//! All paths with their handlers.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tidegate_control_api::paths;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::faults::Refusal;
use crate::{
    access, admin, anomalies, blobs, counters, nodes, office, page, plugins, purges, rls, specs,
    tables, watch,
};

/// Bodies that are read whole: a spec with all its redirects.
const BODY_BYTES_MAX: usize = 64 << 20;

#[derive(OpenApi)]
#[openapi(info(
    title = "Tidegate control plane",
    description = "Configuration, nodes, purges and audit of a fleet. Every path but /healthz asks for `Authorization: Bearer`."
))]
struct Description;

pub(crate) fn router(app: &App) -> Router {
    let described = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(specs::read, specs::replace))
        .routes(routes!(specs::validate))
        .routes(routes!(specs::revisions))
        .routes(routes!(specs::revision))
        .routes(routes!(specs::rollback))
        .routes(routes!(specs::rollout))
        .routes(routes!(specs::promote))
        .routes(routes!(specs::abort))
        .routes(routes!(watch::watch))
        .routes(routes!(nodes::list))
        .routes(routes!(nodes::remove))
        .routes(routes!(nodes::ack))
        .routes(routes!(nodes::heartbeat))
        .routes(routes!(nodes::purged))
        .routes(routes!(plugins::list, plugins::push))
        .routes(routes!(tables::append))
        .routes(routes!(tables::base))
        .routes(routes!(tables::head))
        .routes(routes!(purges::create))
        .routes(routes!(purges::show))
        .routes(routes!(counters::exchange))
        .routes(routes!(counters::list))
        .routes(routes!(anomalies::list))
        .routes(routes!(admin::audit))
        .routes(routes!(admin::tokens, admin::token_add))
        .routes(routes!(admin::token_drop))
        .routes(routes!(admin::invite))
        .routes(routes!(admin::enrol))
        .routes(routes!(admin::healthz))
        .routes(routes!(admin::metrics))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        // Blobs are streamed to disk and counted there.
        .merge(
            OpenApiRouter::new()
                .routes(routes!(blobs::fetch, blobs::upload))
                .layer(DefaultBodyLimit::disable()),
        );
    let (router, description) = described.split_for_parts();
    let text = description.to_pretty_json().unwrap_or_default();
    router
        .route(paths::OPENAPI, get(async move || ([("content-type", "application/json")], text)))
        .route(paths::RLS, axum::routing::post(rls::should_rate_limit))
        .route(page::ROOT, get(page::root))
        .route(page::FLEET, get(page::fleet))
        .route(page::SCRIPT, get(page::script))
        .fallback(async || Refusal::not_found("this path"))
        .method_not_allowed_fallback(async || {
            Refusal::new(405, "method", "this path has no such method", "")
        })
        .layer(from_fn_with_state(app.clone(), office::at_owner))
        .layer(from_fn_with_state(app.clone(), access::gate))
        .with_state(app.clone())
}
