//! The spec: read, checked, changed, taken back.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tidegate_control_api::{
    Applied, Fault, Problem, RevisionPage, RevisionsQuery, Rollout, RolloutNew, RolloutState,
    Validation,
};
use tidegate_control_store::{AuditNew, RevisionNew, RolloutStep, StoredRevision};
use tidegate_snapshot::Material;
use tidegate_spec::{Document, ListSource, PluginModule, Spec};

use crate::access::Caller;
use crate::app::App;
use crate::diff::diff;
use crate::faults::Refusal;
use crate::{plugins, rollouts};

const PAGE: u32 = 50;
const MESSAGE_HEADER: &str = "x-tidegate-message";
const ROLLOUT_HEADER: &str = "x-tidegate-rollout";

/// Reads the newest spec, secrets replaced; as YAML when that is asked for by `Accept`.
#[utoipa::path(get, path = "/v1/spec", tag = "spec",
    responses((status = 200, body = Object), (status = 304), (status = 404, body = Fault)))]
pub(crate) async fn read(State(app): State<App>, headers: HeaderMap) -> Result<Response, Refusal> {
    let last = last(&app).await?;
    let tag = etag(last.info.revision);
    if header(&headers, IF_NONE_MATCH.as_str()).is_some_and(|tags| tags.contains(&tag)) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    Ok(([(ETAG, tag)], document(&last, &headers)).into_response())
}

/// Replaces the spec: YAML or JSON, all or nothing, every problem at once.
#[utoipa::path(put, path = "/v1/spec", tag = "spec", request_body = Object,
    params(
        ("if-match" = Option<String>, Header, description = "the ETag it was made from"),
        ("x-tidegate-message" = Option<String>, Header, description = "why, percent-encoded"),
        ("x-tidegate-rollout" = Option<String>, Header, description = "waves and gates, JSON"),
    ),
    responses((status = 200, body = Applied), (status = 412, body = Fault), (status = 422, body = Fault)))]
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    text: String,
) -> Result<Response, Refusal> {
    let expect = expected(&app, &headers).await?;
    let rollout = plan(&headers)?;
    let spec = match checked(&app, &text).await {
        Ok(spec) => spec,
        Err(refusal) => return Err(noted(&app, &caller, refusal).await),
    };
    let message = header(&headers, MESSAGE_HEADER).map(|text| decoded(&text)).unwrap_or_default();
    let new = RevisionNew { expect, rollout, ..RevisionNew::new(spec, &caller.name, &message) };
    match put(&app, new).await {
        Ok(applied) => Ok(answer(applied)),
        Err(refusal) => Err(noted(&app, &caller, refusal).await),
    }
}

/// Checks a spec with the compiler that edges run, and says what it would change.
#[utoipa::path(post, path = "/v1/spec/validate", tag = "spec", request_body = Object,
    responses((status = 200, body = Validation), (status = 422, body = Fault)))]
pub(crate) async fn validate(
    State(app): State<App>,
    text: String,
) -> Result<Json<Validation>, Refusal> {
    let spec = checked(&app, &text).await?;
    let before = app.store.revision_last().await?;
    let base = before.as_ref().map(|last| last.info.revision);
    Ok(Json(Validation { base, changes: diff(&json_of(before.as_ref()), &spec.to_json()) }))
}

/// Lists revisions, newest first.
#[utoipa::path(get, path = "/v1/revisions", tag = "spec", params(RevisionsQuery),
    responses((status = 200, body = RevisionPage)))]
pub(crate) async fn revisions(
    State(app): State<App>,
    Query(query): Query<RevisionsQuery>,
) -> Result<Json<RevisionPage>, Refusal> {
    let revisions = app.store.revisions(query.before, PAGE).await?;
    let next = revisions.last().map(|info| info.revision).filter(|revision| *revision > 1);
    Ok(Json(RevisionPage { revisions, next }))
}

/// Reads an old revision's spec, secrets replaced.
#[utoipa::path(get, path = "/v1/revisions/{revision}", tag = "spec",
    responses((status = 200, body = Object), (status = 404, body = Fault)))]
pub(crate) async fn revision(
    State(app): State<App>,
    Path(revision): Path<u64>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let stored = app.store.revision(revision).await?;
    Ok(([(ETAG, etag(revision))], document(&stored, &headers)).into_response())
}

/// Makes an old revision's spec the newest, for everybody at once.
#[utoipa::path(post, path = "/v1/revisions/{revision}/rollback", tag = "spec",
    responses((status = 200, body = Applied), (status = 404, body = Fault)))]
pub(crate) async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Path(revision): Path<u64>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let expect = expected(&app, &headers).await?;
    let stored = app.store.revision(revision).await?;
    // The compiler may have become stricter since.
    let filled = app.store.spec_filled(&stored.spec).await?;
    let problems = compiled(&app, &filled, revision);
    if !problems.is_empty() {
        return Err(Refusal::invalid(problems));
    }
    let message = format!("back to revision {revision}");
    let new = RevisionNew::new(stored.spec, &caller.name, &message);
    let new = RevisionNew { expect, rollback_of: Some(revision), supersede: true, ..new };
    Ok(answer(put(&app, new).await?))
}

/// Tells how the newest revision goes out.
#[utoipa::path(get, path = "/v1/rollout", tag = "spec",
    responses((status = 200, body = Rollout), (status = 404, body = Fault)))]
pub(crate) async fn rollout(State(app): State<App>) -> Result<Json<Rollout>, Refusal> {
    app.store.rollout().await?.map(Json).ok_or_else(|| Refusal::not_found("a rollout"))
}

/// Gives the revision to everybody now, whatever the gates say.
#[utoipa::path(post, path = "/v1/rollout/promote", tag = "spec",
    responses((status = 200, body = Rollout), (status = 409, body = Fault)))]
pub(crate) async fn promote(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Rollout>, Refusal> {
    let running = running(&app).await?;
    let step = RolloutStep {
        revision: running.revision,
        from_wave: running.wave,
        state: RolloutState::Done,
        wave: running.plan.waves.len(),
        nodes: running.nodes,
        reason: "promoted by hand".to_owned(),
        actor: caller.name,
    };
    app.store.rollout_step(step).await?;
    rollout(State(app)).await
}

/// Takes the revision back from the nodes that have it.
#[utoipa::path(post, path = "/v1/rollout/abort", tag = "spec",
    responses((status = 200, body = Rollout), (status = 409, body = Fault)))]
pub(crate) async fn abort(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Rollout>, Refusal> {
    let running = running(&app).await?;
    rollouts::revert(&app, &running, &caller.name, "aborted by hand").await?;
    rollout(State(app)).await
}

async fn running(app: &App) -> Result<Rollout, Refusal> {
    let rollout = app.store.rollout().await?.filter(|r| r.state == RolloutState::Running);
    rollout.ok_or_else(|| Refusal::new(409, "no-rollout", "no rollout is under way", ""))
}

/// Makes the revision; the answer says what changed.
pub(crate) async fn put(app: &App, new: RevisionNew) -> Result<Applied, Refusal> {
    let before = app.store.revision_last().await?;
    let changes = diff(&json_of(before.as_ref()), &new.spec.to_json());
    let (revision, changed) = app.store.revision_put(new).await?;
    let changes = if changed { changes } else { Vec::new() };
    Ok(Applied { revision, changed, changes })
}

/// Reads and compiles a text: the spec, or every problem of it.
async fn checked(app: &App, text: &str) -> Result<Spec, Refusal> {
    let document = Document::parse(text).map_err(Refusal::invalid)?;
    let mut spec = document.spec().clone();
    let mut found = app.store.secrets_restored(&mut spec).await?;
    found.extend(plugins::resolve(app, &mut spec).await?);
    let filled = app.store.spec_filled(&spec).await?;
    found.extend(compiled(app, &filled, 0));
    let problems = document.join(found);
    if problems.is_empty() { Ok(spec) } else { Err(Refusal::invalid(problems)) }
}

/// What the edges' compiler says, and what only this server knows: which modules are here.
fn compiled(app: &App, filled: &Spec, revision: u64) -> Vec<Problem> {
    let material = lists(app, filled);
    let compiled = tidegate_snapshot::compile_with(filled, revision, &material);
    let mut problems = compiled.err().unwrap_or_default();
    for (index, list) in filled.lists.iter().enumerate() {
        let missing = match &list.source {
            Some(ListSource::File(_)) => {
                let hint = "apply the spec with `tidegate config apply`, which uploads the list";
                ("file", "a file is known only to the machine that it is on", hint.to_owned())
            }
            Some(ListSource::Sha256(hash)) if app.store.blob_path(hash).is_none() => {
                let hint = format!("upload it: PUT /v1/blobs/{hash}");
                ("sha256", "no list with this hash was uploaded", hint)
            }
            Some(ListSource::Sha256(_)) | None => continue,
        };
        let path = format!("lists[{index}].source.{}", missing.0);
        problems.push(Problem::new(path, missing.1).hint(missing.2));
    }
    for (index, plugin) in filled.plugins.iter().enumerate() {
        let path = |key: &str| format!("plugins[{index}].module.{key}");
        match &plugin.module {
            PluginModule::File(_) => {
                let message = "a file is known only to the machine that it is on";
                let hint = "apply the spec with `tidegate config apply`, which uploads the module";
                problems.push(Problem::new(path("file"), message).hint(hint));
            }
            PluginModule::Sha256(hash) if app.store.blob_path(hash).is_none() => {
                let hint = format!("upload it: PUT /v1/blobs/{hash}");
                let message = "no module with this hash was uploaded";
                problems.push(Problem::new(path("sha256"), message).hint(hint));
            }
            // What is unknown to the registry is told where it is resolved.
            PluginModule::Sha256(_) | PluginModule::Registry(_) => {}
        }
    }
    problems
}

/// The lists that were uploaded: a line that an edge could not read is told here.
fn lists(app: &App, spec: &Spec) -> Material {
    let mut material = Material::default();
    for list in &spec.lists {
        let Some(ListSource::Sha256(hash)) = &list.source else { continue };
        let path = app.store.blob_path(hash).map(|(path, _)| path);
        if let Some(content) = path.and_then(|path| std::fs::read(path).ok()) {
            material.insert_list(hash, content);
        }
    }
    material
}

async fn noted(app: &App, caller: &Caller, refusal: Refusal) -> Refusal {
    app.metrics.refused(&refusal.0.kind);
    let first: Vec<String> = refusal.0.problems.iter().take(20).map(ToString::to_string).collect();
    let entry = AuditNew::refused(&caller.name, "spec.put", "spec", refusal.0.kind.clone());
    let detail = json!({ "problems": refusal.0.problems.len(), "first": first });
    app.audit(entry.detail(detail)).await;
    refusal
}

async fn last(app: &App) -> Result<StoredRevision, Refusal> {
    let last = app.store.revision_last().await?;
    last.ok_or_else(|| Refusal::not_found("a spec (none was applied yet)"))
}

fn json_of(stored: Option<&StoredRevision>) -> Value {
    stored.map_or_else(|| json!({}), |stored| stored.spec.to_json())
}

fn document(stored: &StoredRevision, headers: &HeaderMap) -> impl IntoResponse + use<> {
    let json = stored.redacted();
    if header(headers, ACCEPT.as_str()).is_some_and(|accept| accept.contains("yaml")) {
        return ([(CONTENT_TYPE, "application/yaml")], tidegate_spec::canonical::yaml(&json));
    }
    let text = serde_json::to_string_pretty(&json).unwrap_or_default() + "\n";
    ([(CONTENT_TYPE, "application/json")], text)
}

fn answer(applied: Applied) -> Response {
    ([(ETAG, etag(applied.revision.revision))], Json(applied)).into_response()
}

fn etag(revision: u64) -> String {
    format!("\"r{revision}\"")
}

/// The revision that `If-Match` names (RFC 9110 section 13.1.1), 0 for "none yet".
async fn expected(app: &App, headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    if header(headers, IF_NONE_MATCH.as_str()).as_deref() == Some("*") {
        return Ok(Some(0));
    }
    let Some(tag) = header(headers, IF_MATCH.as_str()) else { return Ok(None) };
    if tag == "*" {
        return last(app).await.map(|last| Some(last.info.revision)).map_err(|_| stale(&tag));
    }
    let number = tag.trim().strip_prefix("\"r").and_then(|rest| rest.strip_suffix('"'));
    number.and_then(|n| n.parse().ok()).map(Some).ok_or_else(|| stale(&tag))
}

fn stale(tag: &str) -> Refusal {
    let detail = format!("no revision has the tag {tag}: read the spec again");
    Refusal::new(412, "stale", "the spec has moved on", detail)
}

fn plan(headers: &HeaderMap) -> Result<RolloutNew, Refusal> {
    let Some(text) = header(headers, ROLLOUT_HEADER) else { return Ok(RolloutNew::default()) };
    let plan = serde_json::from_str(&text);
    plan.map_err(|e| Refusal::bad(format!("{ROLLOUT_HEADER}: {e}")))
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Undoes percent-encoding; what is not encoded right stays as it is.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let value = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}
