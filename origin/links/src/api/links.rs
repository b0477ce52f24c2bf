//! Links as a resource.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tidegate_origin_kit::caching::Caching;
use tidegate_origin_kit::extract::{Json, Path, Query};
use tidegate_origin_kit::fault::Problem;
use tidegate_origin_kit::idempotency::{Key, Recorded};
use tidegate_origin_kit::pages::{Page, Paging};
use tidegate_origin_kit::{Fault, Moment};
use utoipa::{IntoParams, ToSchema};

use super::{domain_name, etag, expected_version};
use crate::app::{App, Created, NewLink, Patch};
use crate::model::link::{Link, State as LinkState};
use crate::model::rule::Rule;
use crate::settings::Domain;
use crate::store::Filter;

pub(crate) const READ: &str = "links:read";
pub(crate) const WRITE: &str = "links:write";

/// A link as callers see it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LinkView {
    /// The code.
    code: String,
    /// The domain's name.
    domain: String,
    /// The address to share.
    short_url: String,
    /// Where it leads.
    url: String,
    /// Whether it is served.
    state: LinkState,
    /// Status of the redirect.
    redirect: u16,
    /// Grows with every change; the `ETag` is made of it.
    version: i64,
    /// Whether the code is beyond guessing.
    unlisted: bool,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// For lists and filters.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    tags: Vec<String>,
    /// It answers from this moment on.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_since: Option<Moment>,
    /// It is gone from this moment on.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Moment>,
    /// It is gone after so many visits.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_visits: Option<i64>,
    /// Visits so far, where `max_visits` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    visits: Option<i64>,
    /// Whether visitors are asked for a password.
    password: bool,
    /// Where visitors go that fit.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    rules: Vec<Rule>,
    /// When it was created.
    created_at: Moment,
    /// When it was last changed.
    updated_at: Moment,
}

/// Which domain a code is meant in.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct InDomain {
    /// The domain's name; `default` when absent.
    domain: Option<String>,
}

/// What a list is narrowed to.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Narrow {
    /// The domain's name; `default` when absent.
    domain: Option<String>,
    /// `active`, `disabled` or `blocked`.
    #[param(value_type = Option<String>)]
    state: Option<LinkState>,
    /// Text anywhere in code, target, title and tags.
    #[serde(default)]
    q: String,
    /// One tag.
    #[serde(default)]
    tag: String,
    /// Rows wanted, 1 to 100; 50 when absent.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Shortens an address.
#[utoipa::path(post, path = "/shorten", tag = "links", request_body = NewLink, responses(
    (status = 201, description = "created, and known to every edge", body = LinkView),
    (status = 202, description = "created; edges will know as soon as the control plane is back", body = LinkView),
    (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem),
    (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn shorten(
    state: State<App>,
    headers: HeaderMap,
    body: Json<NewLink>,
) -> Result<Response, Fault> {
    create(state, headers, body).await
}

/// Creates a link; the same as `/shorten`.
#[utoipa::path(post, path = "/v1/links", tag = "links", request_body = NewLink, responses(
    (status = 201, description = "created, and known to every edge", body = LinkView),
    (status = 202, description = "created; edges will know as soon as the control plane is back", body = LinkView),
    (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem),
    (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: Json<NewLink>,
) -> Result<Response, Fault> {
    let caller = app.settings.now().api_keys.require(&headers, WRITE)?;
    let key = Key::read(&headers, &format!("{} create", caller.id), &body.raw)?;
    let created = app.create(body.value, &caller.id, key, recorded).await?;
    Ok(match created {
        Created::New(answer) => answer.into_response(),
        Created::Unannounced(answer) => Recorded { status: 202, ..answer }.into_response(),
        Created::Replayed(answer) => ([("idempotency-replayed", "true")], answer).into_response(),
    })
}

/// Links, newest first.
#[utoipa::path(get, path = "/v1/links", tag = "links", params(Narrow), responses(
    (status = 200, body = Page<LinkView>), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    Query(narrow): Query<Narrow>,
) -> Result<Response, Fault> {
    let settings = app.settings.now();
    settings.api_keys.require(&headers, READ)?;
    let domain = App::known(&settings, domain_name(narrow.domain.as_ref()))?;
    let state = narrow.state.map_or("", LinkState::word).to_owned();
    let filter = Filter { domain: domain.name.to_owned(), state, text: narrow.q, tag: narrow.tag };
    let paging = Paging { limit: narrow.limit, cursor: narrow.cursor };
    let page = app.list(filter, &paging).await?;
    let items = page.items.iter().map(|link| view(link, domain)).collect();
    Ok((Caching::Private, axum::Json(Page::<LinkView> { items, next: page.next })).into_response())
}

/// One link.
#[utoipa::path(get, path = "/v1/links/{code}", tag = "links", params(("code", Path), InDomain), responses(
    (status = 200, body = LinkView), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 410, body = Problem)))]
pub(crate) async fn read(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
    Query(within): Query<InDomain>,
) -> Result<Response, Fault> {
    let settings = app.settings.now();
    settings.api_keys.require(&headers, READ)?;
    let domain = App::known(&settings, domain_name(within.domain.as_ref()))?;
    let link = app.read(domain, &code).await?;
    Ok(shown(&link, domain))
}

/// Changes a link: its target, its span, on or off.
#[utoipa::path(patch, path = "/v1/links/{code}", tag = "links", params(("code", Path), InDomain), request_body = Patch,
    responses((status = 200, body = LinkView), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem),
    (status = 412, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem),
    (status = 451, body = Problem)))]
pub(crate) async fn change(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
    Query(within): Query<InDomain>,
    body: Json<Patch>,
) -> Result<Response, Fault> {
    let settings = app.settings.now();
    settings.api_keys.require(&headers, WRITE)?;
    let domain = App::known(&settings, domain_name(within.domain.as_ref()))?;
    let link = app.change(domain, &code, expected_version(&headers)?, &body.value).await?;
    Ok(shown(&link, domain))
}

/// Deletes a link; its code is never given again.
#[utoipa::path(delete, path = "/v1/links/{code}", tag = "links", params(("code", Path), InDomain), responses(
    (status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem),
    (status = 410, body = Problem), (status = 412, body = Problem)))]
pub(crate) async fn delete(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
    Query(within): Query<InDomain>,
) -> Result<StatusCode, Fault> {
    let settings = app.settings.now();
    settings.api_keys.require(&headers, WRITE)?;
    let domain = App::known(&settings, domain_name(within.domain.as_ref()))?;
    app.delete(domain, &code, expected_version(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(link: &Link, domain: Domain<'_>) -> Response {
    (Caching::Private, etag(link.version), axum::Json(view(link, domain))).into_response()
}

/// The answer to a creation.
pub(crate) fn recorded(link: &Link, domain: Domain<'_>) -> Recorded {
    let body = serde_json::to_vec(&view(link, domain)).unwrap_or_default();
    Recorded { status: 201, location: Some(format!("/v1/links/{}", link.code)), body }
}

fn view(link: &Link, domain: Domain<'_>) -> LinkView {
    LinkView {
        code: link.code.clone(),
        domain: link.domain.clone(),
        short_url: domain.short_url(&link.code),
        url: link.target.clone(),
        state: link.state,
        redirect: link.status,
        version: link.version,
        unlisted: link.unlisted,
        title: link.extra.title.clone(),
        tags: link.extra.tags.clone(),
        valid_since: link.valid_since.map(Moment),
        expires_at: link.expires_at.map(Moment),
        max_visits: link.visits_max,
        visits: link.visits_max.map(|_| link.visits),
        password: link.extra.password.is_some(),
        rules: link.extra.rules.clone(),
        created_at: Moment(link.created_at),
        updated_at: Moment(link.updated_at),
    }
}
