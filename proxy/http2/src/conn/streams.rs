//! The streams that are open.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::Priority;

/// A stream from its request head to the end of both sides.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) priority: Priority,
    /// Whether the client has ended its side.
    pub(super) remote_ended: bool,
    /// Whether the final response head was queued.
    pub(super) headed: bool,
    /// Whether the end of the response was queued.
    pub(super) end_queued: bool,
    /// Whether the end of the response was handed over; what the client still sends is discarded.
    pub(super) answered: bool,
    /// Whether the owner knows that it may queue more.
    pub(super) told: bool,
    /// When `answered`: since when, microseconds.
    pub(super) answered_us: u64,
    /// What may be sent (RFC 9113 6.9.1); negative after a setting made it smaller.
    pub(super) send_window: i64,
    /// What the client may still send.
    pub(super) recv_window: i64,
    /// Released by the owner, not yet told to the client.
    pub(super) unannounced: u32,
    /// Handed to the owner, not yet released.
    pub(super) unreleased: u32,
    /// Body bytes that content-length still promises.
    pub(super) expected: Option<u64>,
    /// The turn in which it was served last.
    pub(super) served: u64,
    pub(super) queue: VecDeque<Bytes>,
    pub(super) queued_bytes: usize,
    pub(super) trailers: Option<Box<[u8]>>,
}

/// A slab of streams and an index by number.
#[derive(Debug, Default)]
pub(super) struct Streams {
    slab: Vec<Stream>,
    free: Vec<u16>,
    /// Number and place, in the order of the numbers, which only grow.
    index: Vec<(u32, u16)>,
}

impl Stream {
    pub(super) fn new(id: u32, priority: Priority, send_window: i64, recv_window: i64) -> Self {
        Self {
            id,
            priority,
            remote_ended: false,
            headed: false,
            end_queued: false,
            answered: false,
            told: false,
            answered_us: 0,
            send_window,
            recv_window,
            unannounced: 0,
            unreleased: 0,
            expected: None,
            served: 0,
            queue: VecDeque::new(),
            queued_bytes: 0,
            trailers: None,
        }
    }
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The place of a stream.
    #[inline]
    pub(super) fn find(&self, id: u32) -> Option<u16> {
        match self.index.last() {
            Some(&(last, slot)) if last == id => Some(slot),
            _ => self.position(id).map(|at| self.index[at].1),
        }
    }

    fn position(&self, id: u32) -> Option<usize> {
        self.index.binary_search_by_key(&id, |(id, _)| *id).ok()
    }

    #[inline]
    pub(super) fn by_id(&mut self, id: u32) -> Option<&mut Stream> {
        let slot = self.find(id)?;
        Some(&mut self.slab[usize::from(slot)])
    }

    #[inline]
    pub(super) fn at(&self, slot: u16) -> &Stream {
        &self.slab[usize::from(slot)]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, slot: u16) -> &mut Stream {
        &mut self.slab[usize::from(slot)]
    }

    /// Adds a stream whose number is higher than all before.
    pub(super) fn push(&mut self, stream: Stream) -> u16 {
        let id = stream.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slab[usize::from(slot)] = stream;
                slot
            }
            None => {
                self.slab.push(stream);
                (self.slab.len() - 1) as u16
            }
        };
        self.index.push((id, slot));
        slot
    }

    /// Removes a stream; its place keeps nothing.
    pub(super) fn remove(&mut self, slot: u16) {
        let stream = &mut self.slab[usize::from(slot)];
        let id = stream.id;
        stream.queue = VecDeque::new();
        stream.trailers = None;
        if let Some(at) = self.position(id) {
            self.index.remove(at);
            self.free.push(slot);
        }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = u16> {
        self.index.iter().map(|(_, slot)| *slot)
    }

    pub(super) fn each(&mut self, mut visit: impl FnMut(&mut Stream)) {
        for (_, slot) in &self.index {
            visit(&mut self.slab[usize::from(*slot)]);
        }
    }

    /// Gives back memory when no stream is open.
    pub(super) fn relax(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.slab.capacity() * size_of::<Stream>()
            + self.index.capacity() * size_of::<(u32, u16)>()
            + self.free.capacity() * size_of::<u16>()
    }
}

/// The numbers of streams that were closed last, for frames that were under way.
#[derive(Debug, Clone)]
pub(super) struct Recent<const N: usize> {
    ids: [u32; N],
    next: u8,
}

impl<const N: usize> Recent<N> {
    pub(super) const NONE: Self = Self { ids: [0; N], next: 0 };

    #[inline]
    pub(super) fn push(&mut self, id: u32) {
        self.ids[usize::from(self.next)] = id;
        self.next = (self.next + 1) % N as u8;
    }

    pub(super) fn contains(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }
}
