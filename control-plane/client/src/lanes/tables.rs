//! Applies tables in order.

use std::path::PathBuf;
use std::sync::Arc;

use tidegate_control_api::TableEvent;
use tokio::sync::mpsc;

use super::TableMessage;
use super::shared::Shared;
use crate::{Blobs, Handler, TableUpdate};

pub(crate) async fn run<H: Handler>(
    shared: Arc<Shared>,
    blobs: Blobs,
    handler: Arc<H>,
    mut queue: mpsc::Receiver<TableMessage>,
) {
    while let Some(message) = queue.recv().await {
        match message {
            TableMessage::Event(event) => {
                let table = event.table.clone();
                if let Err(reason) = apply(&shared, &blobs, &*handler, event).await {
                    tracing::warn!(table, reason, "table starts anew");
                    restart(&shared, &table);
                }
            }
            TableMessage::Head { table, head, arrived } => {
                if shared.position(&table) >= head.seq {
                    shared.freshness.table(&table).whole(arrived);
                }
            }
        }
    }
}

/// Asks for the table from its base; what else is queued for it does not fit any more and is
/// refused as a gap.
fn restart(shared: &Shared, table: &str) {
    shared.freshness.table(table).broken();
    shared.set_position(table, 0);
    shared.resync.notify_one();
}

async fn apply<H: Handler>(
    shared: &Shared,
    blobs: &Blobs,
    handler: &H,
    mut event: TableEvent,
) -> Result<(), String> {
    let position = shared.position(&event.table);
    let reset = event.reset;
    if reset {
        shared.freshness.table(&event.table).broken();
    } else if !fits(&mut event, position)? {
        return Ok(());
    }
    let base = base_file(blobs, &event).await?;
    let TableEvent { table, generation, seq, ops, .. } = event;
    let name = table.clone();
    handler.on_table(TableUpdate { table, generation, seq, reset, base, ops }).await?;
    shared.set_position(&name, seq);
    Ok(())
}

/// Cuts off operations that were applied already; false when nothing is left. A gap is an error.
fn fits(event: &mut TableEvent, position: u64) -> Result<bool, String> {
    let before = event.seq.saturating_sub(event.ops.len() as u64);
    if before > position {
        return Err(format!("operations {} to {before} are missing", position + 1));
    }
    let known = usize::try_from(position - before).unwrap_or(usize::MAX);
    event.ops.drain(..known.min(event.ops.len()));
    Ok(!event.ops.is_empty() || event.base.is_some())
}

async fn base_file(blobs: &Blobs, event: &TableEvent) -> Result<Option<PathBuf>, String> {
    let Some(base) = &event.base else { return Ok(None) };
    blobs.file(&base.sha256).await.map(Some).map_err(|e| e.to_string())
}
