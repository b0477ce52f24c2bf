//! A tier on disk: a log of fixed-size segments that survives restart and `kill -9`.
//!
//! A response is one record, head and body behind a header with checksums, appended to the newest segment by a thread of
//! its own. A full segment ends in an index of its records, so that a start reads only these; the one that was being
//! written when the process died is scanned. When the capacity is reached the oldest segment goes; what was used
//! since it was written moves to the newest.
//!
//! Why not `foyer`, measured with 200,000 responses of 1.6 KB beside it: `docs/caching.md`, "The disk tier".
//!
//! **Invariant:** a record is in the index only after it was written whole.
//! **Invariant:** bytes that fail their checksum are never given back.
//! **Invariant:** the first error of the file system turns the tier off; the node serves on without it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tidegate_cache::{Key, KeySeed};

use crate::object::Object;
use crate::purge::{Purge, PurgeKind};
use crate::tier::{PurgeRecord, Recalled, Tier};

mod codec;
mod index;
mod journal;
mod record;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use index::{Index, Place};
use journal::Journal;
use writer::{Backlog, Task};

/// Limits of a [`DiskTier`].
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// Folder, made when missing. One process at a time.
    pub dir: PathBuf,
    /// Bytes of all segments.
    pub bytes_max: u64,
    /// Bytes of responses that wait to be written; more are not taken.
    pub backlog_bytes_max: u64,
    /// Responses up to this size are read where they are asked for: from memory or a fast disk that takes less time than
    /// handing the read to another thread. 0 for disks that turn.
    pub inline_read_bytes_max: u32,
}

/// A tier on disk. Cheap to share behind an `Arc`.
pub struct DiskTier {
    shared: Arc<Disk>,
    seed: KeySeed,
    journal: Journal,
    writer: Option<JoinHandle<()>>,
    /// Held as long as the folder is in use.
    _lock: File,
}

/// A snapshot of a tier's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Whether the tier works; `false` after the first error of the file system.
    pub on: bool,
    /// Keys on disk.
    pub keys: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Their capacity.
    pub bytes_max: u64,
    /// Responses written.
    pub written_total: u64,
    /// Responses not taken: too large, or too many waited.
    pub dropped_total: u64,
    /// Records that failed their checksum.
    pub corrupt_total: u64,
    /// Keys that went with their segment.
    pub evicted_total: u64,
}

/// Why a tier could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The folder cannot be used.
    #[error("cache folder {path}: {error}; check its owner and the free space", path = path.display())]
    Folder {
        /// Folder or file.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// Another process has it.
    #[error("cache folder {path} is in use by another process; give each its own", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

/// What readers and the writer share.
pub(crate) struct Disk {
    dir: PathBuf,
    index: Index,
    backlog: Backlog,
    on: AtomicBool,
    written: AtomicU64,
    dropped: AtomicU64,
    corrupt: AtomicU64,
    evicted: AtomicU64,
    segment_bytes: u64,
    bytes_max: u64,
    inline_read_bytes_max: u32,
}

/// An empty file that says that keys in this folder may have parts beside their URL.
const KEY_PARTS: &str = "key-parts";

impl DiskConfig {
    /// The usual limits around a folder and its capacity.
    pub fn new(dir: impl Into<PathBuf>, bytes_max: u64) -> Self {
        Self {
            dir: dir.into(),
            bytes_max,
            backlog_bytes_max: 64 << 20,
            inline_read_bytes_max: 16 << 10,
        }
    }

    /// Segments are a fraction of the capacity: large enough for the largest response, small enough that
    /// one is no great loss.
    fn segment_bytes(&self) -> u64 {
        (self.bytes_max / 16).clamp(1 << 20, 256 << 20)
    }
}

impl DiskTier {
    /// Opens a folder, with whatever an earlier process left there, and starts the writing thread.
    ///
    /// # Errors
    /// The folder cannot be made, read or locked.
    pub fn open(config: &DiskConfig) -> Result<Self, DiskError> {
        let dir = &config.dir;
        let fault = |error| DiskError::Folder { path: dir.clone(), error };
        fs::create_dir_all(dir).map_err(fault)?;
        let lock = lock(dir)?;
        let seed = seed(dir).map_err(fault)?;
        let journal = Journal::open(&dir.join("purges")).map_err(fault)?;
        let shared = Arc::new(Disk {
            dir: dir.clone(),
            index: Index::default(),
            backlog: Backlog::new(config.backlog_bytes_max),
            on: AtomicBool::new(true),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            corrupt: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
            segment_bytes: config.segment_bytes(),
            bytes_max: config.bytes_max,
            inline_read_bytes_max: config.inline_read_bytes_max,
        });
        let next = segment::load(&shared.dir, &shared.index).map_err(fault)?;
        let writer = writer::start(Arc::clone(&shared), next).map_err(fault)?;
        Ok(Self { shared, seed, journal, writer: Some(writer), _lock: lock })
    }

    /// The seed that the keys on disk were made with; the store must use it.
    pub const fn seed(&self) -> KeySeed {
        self.seed
    }

    /// The counts.
    pub fn stats(&self) -> DiskStats {
        let disk = &self.shared;
        DiskStats {
            on: disk.on.load(Relaxed),
            keys: disk.index.keys() as u64,
            bytes: disk.index.bytes(),
            bytes_max: disk.bytes_max,
            written_total: disk.written.load(Relaxed),
            dropped_total: disk.dropped.load(Relaxed),
            corrupt_total: disk.corrupt.load(Relaxed),
            evicted_total: disk.evicted.load(Relaxed),
        }
    }

    /// Waits until everything offered so far is written. Blocks: for tests and an orderly end.
    pub fn flush(&self) {
        self.shared.backlog.flush();
    }
}

impl Tier for DiskTier {
    fn recall(&self, key: Key) -> Recalled<'_> {
        let disk = Arc::clone(&self.shared);
        Box::pin(async move {
            let places = disk.index.places(key);
            if places.iter().all(|(place, _)| place.length <= disk.inline_read_bytes_max) {
                return disk.read(key, places);
            }
            // A read may wait for the disk, which must not hold up other connections.
            tokio::task::spawn_blocking(move || disk.read(key, places)).await.unwrap_or_default()
        })
    }

    fn offer(&self, object: Arc<Object>) {
        let bytes = object.weight();
        // It must fit a new segment beside what moves there from the oldest.
        let fits = bytes <= self.shared.segment_bytes / 2;
        let on = self.shared.on.load(Relaxed);
        if on && !(fits && self.shared.backlog.push(Task::Write(object), bytes)) {
            self.shared.dropped.fetch_add(1, Relaxed);
        }
    }

    fn forget(&self, key: Key) {
        self.shared.index.remove(key);
        // Never refused: it is small, and what it takes out must not come back.
        self.shared.backlog.push_always(Task::Forget(key));
    }

    fn purged(&self, purge: &Purge, kind: PurgeKind, generation: u64) {
        if let Err(error) = self.journal.append(purge, kind, generation) {
            self.shared.turn_off("purge journal", &error);
        }
    }

    fn purges(&self) -> Vec<PurgeRecord> {
        self.journal.read()
    }

    fn holds(&self, key: Key) -> bool {
        self.shared.index.has(key) || !self.shared.backlog.is_idle()
    }

    fn note_key_parts(&self) {
        if let Err(error) = fs::write(self.shared.dir.join(KEY_PARTS), []) {
            self.shared.turn_off("key parts", &error);
        }
    }

    fn has_key_parts(&self) -> bool {
        self.shared.dir.join(KEY_PARTS).exists()
    }

    fn generation(&self) -> u64 {
        self.shared.index.generation()
    }
}

impl Disk {
    fn read(&self, key: Key, places: Vec<(Place, Arc<File>)>) -> Vec<Arc<Object>> {
        if !self.on.load(Relaxed) {
            return Vec::new();
        }
        places.into_iter().filter_map(|(place, file)| self.read_one(key, &place, &file)).collect()
    }

    fn read_one(&self, key: Key, place: &Place, file: &File) -> Option<Arc<Object>> {
        match record::read(file, place.offset, place.length) {
            Ok(Some(object)) if object.key() == key => Some(Arc::new(object)),
            Ok(_) => {
                self.corrupt.fetch_add(1, Relaxed);
                self.index.remove(key);
                None
            }
            Err(error) => {
                self.turn_off("read", &error);
                None
            }
        }
    }

    /// The node serves on without the tier. It stays off until the process starts again: a disk that comes and goes
    /// would bring back what was purged in between.
    fn turn_off(&self, what: &'static str, error: &io::Error) {
        if self.on.swap(false, Relaxed) {
            tracing::error!(dir = %self.dir.display(), what, %error, "disk tier turned off");
        }
    }
}

impl Drop for DiskTier {
    /// Waits for what was offered to be written: the folder is free only when the thread has ended.
    fn drop(&mut self) {
        self.shared.backlog.close();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl std::fmt::Debug for DiskTier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskTier").field("stats", &self.stats()).finish()
    }
}

/// How long a predecessor that is ending, or a child process that is being started, may still hold
/// the folder.
const LOCK_MS_MAX: u64 = 1_000;
const LOCK_POLL_MS: u64 = 10;

fn lock(dir: &Path) -> Result<File, DiskError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|error| DiskError::Folder { path, error })?;
    for _ in 0..LOCK_MS_MAX / LOCK_POLL_MS {
        if file.try_lock().is_ok() {
            return Ok(file);
        }
        std::thread::sleep(Duration::from_millis(LOCK_POLL_MS));
    }
    Err(DiskError::InUse { path: dir.to_path_buf() })
}

/// The seed of the folder, made at its first use.
fn seed(dir: &Path) -> io::Result<KeySeed> {
    let path = dir.join("seed");
    if let Ok(bytes) = fs::read(&path)
        && let Ok(bytes) = <[u8; 16]>::try_from(bytes)
    {
        return Ok(KeySeed::new(bytes));
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    fs::write(&path, bytes)?;
    Ok(KeySeed::new(bytes))
}
