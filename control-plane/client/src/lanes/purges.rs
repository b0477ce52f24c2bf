//! Carries purges out in order and says so.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate_control_api::{PurgeAck, PurgeEvent, paths};
use tokio::sync::mpsc;

use super::shared::Shared;
use crate::Handler;

const RETRY_MS: u64 = 200;
const POSITION_FILE: &str = "purges.seq";

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
        position_write(&shared.config.data_dir, seq);
        shared.purge_done.send_replace(seq);
    }
}

/// The last purge carried out before the last stop. One that is too old costs repeated purges, never
/// a missed one, so it is written without waiting for the disk.
pub(crate) fn position_read(folder: &Path) -> Option<u64> {
    fs::read_to_string(folder.join(POSITION_FILE)).ok()?.trim().parse().ok()
}

pub(crate) fn position_write(folder: &Path, seq: u64) {
    let path = folder.join(POSITION_FILE);
    let temporary = path.with_extension("tmp");
    let written =
        fs::write(&temporary, seq.to_string()).and_then(|()| fs::rename(&temporary, &path));
    if let Err(error) = written {
        tracing::warn!(%error, path = %path.display(), "purge position not kept");
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
