//! Carries purges out in order and says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate_control_api::{PurgeAck, PurgeEvent, paths};
use tokio::sync::mpsc;

use super::shared::Shared;
use crate::Handler;

const RETRY_MS: u64 = 200;

pub(crate) async fn run<H: Handler>(
    shared: Arc<Shared>,
    handler: Arc<H>,
    mut queue: mpsc::Receiver<PurgeEvent>,
) {
    while let Some(purge) = queue.recv().await {
        let seq = purge.seq;
        if seq <= shared.purged.load(Ordering::Acquire) {
            continue;
        }
        handler.on_purge(purge).await;
        shared.purged.store(seq, Ordering::Release);
        shared.purge_done.send_replace(seq);
    }
}

/// Says how far it got: the newest only, so that a burst of purges costs one report.
pub(crate) async fn acknowledge(shared: Arc<Shared>) {
    let mut done = shared.purge_done.subscribe();
    let path = paths::fill(paths::NODE_PURGES, &[&shared.config.node]);
    while done.changed().await.is_ok() {
        let seq = *done.borrow_and_update();
        if shared.client.report(&path, &PurgeAck { seq }).await.is_err() {
            tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            done.mark_changed();
        }
    }
}
