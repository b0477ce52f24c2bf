//! The base of the table that edges hold: a filter of all codes, built anew now and then.

use std::time::Duration;

use tidegate_origin_kit::service::Stop;
use tidegate_route::links::Filter;

use super::App;
use crate::announce::Change;
use crate::announce::{Announce, AnnounceError, Op, Position};
use crate::store;

/// Share of unknown codes that pass the filter by chance.
const FALSE_SHARE: f64 = 0.001;
/// Codes read at a time.
const PAGE_CODES: u32 = 10_000;
/// Operations after which the base is built anew, at least.
const STALE_OPS_MIN: u64 = 10_000;
/// One operation for so many codes makes a base stale.
const STALE_SHARE: u64 = 20;
/// How often it is looked whether the base is stale, and how soon a failure is tried again.
const LOOK: Duration = Duration::from_secs(10);
/// Changes of so long before the start are announced again: the process before may have ended between a
/// commit and its announcement.
const ANNOUNCE_AGAIN_US: i64 = 600_000_000;

/// Builds the base at the start and whenever it is stale.
pub(crate) async fn keep_base(app: App, log: std::sync::Arc<dyn Announce>, mut stop: Stop) {
    let mut built: Option<(u64, u64)> = None;
    loop {
        match step(&app, log.as_ref(), built).await {
            Ok(now) => built = Some(now),
            Err(error) => tracing::warn!(%error, "link filter not built, trying again"),
        }
        if !stop.sleep(LOOK).await {
            return;
        }
    }
}

/// Builds when needed; the log position and the number of codes of the base that stands.
async fn step(
    app: &App,
    log: &dyn Announce,
    built: Option<(u64, u64)>,
) -> Result<(u64, u64), AnnounceError> {
    // Before the codes are read: whatever is appended later than this may be missing in them.
    let position = log.position().await?;
    if let Some((seq, codes)) = built
        && position.generation > 0
        && position.seq.saturating_sub(seq) < STALE_OPS_MIN.max(codes / STALE_SHARE)
    {
        return Ok((seq, codes));
    }
    if built.is_none() {
        announce_again(app, log).await?;
    }
    let filter = build(app, position).await.map_err(|e| AnnounceError(e.to_string()))?;
    let (codes, bytes) = (filter.codes(), filter.to_bytes());
    tracing::info!(codes, bytes = bytes.len(), seq = position.seq, "link filter built");
    log.base(bytes, position.seq).await?;
    Ok((position.seq, codes))
}

async fn build(app: &App, position: Position) -> tidegate_sql::Result<Filter> {
    let codes = app.db.read(async |tx| store::live_count(tx).await).await?;
    // Room for the codes that come while this one is in use.
    let room = usize::try_from(codes + codes / 4).unwrap_or(usize::MAX);
    let mut filter = Filter::new(position.generation + 1, position.seq, room, FALSE_SHARE);
    let mut last = (String::new(), String::new());
    loop {
        let from = last.clone();
        let page =
            app.db.read(async move |tx| store::live_codes(tx, &from, PAGE_CODES).await).await?;
        for (code, domain) in &page {
            filter.insert(domain, code);
        }
        match page.into_iter().last() {
            Some(end) => last = end,
            None => return Ok(filter),
        }
    }
}

async fn announce_again(app: &App, log: &dyn Announce) -> Result<(), AnnounceError> {
    let since = app.clock.now() - ANNOUNCE_AGAIN_US;
    let changed = app.db.read(async move |tx| store::changed_since(tx, since).await);
    let changed = changed.await.map_err(|e: tidegate_sql::Error| AnnounceError(e.to_string()))?;
    let ops: Vec<Op> = changed
        .into_iter()
        .map(|(code, domain, _)| Op { change: Change::Change, domain, code })
        .collect();
    for part in ops.chunks(1000) {
        log.append(part).await?;
    }
    Ok(())
}
