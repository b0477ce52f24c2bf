//! What the tasks of one subscription know together.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tidegate_control_api::{Ack, Phase, Problem, WatchQuery, paths};
use tokio::sync::{Notify, mpsc, watch};

use crate::{Client, Freshness, Saved, SubscriberConfig};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: SubscriberConfig,
    pub(crate) client: Client,
    pub(crate) freshness: Freshness,
    pub(crate) connected: watch::Sender<bool>,
    /// Asks the stream task to connect anew.
    pub(crate) resync: Notify,
    /// The last purge carried out; meaningless while `purge_known` is false.
    pub(crate) purged: AtomicU64,
    /// The last purge that the control plane spoke of.
    pub(crate) purge_head: AtomicU64,
    pub(crate) purge_done: watch::Sender<u64>,
    purge_known: Mutex<bool>,
    acks: mpsc::UnboundedSender<Ack>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What answers requests.
    active: Option<(u64, String)>,
    /// The hash of the last spec that was looked at, used or refused: that one is not sent again.
    judged: String,
    tables: BTreeMap<String, u64>,
}

impl Shared {
    pub(crate) fn new(
        config: SubscriberConfig,
        client: Client,
        acks: mpsc::UnboundedSender<Ack>,
        purged: Option<u64>,
    ) -> Self {
        let tables = config.tables.iter().map(|table| (table.clone(), 0)).collect();
        Self {
            config,
            client,
            freshness: Freshness::default(),
            connected: watch::Sender::new(false),
            resync: Notify::new(),
            purged: AtomicU64::new(purged.unwrap_or(0)),
            purge_head: AtomicU64::new(0),
            purge_done: watch::Sender::new(0),
            purge_known: Mutex::new(purged.is_some()),
            acks,
            state: Mutex::new(State { tables, ..State::default() }),
        }
    }

    /// Where this node stands, as the stream's address says it.
    pub(crate) fn watch_path(&self) -> String {
        let state = self.state();
        let tables: Vec<_> =
            state.tables.iter().map(|(name, seq)| format!("{name}:{seq}")).collect();
        let query = WatchQuery {
            node: self.config.node.clone(),
            kind: self.config.kind,
            hash: state.judged.clone(),
            from: self.is_purge_known().then(|| self.purged.load(Ordering::Acquire)),
            tables: tables.join(","),
        };
        drop(state);
        let mut path = format!(
            "{}?node={}&kind={}&tables={}",
            paths::WATCH,
            paths::encode(&query.node),
            query.kind.as_str(),
            paths::encode(&query.tables)
        );
        if !query.hash.is_empty() {
            path += &format!("&hash={}", query.hash);
        }
        if let Some(from) = query.from {
            path += &format!("&from={from}");
        }
        path
    }

    pub(crate) fn is_purge_known(&self) -> bool {
        *self.purge_known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The control plane stands here. A node that is here for the first time begins there, and so
    /// does one that is ahead when the stream begins: it knows another database's purges.
    pub(crate) fn purge_heard(&self, seq: u64, begins: bool) {
        let mut known = self.purge_known.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = begins && self.purged.load(Ordering::Acquire) > seq;
        if !*known || ahead {
            self.purged.store(seq, Ordering::Release);
            self.purge_head.store(seq, Ordering::Release);
            super::purges::position_write(&self.config.data_dir, seq);
            *known = true;
        }
        self.purge_head.fetch_max(seq, Ordering::AcqRel);
    }

    pub(crate) fn active(&self) -> Option<(u64, String)> {
        self.state().active.clone()
    }

    pub(crate) fn set_active(&self, saved: &Saved) {
        let mut state = self.state();
        state.active = Some((saved.revision, saved.hash.clone()));
        state.judged = saved.hash.clone();
    }

    pub(crate) fn set_judged(&self, saved: &Saved) {
        self.state().judged = saved.hash.clone();
    }

    pub(crate) fn positions(&self) -> BTreeMap<String, u64> {
        self.state().tables.clone()
    }

    pub(crate) fn position(&self, table: &str) -> u64 {
        self.state().tables.get(table).copied().unwrap_or(0)
    }

    pub(crate) fn set_position(&self, table: &str, seq: u64) {
        if let Some(position) = self.state().tables.get_mut(table) {
            *position = seq;
        }
    }

    pub(crate) fn ack(&self, saved: &Saved, phase: Phase, problems: Vec<Problem>) {
        let ack = Ack { revision: saved.revision, hash: saved.hash.clone(), phase, problems };
        let _ = self.acks.send(ack);
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
