//! Tables: appended to by services, read by edges from the stream.

use axum::Json;
use axum::extract::{Path, State};
use tidegate_control_api::{TableBase, TableHead, TableOps, TableSeq};

use crate::app::App;
use crate::faults::Refusal;

/// Appends operations, all or none; the answer means that they are durable.
#[utoipa::path(post, path = "/v1/tables/{table}/ops", tag = "tables", request_body = TableOps,
    responses((status = 200, body = TableSeq)))]
pub(crate) async fn append(
    State(app): State<App>,
    Path(table): Path<String>,
    Json(ops): Json<TableOps>,
) -> Result<Json<TableSeq>, Refusal> {
    let seq = app.store.table_append(&table, ops.ops).await?;
    Ok(Json(TableSeq { seq }))
}

/// Replaces the base by a blob that was uploaded.
#[utoipa::path(put, path = "/v1/tables/{table}/base", tag = "tables", request_body = TableBase,
    responses((status = 200, body = TableHead)))]
pub(crate) async fn base(
    State(app): State<App>,
    Path(table): Path<String>,
    Json(base): Json<TableBase>,
) -> Result<Json<TableHead>, Refusal> {
    if app.store.blob_path(&base.blob.sha256).is_none() {
        let text = format!("blob {} was not uploaded", base.blob.sha256);
        return Err(Refusal::new(422, "refused", "the blob is missing", text));
    }
    Ok(Json(app.store.table_base_put(&table, base).await?))
}

/// Tells where a table stands.
#[utoipa::path(get, path = "/v1/tables/{table}", tag = "tables",
    responses((status = 200, body = TableHead)))]
pub(crate) async fn head(
    State(app): State<App>,
    Path(table): Path<String>,
) -> Result<Json<TableHead>, Refusal> {
    Ok(Json(app.store.table_head(&table).await?))
}
