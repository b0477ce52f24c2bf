//! Notices changes in the store and encodes each once for all streams.
//!
//! Changes made here wake it; those of another replica are found by asking the store every
//! [`POLL_MS`]. Lines go through a bounded broadcast: who cannot follow loses lines, notices, and
//! reads what it missed from the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use tidegate_control_api::{Event, NodeKind, Rollout, RolloutState, SpecEvent, TableEvent};
use tidegate_control_store::{Heads, Result, Store, StoreError, TablePage};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

/// How often another replica's changes are looked for.
const POLL_MS: u64 = 200;
/// Without other replicas, only in case a wake-up was lost.
const IDLE_POLL_MS: u64 = 5_000;
/// Lines that a stream may be behind before it is brought up to date from the store.
const LINES_MAX: usize = 1_024;
/// Operations in one line.
pub(crate) const OPS_PER_LINE_MAX: usize = 2_000;
/// Purges read at once.
pub(crate) const PURGES_MAX: usize = 500;
/// Encoded specs that are kept: the newest and the one before, for each kind of reader.
const SPECS_KEPT: usize = 8;

/// Where the fleet stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fleet {
    pub(crate) heads: Heads,
    pub(crate) rollout: Option<Rollout>,
}

/// A line for whoever is at `from`.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) channel: Channel,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) text: Text,
}

/// What a line says.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    /// This, to be sent as it is.
    Encoded(Bytes),
    /// Nothing: each stream reads the store.
    Look(Look),
}

/// From where a stream reads the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// From its own position.
    WhereYouAre,
    /// From the base: a new one was made.
    FromTheBase,
}

/// A sequence that lines belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Channel {
    Purges,
    Table(Arc<str>),
}

/// Who reads a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reader {
    /// All of it, with secrets.
    Edge,
    /// Settings and keys, with secrets.
    Service,
    /// All of it, without secrets.
    Person,
}

/// An encoded spec event.
#[derive(Clone, Debug)]
pub(crate) struct SpecLine {
    pub(crate) revision: u64,
    pub(crate) hash: String,
    pub(crate) text: Bytes,
}

pub(crate) struct Feed {
    store: Store,
    fleet: watch::Sender<Fleet>,
    lines: broadcast::Sender<Line>,
    specs: Mutex<HashMap<(u64, Reader), SpecLine>>,
}

impl Fleet {
    /// The revision that a node is to run.
    pub(crate) fn target(&self, node: &str, kind: NodeKind) -> Option<u64> {
        if let Some(rollout) = &self.rollout
            && rollout.state == RolloutState::Running
            && rollout.revision == self.heads.revision
        {
            let ahead = kind == NodeKind::Edge && rollout.nodes.iter().any(|name| name == node);
            return if ahead { Some(rollout.revision) } else { rollout.base };
        }
        Some(self.heads.revision).filter(|revision| *revision > 0)
    }
}

impl Feed {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            fleet: watch::Sender::default(),
            lines: broadcast::Sender::new(LINES_MAX),
            specs: Mutex::default(),
        }
    }

    pub(crate) fn fleet(&self) -> watch::Receiver<Fleet> {
        self.fleet.subscribe()
    }

    pub(crate) fn lines(&self) -> broadcast::Receiver<Line> {
        self.lines.subscribe()
    }

    /// Reads where everything stands, before the first request.
    pub(crate) async fn prime(&self) -> Result<()> {
        let fleet = self.read().await?;
        self.fleet.send_replace(fleet);
        Ok(())
    }

    pub(crate) async fn run(&self, stop: CancellationToken) {
        let mut changes = self.store.changes();
        let poll = if self.store.is_shared() { POLL_MS } else { IDLE_POLL_MS };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = changes.changed() => { changes.borrow_and_update(); }
                () = tokio::time::sleep(Duration::from_millis(poll)) => {}
            }
            if let Err(error) = self.advance().await {
                tracing::error!(%error, "changes cannot be read from the store");
                tokio::time::sleep(Duration::from_millis(POLL_MS)).await;
            }
        }
    }

    async fn advance(&self) -> Result<()> {
        let before = self.fleet.borrow().clone();
        let now = self.read().await?;
        if now == before {
            return Ok(());
        }
        self.purges(before.heads.purge, now.heads.purge).await?;
        for (table, head) in &now.heads.tables {
            let from = before.heads.tables.get(table).copied().unwrap_or_default();
            if from.generation != head.generation {
                self.look(table, Look::FromTheBase);
            } else {
                self.table(table, from.seq, head.seq).await?;
            }
        }
        self.fleet.send_replace(now);
        Ok(())
    }

    async fn read(&self) -> Result<Fleet> {
        let heads = self.store.heads().await?;
        let known = self.fleet.borrow().clone();
        let same = known.heads.rollout == heads.rollout && known.heads.revision == heads.revision;
        let rollout = if same { known.rollout } else { self.store.rollout().await? };
        Ok(Fleet { heads, rollout })
    }

    async fn purges(&self, mut from: u64, to: u64) -> Result<()> {
        while from < to && self.lines.receiver_count() > 0 {
            let purges = self.store.purges_after(from, PURGES_MAX).await?;
            let Some(last) = purges.last().map(|purge| purge.seq) else { return Ok(()) };
            for purge in purges {
                let (before, to) = (purge.seq - 1, purge.seq);
                let text = Text::Encoded(line(&Event::Purge(purge)));
                let _ = self.lines.send(Line { channel: Channel::Purges, from: before, to, text });
            }
            from = last;
        }
        Ok(())
    }

    async fn table(&self, table: &str, mut from: u64, to: u64) -> Result<()> {
        while from < to && self.lines.receiver_count() > 0 {
            let page = self.store.table_after(table, from.max(1), OPS_PER_LINE_MAX).await?;
            // The very first operation has no operation before it to resume from: streams read it
            // from the store.
            if page.reset || page.ops.is_empty() || from == 0 {
                self.look(table, Look::WhereYouAre);
                return Ok(());
            }
            let event = table_event(table, page);
            let (before, to) = (from, event.seq);
            let channel = Channel::Table(table.into());
            let text = Text::Encoded(line(&Event::Table(event)));
            let _ = self.lines.send(Line { channel, from: before, to, text });
            from = to;
        }
        Ok(())
    }

    /// Has every stream read a table from the store by itself.
    fn look(&self, table: &str, look: Look) {
        let channel = Channel::Table(table.into());
        let _ = self.lines.send(Line { channel, from: 0, to: 0, text: Text::Look(look) });
    }

    /// A revision's spec as this reader gets it, encoded once.
    pub(crate) async fn spec_line(&self, revision: u64, reader: Reader) -> Result<SpecLine> {
        if let Some(line) = self.specs().get(&(revision, reader)) {
            return Ok(line.clone());
        }
        let stored = self.store.revision(revision).await?;
        let json = match reader {
            Reader::Person => stored.redacted(),
            Reader::Edge => self.store.spec_filled(&stored.spec).await?.to_json(),
            Reader::Service => service_part(&self.store.spec_filled(&stored.spec).await?.to_json()),
        };
        let spec = RawValue::from_string(tidegate_spec::canonical::json(&json))
            .map_err(|e| corrupt(revision, e))?;
        let hash = stored.info.hash;
        let text = line(&Event::Spec(SpecEvent { revision, hash: hash.clone(), spec }));
        let encoded = SpecLine { revision, hash, text };
        let mut specs = self.specs();
        if specs.len() >= SPECS_KEPT {
            let oldest = specs.keys().map(|(revision, _)| *revision).min();
            specs.retain(|(revision, _), _| Some(*revision) != oldest);
        }
        specs.insert((revision, reader), encoded.clone());
        Ok(encoded)
    }

    fn specs(&self) -> std::sync::MutexGuard<'_, HashMap<(u64, Reader), SpecLine>> {
        self.specs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an origin service needs of a spec.
fn service_part(spec: &Value) -> Value {
    let mut part = serde_json::Map::new();
    for key in ["services", "keysets", "link_domains"] {
        if let Some(value) = spec.get(key) {
            part.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(part)
}

pub(crate) fn table_event(table: &str, page: TablePage) -> TableEvent {
    TableEvent {
        table: table.to_owned(),
        generation: page.generation,
        seq: page.from + page.ops.len() as u64,
        base: page.base,
        reset: page.reset,
        ops: page.ops,
    }
}

/// An event as a line, with its end.
pub(crate) fn line(event: &Event) -> Bytes {
    let mut text = serde_json::to_vec(event).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

fn corrupt(revision: u64, detail: impl ToString) -> StoreError {
    StoreError::Corrupt { what: format!("revision {revision}"), detail: detail.to_string() }
}
