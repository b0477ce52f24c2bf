//! What the driver of an HTTP/2 connection and its requests in the slow lane share.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

use bytes::Bytes;
use tidegate_http::FieldList;
use tidegate_http2::{Connection, StreamId};

/// The state of a connection. Driver and requests live on the same worker, so the lock is free.
pub(crate) struct Shared {
    state: Mutex<State>,
}

/// The state of a connection.
pub(crate) struct State {
    pub(crate) http2: Connection,
    /// What requests in the slow lane are told.
    pub(super) mailboxes: HashMap<StreamId, Mailbox>,
    driver: Option<Waker>,
    /// The connection is over.
    gone: bool,
}

/// What one request in the slow lane is told.
#[derive(Default)]
pub(crate) struct Mailbox {
    pub(crate) body: VecDeque<Bytes>,
    /// The request is complete.
    pub(crate) ended: bool,
    /// What came behind the body, but for what must not come late.
    pub(crate) trailers: Option<FieldList>,
    /// The client reset the stream.
    pub(crate) gone: bool,
    /// All of the response went out.
    pub(crate) sent: bool,
    waiting: [Option<Waker>; 2],
}

/// What a request may wait for; each at most once at a time.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    /// More of its body, or the end of the stream.
    Reading,
    /// Room for more of the response.
    Writing,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(http2: Connection) -> Arc<Self> {
        let mailboxes = HashMap::new();
        let state = State { http2, mailboxes, driver: None, gone: false };
        Arc::new(Self { state: Mutex::new(state) })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what still runs: the connection is gone.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.gone = true;
        state.driver = None;
        for mailbox in state.mailboxes.values_mut() {
            mailbox.gone = true;
            mailbox.wake();
        }
    }
}

// === impl State ===

impl State {
    /// The task to wake when something is to be written.
    pub(super) fn drive_from(&mut self, cx: &Context<'_>) {
        match &mut self.driver {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Has what is queued written.
    pub(crate) fn drive(&self) {
        if let Some(driver) = &self.driver {
            driver.wake_by_ref();
        }
    }

    /// Takes in a request for the slow lane.
    pub(super) fn open(&mut self, stream: StreamId, ended: bool) {
        self.mailboxes.insert(stream, Mailbox { ended, ..Mailbox::default() });
    }

    /// The mailbox of a request, unless the stream or the connection is over.
    pub(crate) fn mailbox(&mut self, stream: StreamId) -> Option<&mut Mailbox> {
        if self.gone {
            return None;
        }
        self.mailboxes.get_mut(&stream).filter(|mailbox| !mailbox.gone)
    }

    /// The request of the slow lane is over.
    pub(crate) fn close(&mut self, stream: StreamId) {
        self.mailboxes.remove(&stream);
    }
}

// === impl Mailbox ===

impl Mailbox {
    /// Remembers who waits.
    pub(crate) fn wait(&mut self, side: Side, cx: &Context<'_>) {
        match &mut self.waiting[side as usize] {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    pub(super) fn wake_side(&mut self, side: Side) {
        if let Some(waker) = self.waiting[side as usize].take() {
            waker.wake();
        }
    }

    pub(super) fn wake(&mut self) {
        self.wake_side(Side::Reading);
        self.wake_side(Side::Writing);
    }
}
