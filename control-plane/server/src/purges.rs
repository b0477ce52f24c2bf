//! Purges: written down, pushed, and waited for.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use tidegate_control_api::{Purge, PurgeReport};
use tidegate_control_store::micros_now;

use crate::access::Caller;
use crate::app::App;
use crate::faults::Refusal;

const WAIT_MS_MAX: u64 = 60_000;
/// Acknowledgements of a thousand edges come within milliseconds: they are counted together.
const COUNT_MS: u64 = 5;

/// Purges, and answers when each live edge has carried it out, or when the time is up.
#[utoipa::path(post, path = "/v1/purges", tag = "purges", request_body = Purge,
    responses((status = 200, body = PurgeReport)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(purge): Json<Purge>,
) -> Result<Json<PurgeReport>, Refusal> {
    let begun = Instant::now();
    let mut changes = app.store.changes();
    let seq = app.store.purge_add(&purge, &caller.name).await?;
    let until = begun + Duration::from_millis(purge.wait_ms.min(WAIT_MS_MAX));
    loop {
        changes.borrow_and_update();
        let report = report(&app, seq, begun).await?;
        if report.done || Instant::now() >= until || app.stop.is_cancelled() {
            return Ok(Json(report));
        }
        tokio::time::sleep(Duration::from_millis(COUNT_MS)).await;
        // Another replica's nodes acknowledge there: look again now and then without being woken.
        let left = until.saturating_duration_since(Instant::now()).min(Duration::from_millis(200));
        let _ = tokio::time::timeout(left, changes.changed()).await;
    }
}

/// Tells what has become of a purge.
#[utoipa::path(get, path = "/v1/purges/{seq}", tag = "purges",
    responses((status = 200, body = PurgeReport)))]
pub(crate) async fn show(
    State(app): State<App>,
    Path(seq): Path<u64>,
) -> Result<Json<PurgeReport>, Refusal> {
    if seq == 0 || seq > app.store.heads().await?.purge {
        return Err(Refusal::not_found(format!("purge {seq}")));
    }
    Ok(Json(report(&app, seq, Instant::now()).await?))
}

async fn report(app: &App, seq: u64, begun: Instant) -> Result<PurgeReport, Refusal> {
    let now = micros_now();
    let mut report = PurgeReport {
        seq,
        done: false,
        acknowledged: Vec::new(),
        missing: Vec::new(),
        away: Vec::new(),
        waited_ms: 0,
    };
    for row in app.store.edges_purged().await? {
        let list = match (row.purge_seq >= seq, row.is_live(now)) {
            (true, _) => &mut report.acknowledged,
            (false, true) => &mut report.missing,
            (false, false) => &mut report.away,
        };
        list.push(row.node);
    }
    report.done = report.missing.is_empty();
    report.waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}
