//! Says how far specs got, and what runs here.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate_control_api::{Ack, Beat, paths};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::shared::Shared;
use crate::Handler;

const BEAT_MS: u64 = 2_000;
const RETRY_MS: u64 = 300;

/// Sends acknowledgements; of those that wait, only the newest. What could not be sent is sent
/// again, unless there is newer news by then, and the newest is repeated on each new connection:
/// the control plane may have lost it.
pub(crate) async fn acks(shared: Arc<Shared>, mut queue: mpsc::UnboundedReceiver<Ack>) {
    let path = paths::fill(paths::NODE_ACKS, &[&shared.config.node]);
    let mut connected = shared.connected.subscribe();
    let mut last: Option<Ack> = None;
    loop {
        let up = tokio::select! {
            ack = queue.recv() => match ack {
                Some(ack) => { last = Some(ack); *connected.borrow() }
                None => return,
            },
            changed = connected.changed() => match changed {
                Ok(()) => *connected.borrow_and_update(),
                Err(_) => return,
            },
        };
        while let Ok(newer) = queue.try_recv() {
            last = Some(newer);
        }
        let Some(ack) = last.as_ref().filter(|_| up) else { continue };
        if let Err(error) = shared.client.report(&path, ack).await {
            tracing::debug!(%error, "acknowledgement not delivered");
            tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            connected.mark_changed();
        }
    }
}

/// Says what runs here, every two seconds and at once after a connection came up.
pub(crate) async fn beats<H: Handler>(shared: Arc<Shared>, handler: Arc<H>) {
    let path = paths::fill(paths::NODE_HEARTBEAT, &[&shared.config.node]);
    let mut connected = shared.connected.subscribe();
    let mut tick = tokio::time::interval(Duration::from_millis(BEAT_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            changed = connected.changed() => if changed.is_err() { return },
        }
        if *connected.borrow_and_update() {
            let beat = beat(&shared, &*handler);
            if let Err(error) = shared.client.report(&path, &beat).await {
                tracing::debug!(%error, "heartbeat not delivered");
            }
        }
    }
}

fn beat<H: Handler>(shared: &Shared, handler: &H) -> Beat {
    let (revision, hash) = shared.active().unzip();
    Beat {
        revision,
        hash,
        purge_seq: shared.purged.load(Ordering::Acquire),
        tables: shared.positions(),
        version: shared.config.version.clone(),
        stats: handler.stats(),
        anomalies: handler.anomalies(),
        address: shared.config.reached_at.clone(),
        labels: shared.config.labels.clone(),
    }
}
