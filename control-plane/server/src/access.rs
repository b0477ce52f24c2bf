//! Who asks, and whether they may: one table for all paths, consulted before any handler.

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidegate_control_api::{Permission, Role, paths};
use tidegate_control_store::AuditNew;

use crate::app::App;
use crate::faults::Refusal;
use crate::nodes::check_name;
use crate::page;

/// Whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The only node that it speaks for.
    pub(crate) node: Option<String>,
}

/// What a method on a path asks for. `None`: everybody may.
pub(crate) const ACCESS: &[(Method, &str, Option<Permission>)] = {
    use Permission as P;
    &[
        (Method::GET, paths::HEALTHZ, None),
        // It brings an invitation instead of a token; its handler asks for that.
        (Method::POST, paths::ENROL, None),
        (Method::POST, paths::ENROLMENTS, Some(P::NodesWrite)),
        (Method::GET, paths::METRICS, Some(P::Metrics)),
        (Method::GET, paths::OPENAPI, Some(P::SpecRead)),
        (Method::GET, page::ROOT, Some(P::NodesRead)),
        (Method::GET, page::FLEET, Some(P::NodesRead)),
        (Method::GET, page::SCRIPT, Some(P::NodesRead)),
        (Method::GET, paths::SPEC, Some(P::SpecRead)),
        (Method::PUT, paths::SPEC, Some(P::SpecWrite)),
        (Method::POST, paths::SPEC_VALIDATE, Some(P::SpecRead)),
        (Method::POST, paths::SPEC_DIFF, Some(P::SpecRead)),
        (Method::GET, paths::REVISIONS, Some(P::SpecRead)),
        (Method::GET, paths::REVISION, Some(P::SpecRead)),
        (Method::POST, paths::ROLLBACK, Some(P::SpecWrite)),
        (Method::GET, paths::ROLLOUT, Some(P::SpecRead)),
        (Method::POST, paths::ROLLOUT_PROMOTE, Some(P::SpecWrite)),
        (Method::POST, paths::ROLLOUT_ABORT, Some(P::SpecWrite)),
        (Method::GET, paths::WATCH, Some(P::Watch)),
        (Method::GET, paths::NODES, Some(P::NodesRead)),
        (Method::DELETE, paths::NODE, Some(P::NodesWrite)),
        (Method::POST, paths::NODE_ACKS, Some(P::Report)),
        (Method::POST, paths::NODE_HEARTBEAT, Some(P::Report)),
        (Method::POST, paths::NODE_PURGES, Some(P::Report)),
        (Method::GET, paths::BLOB, Some(P::BlobRead)),
        (Method::HEAD, paths::BLOB, Some(P::BlobRead)),
        (Method::PUT, paths::BLOB, Some(P::BlobWrite)),
        (Method::GET, paths::PLUGINS, Some(P::SpecRead)),
        (Method::POST, paths::PLUGINS, Some(P::SpecWrite)),
        (Method::GET, paths::TABLE, Some(P::Watch)),
        (Method::POST, paths::TABLE_OPS, Some(P::TableWrite)),
        (Method::PUT, paths::TABLE_BASE, Some(P::TableWrite)),
        (Method::POST, paths::PURGES, Some(P::Purge)),
        (Method::GET, paths::PURGE, Some(P::Purge)),
        (Method::POST, paths::COUNTERS, Some(P::Report)),
        (Method::POST, paths::RLS, Some(P::Report)),
        (Method::GET, paths::LIMITS, Some(P::NodesRead)),
        (Method::GET, paths::ANOMALIES, Some(P::NodesRead)),
        (Method::GET, paths::AUDIT, Some(P::AuditRead)),
        (Method::GET, paths::TOKENS, Some(P::TokensWrite)),
        (Method::POST, paths::TOKENS, Some(P::TokensWrite)),
        (Method::DELETE, paths::TOKEN, Some(P::TokensWrite)),
    ]
};

/// Lets a request through to its handler, or answers 401 or 403.
pub(crate) async fn gate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let needed = ACCESS.iter().find(|(m, p, _)| *m == method && *p == path).map(|(_, _, n)| *n);
    if needed == Some(None) {
        return next.run(request).await;
    }
    let caller = match caller(&app, request.headers()).await {
        Ok(Some(caller)) => caller,
        Ok(None) => return unknown(&app, &path),
        Err(refusal) => return refusal.into_response(),
    };
    // A path that has no entry is refused for everybody: the table is what opens doors.
    let Some(permission) = needed.flatten().filter(|p| caller.role.may(*p)) else {
        let missing = needed.flatten().map_or("any permission", Permission::as_str);
        return forbidden(&app, &caller, &method, &path, missing).await;
    };
    tracing::debug!(caller = caller.name, %method, path, permission = permission.as_str(), "request");
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn caller(app: &App, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
    match secret(headers) {
        Some(secret) => Ok(app.tokens.find(&secret).await?),
        None => Ok(None),
    }
}

/// The secret of `Bearer`, or the password of `Basic`: that one is for browsers.
pub(crate) fn secret(headers: &HeaderMap) -> Option<String> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

impl Caller {
    /// Refuses a node that speaks for another one.
    pub(crate) fn speaks_for(&self, node: &str) -> Result<(), Refusal> {
        check_name(node)?;
        match &self.node {
            Some(own) if own != node => {
                let detail = format!("this token speaks for {own} alone, not for {node}");
                Err(Refusal::new(403, "forbidden", "this token may not do that", detail))
            }
            _ => Ok(()),
        }
    }
}

fn unknown(app: &App, path: &str) -> Response {
    app.metrics.refused("unauthenticated");
    let detail = "send Authorization: Bearer with a token that this control plane knows";
    let refusal =
        Refusal::new(401, "unauthenticated", "credentials are missing or unknown", detail);
    let mut response = refusal.into_response();
    let scheme = if path == page::ROOT { "Basic realm=\"tidegate\"" } else { "Bearer" };
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    response
}

async fn forbidden(
    app: &App,
    caller: &Caller,
    method: &Method,
    path: &str,
    missing: &str,
) -> Response {
    app.metrics.refused("forbidden");
    let entry = AuditNew::refused(&caller.name, "access", format!("{method} {path}"), "forbidden");
    app.audit(entry).await;
    let detail = format!("a token with the role {} has not: {missing}", caller.role.as_str());
    Refusal::new(403, "forbidden", "this token may not do that", detail).into_response()
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Refusal::new(401, "unauthenticated", "credentials are missing", ""))
    }
}
