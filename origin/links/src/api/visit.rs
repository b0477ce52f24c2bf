//! What a code leads to: for visitors, and for edges that ask on behalf of many of them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use tidegate_origin_kit::Fault;
use tidegate_origin_kit::caching::{Cached, Caching};
use tidegate_origin_kit::extract::Path;
use tidegate_origin_kit::fault::Problem;
use utoipa::ToSchema;

use super::etag;
use crate::app::App;
use crate::model::link::{Link, Verdict};
use crate::settings::{DEFAULT_DOMAIN, Domain};

/// Seconds for which a visitor's own cache keeps a permanent redirect.
const PERMANENT_SECS: u32 = 300;

/// What an edge is told of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Resolved {
    /// The status that a visitor gets.
    pub(crate) status: u16,
    /// Where the visitor goes; absent where that differs from visitor to visitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
    /// Unix time in microseconds at which this answer ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<i64>,
    /// Grows with every change of the link.
    pub(crate) version: i64,
    /// Whether the edge may answer by itself. Where not, it passes each visitor's request on to `/{code}`.
    pub(crate) hot: bool,
}

/// Leads a visitor to the target.
#[utoipa::path(get, path = "/{code}", tag = "visits", params(("code", Path)), responses(
    (status = 301), (status = 302), (status = 307), (status = 308), (status = 404, body = Problem),
    (status = 410, body = Problem), (status = 451, body = Problem)))]
pub(crate) async fn visit(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Result<Response, Fault> {
    let settings = app.settings.now();
    let domain = settings.domain_of_host(&host(&headers));
    let answer = admitted(&app, domain, &code).await;
    app.figures.resolved.with_label_values(&["visit", outcome(answer.as_ref())]).inc();
    answer.map(|link| redirect(&link))
}

/// What a code of the default domain leads to, for an edge.
#[utoipa::path(get, path = "/v1/resolve/{code}", tag = "visits", params(("code", Path)), responses(
    (status = 200, body = Resolved), (status = 404, body = Problem), (status = 410, body = Problem),
    (status = 451, body = Problem)))]
pub(crate) async fn resolve_default(
    state: State<App>,
    Path(code): Path<String>,
) -> Result<Response, Fault> {
    resolve(state, Path((DEFAULT_DOMAIN.to_owned(), code))).await
}

/// What a code leads to, for an edge.
#[utoipa::path(get, path = "/v1/resolve/{domain}/{code}", tag = "visits",
    params(("domain", Path), ("code", Path)), responses(
    (status = 200, body = Resolved), (status = 404, body = Problem), (status = 410, body = Problem),
    (status = 451, body = Problem)))]
pub(crate) async fn resolve(
    State(app): State<App>,
    Path((domain, code)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let settings = app.settings.now();
    let answer = match settings.domain(&domain) {
        Some(domain) => found(&app, domain, &code).await,
        None => Err(Fault::NotFound("domain")),
    };
    app.figures.resolved.with_label_values(&["resolve", outcome(answer.as_ref())]).inc();
    answer.map(|link| {
        let body = axum::Json(resolved(&link));
        (Caching::Never.key(key(&link)), etag(link.version), body).into_response()
    })
}

/// The link, when it redirects now.
async fn found(app: &App, domain: Domain<'_>, code: &str) -> Result<Link, Fault> {
    let link = app.find(domain, code).await?.ok_or(Fault::NotFound("link"))?;
    let refused = match link.verdict(app.clock.now()) {
        Verdict::Redirect { .. } => None,
        Verdict::Unknown => Some(Fault::NotFound("link")),
        Verdict::Gone => Some(Fault::Gone("link")),
        Verdict::Legal => Some(Fault::Legal),
    };
    refused.map_or(Ok(link), Err)
}

/// The link, when this visitor may use it; uses up a visit where they are counted.
async fn admitted(app: &App, domain: Domain<'_>, code: &str) -> Result<Link, Fault> {
    let link = found(app, domain, code).await?;
    if link.visits_max.is_some() && !app.visit(&link).await? {
        return Err(Fault::Gone("link"));
    }
    Ok(link)
}

fn redirect(link: &Link) -> Response {
    let status = StatusCode::from_u16(link.status).unwrap_or(StatusCode::FOUND);
    let fields =
        [(header::LOCATION, link.target.as_str()), (header::REFERRER_POLICY, "unsafe-url")];
    let robots = [("x-robots-tag", "noindex")];
    (status, caching(link), fields, robots).into_response()
}

fn caching(link: &Link) -> Cached {
    let permanent = matches!(link.status, 301 | 308) && link.is_hot();
    let caching =
        if permanent { Caching::Own { max_age_secs: PERMANENT_SECS } } else { Caching::Never };
    caching.key(key(link))
}

fn resolved(link: &Link) -> Resolved {
    let hot = link.is_hot();
    Resolved {
        status: link.status,
        location: hot.then(|| link.target.clone()),
        expires_at: link.expires_at,
        version: link.version,
        hot,
    }
}

fn key(link: &Link) -> String {
    format!("link:{}:{}", link.domain, link.code)
}

fn outcome(answer: Result<&Link, &Fault>) -> &'static str {
    match answer {
        Ok(_) => "redirect",
        Err(Fault::NotFound(_)) => "unknown",
        Err(Fault::Gone(_)) => "gone",
        Err(Fault::Legal) => "legal",
        Err(_) => "fault",
    }
}

fn host(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.to_ascii_lowercase()
}
