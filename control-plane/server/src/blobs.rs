//! Blobs by their hash.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tidegate_control_store::{AuditNew, BlobUpload};
use tokio_util::io::ReaderStream;

use crate::access::Caller;
use crate::app::App;
use crate::faults::Refusal;

/// Fetches a blob.
#[utoipa::path(get, path = "/v1/blobs/{sha256}", tag = "blobs",
    responses((status = 200, content_type = "application/octet-stream"), (status = 404)))]
pub(crate) async fn fetch(
    State(app): State<App>,
    method: Method,
    Path(sha256): Path<String>,
) -> Result<Response, Refusal> {
    let found = app.store.blob_path(&sha256);
    let (path, bytes) = found.ok_or_else(|| Refusal::not_found(format!("blob {sha256}")))?;
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let file = tokio::fs::File::open(&path).await;
        let file = file.map_err(|_| Refusal::not_found(format!("blob {sha256}")))?;
        Body::from_stream(ReaderStream::new(file))
    };
    // Content under its hash never changes.
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, bytes.to_string()),
        (CACHE_CONTROL, "private, max-age=31536000, immutable".to_owned()),
    ];
    Ok((headers, body).into_response())
}

/// Uploads a blob; refused when the bytes have another hash.
#[utoipa::path(put, path = "/v1/blobs/{sha256}", tag = "blobs",
    request_body(content_type = "application/octet-stream"),
    responses((status = 201), (status = 204, description = "it was there already"), (status = 422)))]
pub(crate) async fn upload(
    State(app): State<App>,
    caller: Caller,
    Path(sha256): Path<String>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    if app.store.blob_path(&sha256).is_some() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let upload = receive(app.store.blob_upload()?, body).await?;
    let name = sha256.clone();
    // fsync takes as long as the disk wants.
    let placed = tokio::task::spawn_blocking(move || upload.finish(&name)).await;
    let blob = placed.map_err(|e| Refusal::bad(e.to_string()))??;
    let detail = serde_json::json!({ "bytes": blob.bytes });
    app.audit(AuditNew::ok(&caller.name, "blob.put", sha256).detail(detail)).await;
    Ok(StatusCode::CREATED)
}

async fn receive(mut upload: BlobUpload, body: Body) -> Result<BlobUpload, Refusal> {
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        upload.push(&chunk.map_err(|e| Refusal::bad(format!("upload broken off: {e}")))?)?;
    }
    Ok(upload)
}
