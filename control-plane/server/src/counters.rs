//! Counts of limits that the nodes share, kept in this process.
//!
//! Keys are spread over shards with a lock each, held for one batch at a time. What a restart must not forget (buckets
//! that take long to fill, quotas of the calendar) is appended to a file a few times a second; other buckets
//! begin empty after a restart, so that nothing is granted twice.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tidegate_control_store::micros_now;
use tidegate_limit::global::{Answer, Batch, Held, Owner, Reply, Terms, Top, WIRE_TYPE};

use crate::app::App;
use crate::faults::Refusal;
use crate::office;

const SHARDS: usize = 16;
/// Keys kept in all; about 200 bytes each.
const ACCOUNTS_MAX: usize = 1 << 20;
/// How often changes are written down.
const WRITE_MS: u64 = 200;
/// Buckets that fill within this time are not written down, microseconds.
const FAST_FILL_US: u64 = 1_000_000;
/// The file is written anew beyond this size, and beyond four times what it was then.
const FILE_BYTES_MIN: u64 = 4 << 20;
const RECORD_BYTES: usize = 40;

/// Everything that is counted here.
pub(crate) struct Counters {
    shards: [Mutex<Owner>; SHARDS],
    secret: [u8; 16],
    epoch: AtomicU64,
    clock_us: AtomicU64,
    /// None where another server may take over: then what must be kept is in the database.
    file: Option<PathBuf>,
}

impl Counters {
    /// Takes up what the last process wrote down; on a shared database [`Counters::begin`] does.
    pub(crate) fn open(folder: &Path, secret: [u8; 16], shared: bool) -> Self {
        let now_us = micros_now();
        let shard = |_| Mutex::new(Owner::new(ACCOUNTS_MAX / SHARDS, now_us));
        let counters = Self {
            shards: std::array::from_fn(shard),
            secret,
            epoch: AtomicU64::new(now_us),
            clock_us: AtomicU64::new(now_us),
            file: (!shared).then(|| folder.join("counters.log")),
        };
        let kept = counters.file.as_ref().and_then(|file| std::fs::read(file).ok());
        // The last record of a key is the one that counts.
        counters.restore(kept.unwrap_or_default().chunks_exact(RECORD_BYTES).rev(), now_us);
        counters
    }

    /// Forgets everything and begins with what the last owner wrote down.
    pub(crate) fn begin(&self, kept: &[Vec<u8>]) {
        let now_us = self.now_us();
        for at in 0..SHARDS {
            *self.lock(at) = Owner::new(ACCOUNTS_MAX / SHARDS, now_us);
        }
        self.restore(kept.iter().map(Vec::as_slice), now_us);
        self.epoch.store(now_us, Relaxed);
    }

    fn restore<'r>(&self, records: impl Iterator<Item = &'r [u8]>, now_us: u64) {
        for record in records.filter_map(held) {
            self.shard(record.key).restore(&record, now_us);
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Owner> {
        // The low bits: nodes place keys in their tables by the high ones.
        self.lock(key as usize % SHARDS)
    }

    fn lock(&self, at: usize) -> MutexGuard<'_, Owner> {
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never steps back, whatever the machine's clock does.
    fn now_us(&self) -> u64 {
        self.clock_us.fetch_max(micros_now(), Relaxed).max(micros_now())
    }

    fn exchange(&self, batch: &Batch) -> Reply {
        let now_us = self.now_us();
        let mut answers: Vec<Answer> = Vec::with_capacity(batch.entries.len());
        let mut nodes = 0;
        for at in 0..SHARDS {
            let of_shard = |key: u64| key as usize % SHARDS == at;
            let entries: Vec<_> =
                batch.entries.iter().copied().filter(|entry| of_shard(entry.key)).collect();
            let part = Batch { node: batch.node, seq: batch.seq, entries };
            let mut owner = self.lock(at);
            answers.extend(owner.exchange_all(&part, now_us));
            nodes = nodes.max(owner.nodes());
        }
        let nodes = u16::try_from(nodes).unwrap_or(u16::MAX);
        Reply { secret: self.secret, nodes, epoch: self.epoch.load(Relaxed), answers }
    }

    /// For callers that are no nodes: so many tokens or none.
    pub(crate) fn take(&self, key: u64, terms: Terms, tokens: u32) -> Answer {
        let now_us = self.now_us();
        self.shard(key).take(key, terms, tokens, now_us)
    }

    /// The secret that keys are hashed with.
    pub(crate) fn secret(&self) -> [u8; 16] {
        self.secret
    }

    fn top(&self, count: usize) -> (Vec<Top>, usize) {
        let now_us = self.now_us();
        let mut all = Vec::new();
        let mut keys = 0;
        for at in 0..SHARDS {
            let owner = self.lock(at);
            keys += owner.len();
            all.extend(owner.top(count, now_us));
        }
        all.sort_by(|a, b| b.rate.total_cmp(&a.rate));
        all.truncate(count);
        (all, keys)
    }

    fn changed(&self, all: bool) -> Vec<Held> {
        let mut changed = Vec::new();
        for at in 0..SHARDS {
            self.lock(at).changed(FAST_FILL_US, all, &mut changed);
        }
        changed
    }

    fn rewrite(&self, path: &Path) -> io::Result<(File, u64)> {
        let bytes: Vec<u8> = self.changed(true).iter().flat_map(record).collect();
        let beside = path.with_extension("new");
        std::fs::write(&beside, &bytes)?;
        std::fs::rename(&beside, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok((file, bytes.len() as u64))
    }
}

/// Writes down what changed until the server stops, and once more then.
pub(crate) async fn keep(app: App) {
    let mut open: Option<(File, u64, u64)> = None;
    loop {
        let stopped = tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(WRITE_MS)) => false,
            () = app.stop.cancelled() => true,
        };
        let written = match &app.counters.file {
            Some(path) => write(&app.counters, path, &mut open).map_err(|error| error.to_string()),
            None => hand_down(&app).await.map_err(|error| error.to_string()),
        };
        if let Err(error) = written {
            tracing::error!(error, "counts of limits are not kept");
            open = None;
        }
        if stopped {
            return office::leave(&app).await;
        }
    }
}

/// Into the database, for the next owner.
async fn hand_down(app: &App) -> tidegate_control_store::Result<()> {
    if !app.office.is_owner() {
        return Ok(());
    }
    let changed = app.counters.changed(false);
    if changed.is_empty() {
        return Ok(());
    }
    let records = changed.iter().map(|held| (held.key, record(held).to_vec())).collect();
    app.store.counts_keep(records).await
}

fn write(counters: &Counters, path: &Path, open: &mut Option<(File, u64, u64)>) -> io::Result<()> {
    let (mut file, mut size, base) = match open.take() {
        Some(open) => open,
        None => {
            let (file, size) = counters.rewrite(path)?;
            (file, size, size)
        }
    };
    let bytes: Vec<u8> = counters.changed(false).iter().flat_map(record).collect();
    file.write_all(&bytes)?;
    size += bytes.len() as u64;
    *open = (size < FILE_BYTES_MIN.max(base * 4)).then_some((file, size, base));
    Ok(())
}

fn record(held: &Held) -> [u8; RECORD_BYTES] {
    let mut out = [0; RECORD_BYTES];
    let words =
        [held.key, held.terms.emission_ns, held.at_ns, held.used].map(u64::to_le_bytes).concat();
    out[..32].copy_from_slice(&words);
    out[32..36].copy_from_slice(&held.terms.burst.to_le_bytes());
    out[36..].copy_from_slice(&held.terms.left_ms.to_le_bytes());
    out
}

fn held(record: &[u8]) -> Option<Held> {
    let word = |at: usize| Some(u64::from_le_bytes(record.get(at..at + 8)?.try_into().ok()?));
    let half = |at: usize| Some(u32::from_le_bytes(record.get(at..at + 4)?.try_into().ok()?));
    let terms = Terms { emission_ns: word(8)?, burst: half(32)?, left_ms: half(36)?, near: 0 };
    Some(Held { key: word(0)?, terms, at_ns: word(16)?, used: word(24)? })
}

/// A node reports and asks about keys that it shares with others.
#[utoipa::path(post, path = "/v1/counters", tag = "limits",
    request_body(content = Vec<u8>, content_type = WIRE_TYPE),
    responses((status = 200, description = "answers, binary", content_type = WIRE_TYPE)))]
pub(crate) async fn exchange(State(app): State<App>, body: Bytes) -> Result<Response, Refusal> {
    let batch = Batch::decode(&body)
        .map_err(|error| Refusal::new(400, "counters", "malformed batch", error.to_string()))?;
    let reply = app.counters.exchange(&batch).encode();
    let kind = HeaderValue::from_static(WIRE_TYPE);
    Ok(([(CONTENT_TYPE, kind)], reply).into_response())
}

#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct LimitsQuery {
    /// How many keys to list, at most 1,000.
    #[serde(default = "fifty")]
    top: usize,
}

fn fifty() -> usize {
    50
}

/// The keys most in demand under shared limits.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct LimitsPage {
    /// Keys that are counted here.
    keys: usize,
    /// The most wanted first.
    top: Vec<TopKey>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TopKey {
    /// The key's hash, in hex.
    key: String,
    /// Tokens wanted a second, on all nodes.
    wanted_per_s: f64,
    /// Tokens a second that the limit has.
    limit_per_s: f64,
    /// Tokens left.
    left: u32,
    /// Nodes that use it.
    nodes: usize,
}

/// What is counted for all nodes together.
#[utoipa::path(get, path = "/v1/limits", tag = "limits", params(LimitsQuery),
    responses((status = 200, body = LimitsPage)))]
pub(crate) async fn list(
    State(app): State<App>,
    Query(query): Query<LimitsQuery>,
) -> Json<LimitsPage> {
    let (top, keys) = app.counters.top(query.top.min(1_000));
    let line = |top: Top| TopKey {
        key: format!("{:016x}", top.key),
        wanted_per_s: top.rate,
        limit_per_s: top.limit,
        left: top.left,
        nodes: top.nodes,
    };
    Json(LimitsPage { keys, top: top.into_iter().map(line).collect() })
}
