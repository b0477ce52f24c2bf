//! The rest of the admin API: audit, tokens, health, figures.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use tidegate_control_api::{
    AuditPage, AuditQuery, Enrol, EnrolmentCreated, EnrolmentNew, Token, TokenCreated, TokenNew,
};

use tidegate_control_store::{Enrolment, micros_now};

use crate::access::{self, Caller};
use crate::app::App;
use crate::faults::Refusal;
use crate::nodes::{check_name, nodes};
use crate::tokens::random_secret;

const AUDIT_PAGE: u32 = 100;
const INVITATION_SECONDS_MAX: u64 = 7 * 86_400;

/// Reads the audit log, newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "admin", params(AuditQuery),
    responses((status = 200, body = AuditPage)))]
pub(crate) async fn audit(
    State(app): State<App>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, Refusal> {
    let entries = app.store.audit_page(query.before, AUDIT_PAGE).await?;
    let verified = if query.verify { Some(app.store.audit_verify().await?) } else { None };
    let next = entries.last().map(|entry| entry.seq).filter(|seq| *seq > 1);
    Ok(Json(AuditPage { entries, verified, next }))
}

/// Lists named tokens.
#[utoipa::path(get, path = "/v1/tokens", tag = "admin", responses((status = 200, body = [Token])))]
pub(crate) async fn tokens(State(app): State<App>) -> Result<Json<Vec<Token>>, Refusal> {
    Ok(Json(app.store.tokens().await?))
}

/// Makes a token. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/tokens", tag = "admin", request_body = TokenNew,
    responses((status = 201, body = TokenCreated)))]
pub(crate) async fn token_add(
    State(app): State<App>,
    caller: Caller,
    Json(new): Json<TokenNew>,
) -> Result<(StatusCode, Json<TokenCreated>), Refusal> {
    check_name(&new.name)?;
    let secret = random_secret().map_err(|e| Refusal::bad(e.to_string()))?;
    app.store.token_add(&new.name, new.role, &secret, &caller.name).await?;
    Ok((StatusCode::CREATED, Json(TokenCreated { name: new.name, role: new.role, secret })))
}

/// Ends a token.
#[utoipa::path(delete, path = "/v1/tokens/{name}", tag = "admin", responses((status = 204)))]
pub(crate) async fn token_drop(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    app.store.token_drop(&name, &caller.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes an invitation: a node hands it in once and gets a token that speaks for that node alone.
#[utoipa::path(post, path = "/v1/enrolments", tag = "nodes", request_body = EnrolmentNew,
    responses((status = 201, body = EnrolmentCreated)))]
pub(crate) async fn invite(
    State(app): State<App>,
    caller: Caller,
    Json(new): Json<EnrolmentNew>,
) -> Result<(StatusCode, Json<EnrolmentCreated>), Refusal> {
    if !new.role.is_node() || new.seconds == 0 || new.seconds > INVITATION_SECONDS_MAX {
        let detail = format!("role node or service, 1 to {INVITATION_SECONDS_MAX} seconds");
        return Err(Refusal::bad(detail));
    }
    new.node.as_deref().map_or(Ok(()), check_name)?;
    let secret = random_secret().map_err(|e| Refusal::bad(e.to_string()))?;
    let expires = micros_now() + new.seconds * 1_000_000;
    let made = Enrolment { secret: secret.clone(), role: new.role, node: new.node, expires };
    app.store.enrolment_add(made, &caller.name).await?;
    Ok((StatusCode::CREATED, Json(EnrolmentCreated { secret, expires })))
}

/// A node hands in its invitation and gets a token of its own.
#[utoipa::path(post, path = "/v1/enrol", tag = "nodes", request_body = Enrol,
    responses((status = 201, body = TokenCreated), (status = 401, body = tidegate_control_api::Fault)))]
pub(crate) async fn enrol(
    State(app): State<App>,
    headers: HeaderMap,
    Json(enrol): Json<Enrol>,
) -> Result<(StatusCode, Json<TokenCreated>), Refusal> {
    check_name(&enrol.node)?;
    let invitation = access::secret(&headers).unwrap_or_default();
    let secret = random_secret().map_err(|e| Refusal::bad(e.to_string()))?;
    let Some(role) = app.store.enrol(&invitation, &enrol.node, &secret).await? else {
        app.metrics.refused("unauthenticated");
        let detail = "unknown, used, too old, or meant for another node";
        return Err(Refusal::new(401, "unauthenticated", "this invitation is not good", detail));
    };
    let name = format!("node:{}", enrol.node);
    Ok((StatusCode::CREATED, Json(TokenCreated { name, role, secret })))
}

/// Tells whether the server and its database are there.
#[utoipa::path(get, path = "/healthz", tag = "admin", responses((status = 200), (status = 503)))]
pub(crate) async fn healthz(State(app): State<App>) -> Result<&'static str, Refusal> {
    app.store.heads().await?;
    Ok("ok\n")
}

/// Gives the server's own figures as Prometheus text.
#[utoipa::path(get, path = "/metrics", tag = "admin", responses((status = 200, content_type = "text/plain")))]
pub(crate) async fn metrics(State(app): State<App>) -> Result<String, Refusal> {
    Ok(app.metrics.text(&nodes(&app).await?))
}
