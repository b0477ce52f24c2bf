//! Nodes: the list, their reports.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tidegate_control_api::{Ack, Beat, Node, NodeList, Phase, PurgeAck};
use tidegate_control_store::{NodeRow, micros_now};

use crate::access::Caller;
use crate::app::App;
use crate::faults::Refusal;
use crate::feed::Fleet;

const NAME_BYTES_MAX: usize = 100;

/// Lists nodes: who runs what, healthy or not.
#[utoipa::path(get, path = "/v1/nodes", tag = "nodes", responses((status = 200, body = NodeList)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<NodeList>, Refusal> {
    Ok(Json(nodes(&app).await?))
}

/// Forgets a node that is gone for good.
#[utoipa::path(delete, path = "/v1/nodes/{node}", tag = "nodes", responses((status = 204)))]
pub(crate) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(node): Path<String>,
) -> Result<StatusCode, Refusal> {
    app.store.node_drop(&node, &caller.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A node says how far a revision got.
#[utoipa::path(post, path = "/v1/nodes/{node}/acks", tag = "nodes", request_body = Ack,
    responses((status = 204)))]
pub(crate) async fn ack(
    State(app): State<App>,
    caller: Caller,
    Path(node): Path<String>,
    Json(ack): Json<Ack>,
) -> Result<StatusCode, Refusal> {
    caller.speaks_for(&node)?;
    app.store.node_ack(&node, ack).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A node says what it runs.
#[utoipa::path(post, path = "/v1/nodes/{node}/heartbeat", tag = "nodes", request_body = Beat,
    responses((status = 204)))]
pub(crate) async fn heartbeat(
    State(app): State<App>,
    caller: Caller,
    Path(node): Path<String>,
    Json(mut beat): Json<Beat>,
) -> Result<StatusCode, Refusal> {
    caller.speaks_for(&node)?;
    if let Some(report) = beat.anomalies.take() {
        app.anomalies.report(&node, report);
    }
    app.store.node_beat(&node, beat).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A node has carried out purges.
#[utoipa::path(post, path = "/v1/nodes/{node}/purges", tag = "nodes", request_body = PurgeAck,
    responses((status = 204)))]
pub(crate) async fn purged(
    State(app): State<App>,
    caller: Caller,
    Path(node): Path<String>,
    Json(ack): Json<PurgeAck>,
) -> Result<StatusCode, Refusal> {
    caller.speaks_for(&node)?;
    app.store.node_purged(&node, ack.seq).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All nodes with what follows from their reports.
pub(crate) async fn nodes(app: &App) -> Result<NodeList, Refusal> {
    let rows = app.store.nodes().await?;
    let fleet = app.feed.fleet().borrow().clone();
    let mut nodes = Vec::with_capacity(rows.len());
    for row in rows {
        nodes.push(node(app, &fleet, row).await?);
    }
    let revision = Some(fleet.heads.revision).filter(|revision| *revision > 0);
    Ok(NodeList { revision, nodes })
}

async fn node(app: &App, fleet: &Fleet, row: NodeRow) -> Result<Node, Refusal> {
    let target = fleet.target(&row.node, row.kind);
    let wanted = match target {
        Some(target) => Some(app.feed.spec_line(target, crate::feed::Reader::Person).await?.hash),
        None => None,
    };
    let live = row.is_live(micros_now());
    let settled = row.phase == Some(Phase::Healthy) && row.ack_hash == wanted;
    // What runs is said by the heartbeat; an acknowledgement may be newer than it.
    let running = row.beat.hash.as_ref().or(row.ack_hash.as_ref());
    Ok(Node {
        live,
        healthy: live && settled,
        drift: live && wanted.is_some() && !settled && running != wanted.as_ref(),
        target,
        acked: row.acked,
        phase: row.phase,
        problems: row.problems,
        seen_at: row.seen_at,
        beat: row.beat,
        node: row.node,
        kind: row.kind,
    })
}

/// A name that can stand in a path, a metric and a table.
pub(crate) fn check_name(node: &str) -> Result<(), Refusal> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !node.is_empty() && node.len() <= NAME_BYTES_MAX && node.bytes().all(fine) {
        return Ok(());
    }
    Err(Refusal::bad(format!(
        "node name {node:?}: letters, digits, -, _ and ., 1 to {NAME_BYTES_MAX}"
    )))
}
