//! What a fill and its readers share.
//!
//! # Lifecycle
//!
//! ```text
//! begin ──> waiting ──head──> kept ─────────finish──> complete     readers: all bytes, then the end
//!              │               │ too large
//!              │               v
//!              ├────head────> passing ──────finish──> complete     only the readers it has; nothing stored
//!              ├──not modified / serve stale────────> object       readers: a stored response
//!              └──────────── dropped at any time ───> failed       readers: an error, never an end
//! ```
//!
//! *Kept*: all bytes stay in memory until the end, so that readers join late and at their own pace. *Passing*: bytes leave
//! memory once every reader has them, and the fill waits for the client that caused it. Followers never hold a fill up:
//! one that falls further behind than the store keeps is failed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tidegate_cache::{Key, Plan, Reason};
use tidegate_http::{FieldList, Fields, ResponseHead};
use tokio::sync::Notify;

use crate::object::Object;
use crate::store::Wanted;

/// Why a reader gets no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// The fill was dropped: the origin or the fetch broke off.
    #[error("the fetch broke off before the end of the response")]
    Broken,
    /// Fewer or more bytes came than `Content-Length` said.
    #[error("the response had {got} bytes where content-length said {expected}")]
    Length {
        /// What the head said.
        expected: u64,
        /// What came.
        got: u64,
    },
    /// The reader fell behind a response that is too large to be kept.
    #[error("the reader fell too far behind a response that is not kept")]
    Lagged,
}

/// The head of a response that is on its way.
#[derive(Debug)]
pub struct FillHead {
    /// As received, without hop-by-hop fields: for the client that caused the fetch.
    pub response: ResponseHead,
    /// For everybody else, where some fields are withheld from them.
    pub(crate) shared: Option<ResponseHead>,
    /// How it is stored, if it is.
    pub plan: Option<Box<Plan>>,
    /// Why it is stored or not.
    pub reason: Reason,
    /// `Content-Length`.
    pub length: Option<u64>,
}

/// One fetch with everybody who waits for it.
pub(crate) struct Shared {
    pub(crate) key: Key,
    pub(crate) url: Box<str>,
    /// The leader's fields, to tell variants apart.
    pub(crate) request: FieldList,
    pub(crate) generation: u64,
    /// Whether others may join it.
    joinable: AtomicBool,
    /// Its key was purged since it began: nothing of it is stored.
    purged: AtomicBool,
    state: Mutex<State>,
    /// Readers wait here for bytes.
    pub(crate) arrived: Notify,
    /// A passing fill waits here for its readers.
    pub(crate) read: Notify,
}

/// Everything that changes.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) head: Option<Arc<FillHead>>,
    /// Index of the first piece that is still there.
    pub(crate) first: u64,
    pub(crate) pieces: VecDeque<Bytes>,
    /// Bytes in `pieces`.
    pub(crate) held: u64,
    /// Bytes that came.
    pub(crate) total: u64,
    pub(crate) passing: bool,
    pub(crate) end: Option<End>,
    pub(crate) readers: Vec<Option<Place>>,
}

/// How a fill ended.
#[derive(Clone)]
pub(crate) enum End {
    Complete,
    Failed(FillError),
    Object { object: Arc<Object>, shareable: bool },
}

/// Where a reader is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Place {
    /// Index of the next piece.
    pub(crate) piece: u64,
    /// Bytes read.
    pub(crate) bytes: u64,
    pub(crate) lagged: bool,
}

impl FillHead {
    /// The head for a reader.
    pub fn response(&self, leader: bool) -> &ResponseHead {
        match &self.shared {
            Some(shared) if !leader => shared,
            _ => &self.response,
        }
    }
}

impl Shared {
    pub(crate) fn new(wanted: &Wanted<'_>, generation: u64, joinable: bool) -> Self {
        Self {
            key: wanted.key,
            url: wanted.url.into(),
            request: to_list(wanted.fields),
            joinable: AtomicBool::new(joinable),
            purged: AtomicBool::new(false),
            generation,
            state: Mutex::default(),
            arrived: Notify::new(),
            read: Notify::new(),
        }
    }

    pub(crate) fn is_joinable(&self) -> bool {
        self.joinable.load(Relaxed)
    }

    /// From now on nobody joins it.
    pub(crate) fn close(&self) {
        self.joinable.store(false, Relaxed);
    }

    /// Its key is purged. Under the lock of the shard, as is whoever asks.
    pub(crate) fn purge(&self) {
        self.close();
        self.purged.store(true, Relaxed);
    }

    pub(crate) fn is_purged(&self) -> bool {
        self.purged.load(Relaxed)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it, once.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.state();
        state.end.get_or_insert(end);
        drop(state);
        self.arrived.notify_waiters();
    }
}

impl State {
    /// Adds a reader from the first byte on; `None` when that has left memory.
    pub(crate) fn admit(&mut self) -> Option<usize> {
        if self.first > 0 {
            return None;
        }
        let free = self.readers.iter().position(Option::is_none);
        let id = free.unwrap_or_else(|| {
            self.readers.push(None);
            self.readers.len() - 1
        });
        self.readers[id] = Some(Place::default());
        Some(id)
    }

    /// The reader that a passing fill keeps pace with: the leader, or whoever came next when it has left.
    fn pace(&self) -> Option<usize> {
        self.readers.iter().position(|place| place.is_some_and(|place| !place.lagged))
    }

    /// How many bytes the fill is ahead of that reader.
    pub(crate) fn ahead(&self) -> Option<u64> {
        let place = self.pace().and_then(|id| self.readers[id])?;
        Some(self.total - place.bytes)
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        self.total += piece.len() as u64;
        self.held += piece.len() as u64;
        self.pieces.push_back(piece);
    }

    /// Lets go of what every reader has. Followers that would hold more than `held_max` bytes are failed; returns how
    /// many.
    pub(crate) fn release(&mut self, held_max: u64) -> u64 {
        let mut lagged = 0;
        while let Some(front) = self.pieces.front() {
            if self.needs_first() {
                let failed = if self.held > held_max { self.fail_slowest() } else { 0 };
                if failed == 0 {
                    break;
                }
                lagged += failed;
                continue;
            }
            self.held -= front.len() as u64;
            self.pieces.pop_front();
            self.first += 1;
        }
        lagged
    }

    fn needs_first(&self) -> bool {
        self.readers.iter().flatten().any(|place| !place.lagged && place.piece <= self.first)
    }

    /// Fails the followers that need the first piece; the reader that sets the pace is waited for instead.
    fn fail_slowest(&mut self) -> u64 {
        let (first, pace) = (self.first, self.pace());
        let readers = self.readers.iter_mut().enumerate();
        let followers =
            readers.filter(|(id, _)| Some(*id) != pace).filter_map(|(_, place)| place.as_mut());
        let slow = followers.filter(|place| !place.lagged && place.piece <= first);
        slow.map(|place| place.lagged = true).count() as u64
    }
}

pub(crate) fn to_list(fields: &dyn Fields) -> FieldList {
    let mut list = FieldList::new();
    fields.each(&mut |name, value| list.push(name, value));
    list
}
