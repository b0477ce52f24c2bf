//! What a code leads to: for visitors, and for edges that ask on behalf of many of them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use tidegate_origin_kit::Fault;
use tidegate_origin_kit::caching::{Cached, Caching};
use tidegate_origin_kit::extract::Path;
use tidegate_origin_kit::fault::Problem;
use utoipa::ToSchema;

use super::{etag, pages};
use crate::app::App;
use crate::model::link::{Link, Verdict};
use crate::model::rule::Visitor;
use crate::settings::{DEFAULT_DOMAIN, Domain};

/// Field in which an edge tells the visitor's country.
const COUNTRY: &str = "x-client-country";
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

/// The form of the password page.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form in the document")]
pub(crate) struct Unlock {
    /// The password.
    password: String,
}

/// Leads a visitor to the target, or asks for the password; `+` behind the code only says where it leads.
#[utoipa::path(get, path = "/{code}", tag = "visits", params(("code", Path)), responses(
    (status = 200, content_type = "text/html"), (status = 301), (status = 302), (status = 307), (status = 308),
    (status = 404, body = Problem), (status = 410, body = Problem), (status = 451, body = Problem)))]
pub(crate) async fn visit(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Result<Response, Fault> {
    let settings = app.settings.now();
    let domain = settings.domain_of_host(&host(&headers));
    if let Some(code) = code.strip_suffix('+') {
        return pages::preview(&found(&app, domain, code).await?, domain);
    }
    let answer = found(&app, domain, &code).await;
    app.figures.resolved.with_label_values(&["visit", outcome(answer.as_ref())]).inc();
    let link = answer?;
    if link.extra.password.is_some() {
        return pages::password(&link, false);
    }
    admit(&app, &link, &headers).await
}

/// Leads a visitor to the target who knows the password.
#[utoipa::path(post, path = "/{code}", tag = "visits", params(("code", Path)),
    request_body(content = Unlock, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 303), (status = 403, content_type = "text/html"), (status = 404, body = Problem),
    (status = 405, body = Problem), (status = 410, body = Problem), (status = 413, body = Problem),
    (status = 422, body = Problem), (status = 429, body = Problem), (status = 451, body = Problem)))]
pub(crate) async fn unlock(
    State(app): State<App>,
    headers: HeaderMap,
    Path(code): Path<String>,
    body: Bytes,
) -> Result<Response, Fault> {
    let settings = app.settings.now();
    let domain = settings.domain_of_host(&host(&headers));
    let link = found(&app, domain, &code).await?;
    let Some(kept) = &link.extra.password else { return Err(Fault::Method) };
    let missing = || Fault::invalid("password", "missing", "the form has no password");
    let given = url::form_urlencoded::parse(&body).find(|(name, _)| name == "password");
    let given = given.ok_or_else(missing)?.1.into_owned();
    if !app.opens(given, kept).await? {
        return pages::password(&link, true);
    }
    // What was posted stays here: the target is fetched with GET (RFC 9110 section 15.4.4).
    let mut answer = admit(&app, &link, &headers).await?;
    *answer.status_mut() = StatusCode::SEE_OTHER;
    Ok(answer)
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
        Some(domain) => told(&app, domain, &code).await,
        None => Err(Fault::NotFound("domain")),
    };
    let word = outcome(answer.as_ref().map(|(link, _)| link));
    app.figures.resolved.with_label_values(&["resolve", word]).inc();
    answer.map(|(link, resolved)| {
        let body = axum::Json(resolved);
        (Caching::Never.key(key(&link)), etag(link.version), body).into_response()
    })
}

/// The link, when it redirects now.
async fn found(app: &App, domain: Domain<'_>, code: &str) -> Result<Link, Fault> {
    let link = app.find(domain, code).await?.ok_or(Fault::NotFound("link"))?;
    let refused = match link.verdict(app.clock.now()) {
        Verdict::Redirect { .. } => None,
        Verdict::Early => Some(Fault::NotFound("link")),
        Verdict::Gone => Some(Fault::Gone("link")),
        Verdict::Legal => Some(Fault::Legal),
    };
    refused.map_or(Ok(link), Err)
}

/// What an edge is told of a link. One that answers later is not called unknown: an edge would remember that.
async fn told(app: &App, domain: Domain<'_>, code: &str) -> Result<(Link, Resolved), Fault> {
    let link = app.find(domain, code).await?.ok_or(Fault::NotFound("link"))?;
    let resolved = match link.verdict(app.clock.now()) {
        Verdict::Redirect { .. } => resolved(&link),
        Verdict::Early => Resolved { status: 404, location: None, hot: false, ..resolved(&link) },
        Verdict::Gone => return Err(Fault::Gone("link")),
        Verdict::Legal => return Err(Fault::Legal),
    };
    Ok((link, resolved))
}

/// The way to the target; uses up a visit where they are counted.
async fn admit(app: &App, link: &Link, headers: &HeaderMap) -> Result<Response, Fault> {
    if link.visits_max.is_some() && !app.visit(link).await? {
        return Err(Fault::Gone("link"));
    }
    let field = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    let visitor = Visitor {
        agent: field("user-agent"),
        languages: field("accept-language"),
        country: field(COUNTRY),
    };
    Ok(redirect(link, link.target_for(&visitor, app.clock.now())))
}

fn redirect(link: &Link, target: &str) -> Response {
    let status = StatusCode::from_u16(link.status).unwrap_or(StatusCode::FOUND);
    let fields = [(header::LOCATION, target), (header::REFERRER_POLICY, "unsafe-url")];
    (status, caching(link), fields, [("x-robots-tag", "noindex")]).into_response()
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
