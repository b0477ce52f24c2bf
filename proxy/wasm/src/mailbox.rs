//! What reaches a request from outside of its own callbacks: answers to its calls, and the word of
//! another callback of the same plugin (a timer, as a rule) that it may go on.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::{sync::Notify, task::AbortHandle};

use crate::{GrpcEvent, HttpAnswer, LocalResponse, Map};

/// Edits that wait for one request at most; further ones are dropped.
const EVENTS_MAX: usize = 256;

/// Something that happened to a request.
#[derive(Debug)]
pub(crate) enum Event {
    /// A call of the plugin `link` has its answer; `None` when it failed.
    Answered { link: usize, call: u32, answer: Option<HttpAnswer> },
    /// Something came of a gRPC call of the plugin `link`.
    Grpc { link: usize, call: u32, event: GrpcEvent },
    /// Plugin `link` lets the request or response go on.
    Resumed { link: usize },
    /// The time for which plugin `link` holds the request is over; it goes on, or is answered so.
    Elapsed { link: usize, call: u32, response: Option<Box<LocalResponse>> },
    /// Plugin `link` answers the request.
    Local { link: usize, response: Box<LocalResponse> },
    /// A field is changed from another context of the plugin.
    Edit { map: Map, edit: Edit },
}

/// A change of one section.
#[derive(Debug)]
pub(crate) enum Edit {
    Add(String, Vec<u8>),
    Set(String, Vec<u8>),
    Remove(String),
}

/// Events of one request, in order.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inside: Mutex<Inside>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    events: VecDeque<Event>,
    /// Calls under way, by plugin and number.
    calls: Vec<(usize, u32, AbortHandle)>,
    closed: bool,
}

impl Mailbox {
    /// Puts an event in and wakes the request.
    pub(crate) fn put(&self, event: Event) {
        let mut inside = self.lock();
        if inside.closed || inside.events.len() >= EVENTS_MAX {
            return;
        }
        let over = match &event {
            Event::Answered { link, call, .. } => Some((*link, *call)),
            Event::Elapsed { link, call, .. } => Some((*link, *call)),
            _ => None,
        };
        if let Some((link, call)) = over {
            inside.calls.retain(|(its_link, its_call, _)| (*its_link, *its_call) != (link, call));
        }
        inside.events.push_back(event);
        drop(inside);
        self.filled.notify_one();
    }

    /// The oldest event.
    pub(crate) fn take(&self) -> Option<Event> {
        self.lock().events.pop_front()
    }

    /// Waits until there is an event.
    pub(crate) async fn wait(&self) {
        self.filled.notified().await;
    }

    /// Remembers a call, to end it with the request.
    pub(crate) fn add_call(&self, link: usize, call: u32, handle: AbortHandle) {
        self.lock().calls.push((link, call, handle));
    }

    /// A call has had its last event.
    pub(crate) fn end_call(&self, link: usize, call: u32) {
        let mut inside = self.lock();
        inside.calls.retain(|(its_link, its_call, _)| (*its_link, *its_call) != (link, call));
    }

    /// Whether an answer is still to come, or waits here to be taken.
    pub(crate) fn is_expecting(&self) -> bool {
        let inside = self.lock();
        !inside.calls.is_empty() || !inside.events.is_empty()
    }

    /// The request is over: nothing more is taken, calls under way are dropped.
    pub(crate) fn close(&self) {
        let mut inside = self.lock();
        inside.closed = true;
        inside.events.clear();
        for (_, _, handle) in inside.calls.drain(..) {
            handle.abort();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
