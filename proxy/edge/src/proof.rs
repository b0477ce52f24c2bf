//! Proof that a pushed table is complete: before a visitor is told that a code does not exist, the
//! control plane is asked how far the table's log has come, and the answer is waited for here.
//!
//! Without it a link that was made a moment ago could be refused while its change is still on its
//! way. One question proves the table for everybody who came before it was asked, so that a flood
//! of unknown codes costs one question at a time, and none of the links service.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tidegate_control_client::Client;
use tidegate_route::links::Table;
use tokio::sync::Mutex;

use crate::clock::Clock;

/// How long a change that is on the log may take to arrive here.
const ARRIVAL_MS_MAX: u64 = 1_000;
/// How often is looked whether it has.
const ARRIVAL_POLL_MS: u64 = 2;

/// Up to when a table is known to be complete.
#[derive(Default)]
pub(crate) struct Proof {
    asking: Mutex<()>,
    proved_us: AtomicU64,
}

impl Proof {
    /// Waits until the table is known to hold everything that was on the log at `arrival_us`
    /// (monotonic). False when that cannot be found out.
    pub(crate) async fn reach(
        &self,
        arrival_us: u64,
        name: &str,
        table: &Table,
        client: &Client,
        clock: &Clock,
    ) -> bool {
        let _one_at_a_time = self.asking.lock().await;
        // Who waited for somebody else's question may find it answered.
        if self.proved_us.load(Relaxed) > arrival_us {
            return true;
        }
        let asked_us = clock.now().mono_us;
        let Ok(head) = client.table_head(name).await else { return false };
        let deadline_us = asked_us + ARRIVAL_MS_MAX * 1000;
        while table.state().seq < head.seq {
            if clock.now().mono_us > deadline_us {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(ARRIVAL_POLL_MS)).await;
        }
        self.proved_us.store(asked_us, Relaxed);
        true
    }
}
