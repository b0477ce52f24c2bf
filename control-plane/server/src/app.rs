//! What all handlers share.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_control_store::{AuditNew, Store};
use tokio_util::sync::CancellationToken;

use crate::anomalies::Anomalies;
use crate::config::PluginCheck;
use crate::counters::Counters;
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::office::Office;
use crate::rls::Compiled;
use crate::tokens::Tokens;

/// What all handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) tokens: Tokens,
    pub(crate) feed: Feed,
    pub(crate) metrics: Metrics,
    pub(crate) counters: Counters,
    pub(crate) anomalies: Anomalies,
    pub(crate) office: Office,
    pub(crate) compiled: Compiled,
    pub(crate) stop: CancellationToken,
    pub(crate) plugin_check: Option<PluginCheck>,
    streams: Mutex<HashMap<String, u64>>,
    stream_ids: AtomicU64,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub(crate) fn new(
        store: Store,
        tokens: Tokens,
        metrics: Metrics,
        counters: Counters,
        office: Office,
        plugin_check: Option<PluginCheck>,
    ) -> Self {
        Self(Arc::new(Parts {
            feed: Feed::new(store.clone()),
            store,
            tokens,
            metrics,
            counters,
            anomalies: Anomalies::default(),
            office,
            compiled: Compiled::default(),
            stop: CancellationToken::new(),
            plugin_check,
            streams: Mutex::default(),
            stream_ids: AtomicU64::new(1),
        }))
    }

    /// Writes an entry about a refusal; what changes something writes its entry with the change.
    pub(crate) async fn audit(&self, entry: AuditNew) {
        if let Err(error) = self.store.audit_add(entry).await {
            tracing::error!(%error, "audit entry lost");
        }
    }

    /// A node's stream opened; a number for it.
    pub(crate) fn stream_open(&self, node: &str) -> u64 {
        let id = self.stream_ids.fetch_add(1, Ordering::Relaxed);
        self.streams().insert(node.to_owned(), id);
        id
    }

    /// A node's stream ended; whether it was its newest.
    pub(crate) fn stream_close(&self, node: &str, id: u64) -> bool {
        let mut streams = self.streams();
        let newest = streams.get(node) == Some(&id);
        if newest {
            streams.remove(node);
        }
        newest
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
