//! The connection loop of HTTP/2: one read, every stream's answer, one write.
//!
//! A turn happens within one poll, in buffers that belong to the worker, like that of HTTP/1
//! (`conn.rs`); requests enter the same steps. What has to wait becomes a task of its own on the
//! same worker and talks to the connection through [`shared::Shared`].

pub(crate) mod block;
mod reply;
pub(crate) mod shared;

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use bytes::Bytes;
use pingora_core::{protocols::Stream, server::ShutdownWatch};
use tidegate_http::{FieldList, H2Layout, Head, Refusal, StoredHead, chunked::may_trail};
use tidegate_http2::{Connection, Event, Progress as Written, Request, StreamId};
use tidegate_spec::NodeLimits;
use tidegate_telemetry::{Counter, Phase};
use tokio::{io::AsyncWrite, time::Sleep};

pub(crate) use reply::Reply;

use crate::{
    Edge,
    answer::Local,
    clock::Now,
    facts::ConnectionFacts,
    identity::Identity,
    input::poll_fill,
    lane::{H2, close_gently},
    node::{Batch, Node},
    out::{Backlog, Out},
    record,
    request::{self, Context, Detached, Progress, Turn, Wire},
    rescue,
    running::Running,
    slow,
    socket::limit_unsent,
};
use shared::{Mailbox, Shared, Side, State};

/// Bytes of the worker's read buffer: an incomplete frame and one read behind it.
const INPUT_BYTES: usize = 96 * 1024;
/// Frames collected before they are written.
const OUT_BYTES_MAX: usize = 256 * 1024;
/// Bytes that the kernel takes before the client has room for them: what is urgent waits behind these.
const UNSENT_BYTES: u32 = 128 * 1024;
/// How often a connection is looked after: while it has streams, and while it has none.
const TICK_MS: [u64; 2] = [1_000, 5_000];

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::new(Worker::new());
}

/// The buffers of one worker thread.
struct Worker {
    input: Box<[u8]>,
    out: Out,
    batch: Batch,
    scratch: Vec<u8>,
    block: Vec<u8>,
}

/// One client connection.
struct Driver {
    stream: Stream,
    facts: Arc<ConnectionFacts>,
    shared: Arc<Shared>,
    /// The beginning of a frame.
    pending: Vec<u8>,
    /// Whether `pending` holds bytes that were never fed.
    unfed: bool,
    /// What the socket did not take.
    backlog: Backlog,
    watch: Watch,
    limits: Patience,
    watchdog: Pin<Box<Sleep>>,
}

/// How long a connection is borne, in microseconds.
struct Patience {
    /// For a frame or a field section to arrive.
    frame_us: u64,
    /// Without a stream.
    keep_alive_us: u64,
    /// Without taking a byte.
    idle_us: u64,
}

/// Times by which something must have happened, in monotonic microseconds.
struct Watch {
    /// When bytes last came that did more than wait.
    heard_us: u64,
    /// When bytes last went out.
    wrote_us: u64,
    /// When the first goodbye was sent.
    draining_since_us: Option<u64>,
}

/// What a turn goes by.
#[derive(Clone, Copy)]
struct Seen<'t> {
    node: &'t Node,
    running: &'t Arc<Running>,
    now: Now,
    facts: &'t Arc<ConnectionFacts>,
}

/// A request, taken out of the connection's buffers.
struct Taken {
    stream: StreamId,
    layout: Result<H2Layout, Refusal>,
    ended: bool,
}

/// Serves a connection until it closes; `input` is what was read from it before.
pub(crate) async fn run(
    edge: &Arc<Edge>,
    stream: Stream,
    facts: Arc<ConnectionFacts>,
    input: Vec<u8>,
    shutdown: &ShutdownWatch,
) {
    limit_unsent(&*stream, UNSENT_BYTES);
    let mut driver = Driver::new(edge, stream, facts, input);
    let gently = poll_fn(|cx| driver.poll(edge, shutdown, cx)).await;
    driver.shared.end();
    if gently {
        close_gently(driver.stream).await;
    }
}

// === impl Driver ===

impl Driver {
    fn new(
        edge: &Arc<Edge>,
        stream: Stream,
        facts: Arc<ConnectionFacts>,
        pending: Vec<u8>,
    ) -> Self {
        let now = edge.node.clock.now();
        Self {
            stream,
            facts,
            shared: Shared::new(Connection::new(&edge.node.http2)),
            unfed: !pending.is_empty(),
            pending,
            backlog: Backlog::default(),
            watch: Watch { heard_us: now.mono_us, wrote_us: now.mono_us, draining_since_us: None },
            limits: Patience::of(&edge.node.limits),
            watchdog: Box::pin(tokio::time::sleep(Duration::from_millis(TICK_MS[0]))),
        }
    }

    /// Reads, answers and writes until the socket has nothing more to give or to take. Ready when
    /// the connection is over; whether what was written last is worth waiting for.
    fn poll(
        &mut self,
        edge: &Arc<Edge>,
        shutdown: &ShutdownWatch,
        cx: &mut task::Context<'_>,
    ) -> Poll<bool> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        state.drive_from(cx);
        WORKER.with_borrow_mut(|worker| {
            loop {
                let Ok(free) = self.poll_backlog(edge, cx) else { return Poll::Ready(false) };
                let read = match poll_fill(
                    &mut self.stream,
                    &self.pending,
                    &mut self.unfed,
                    &mut worker.input,
                    cx,
                ) {
                    Poll::Ready(Ok(filled)) => {
                        self.turn(edge, worker, &mut state, filled, free);
                        true
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => false,
                };
                if free && self.write(edge, worker, &mut state, cx).is_err() {
                    return Poll::Ready(false);
                }
                tell(&mut state);
                if state.http2.closed() && !state.http2.wants_write() && self.backlog.is_empty() {
                    return Poll::Ready(true);
                }
                if !read {
                    return self.poll_watchdog(edge, &mut state, shutdown, cx);
                }
            }
        })
    }

    /// Sends what the socket did not take before; whether it takes more.
    fn poll_backlog(&mut self, edge: &Edge, cx: &mut task::Context<'_>) -> io::Result<bool> {
        if self.backlog.is_empty() {
            return Ok(true);
        }
        while !self.backlog.is_empty() {
            let Poll::Ready(sent) = self.backlog.poll_send_some(&mut self.stream, cx) else {
                return Ok(false);
            };
            sent?;
            self.watch.wrote_us = edge.node.clock.now().mono_us;
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(result) => result.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// Takes in what has arrived. Answers go to the worker's outgoing bytes when the socket is free.
    fn turn(
        &mut self,
        edge: &Arc<Edge>,
        worker: &mut Worker,
        state: &mut State,
        filled: usize,
        free: bool,
    ) {
        let Worker { input, out, batch, scratch, block } = worker;
        let input = &input[..filled];
        let now = edge.node.clock.now();
        crate::date::set(now.unix_s());
        batch.begin(now);
        let running = edge.node.running.load();
        let facts = self.facts.clone();
        let cx = Seen { node: &edge.node, running: &running, now, facts: &facts };
        let mut at = 0;
        loop {
            let State { http2, mailboxes, .. } = state;
            let fed = http2.feed(&input[at..], now.mono_us);
            at += fed.consumed;
            let Some(event) = fed.event else { break };
            self.watch.heard_us = now.mono_us;
            let taken = match event {
                Event::Request(request) => {
                    let taken = take(cx, request, scratch);
                    if let (None, Some(text)) = (facts.http2_fingerprint.get(), http2.fingerprint())
                    {
                        let _ = facts.http2_fingerprint.set(text.into());
                    }
                    Some(taken)
                }
                Event::TooLarge { stream } => {
                    let layout = Err(Refusal::HEAD_TOO_LARGE);
                    Some(Taken { stream, layout, ended: true })
                }
                Event::Data { stream, data, end } => {
                    match mailboxes.get_mut(&stream) {
                        Some(mailbox) => mailbox.take_in(data, end),
                        None => {
                            let length = data.len();
                            http2.release(stream, length);
                        }
                    }
                    None
                }
                Event::Trailers { stream, fields } => {
                    if let Some(mailbox) = mailboxes.get_mut(&stream) {
                        mailbox.trailers = late(fields);
                        mailbox.take_in(&[], true);
                    }
                    None
                }
                Event::Reset { stream, .. } => {
                    if let Some(mailbox) = mailboxes.get_mut(&stream) {
                        mailbox.gone = true;
                        mailbox.wake();
                    }
                    None
                }
                Event::Malformed { detail, .. } | Event::Closed { detail, .. } => {
                    tracing::debug!(detail, "a rule of HTTP/2 was broken");
                    None
                }
                Event::GoAway { .. } => None,
            };
            if let Some(taken) = taken {
                let reply = Reply {
                    http2: &mut state.http2,
                    stream: taken.stream,
                    out: if free { Some(out) } else { None },
                    block,
                };
                if let Some(slow) = answer(cx, reply, batch, &taken, scratch) {
                    self.detach(edge, state, taken, scratch, *slow);
                }
            }
        }
        self.pending.clear();
        self.pending.extend_from_slice(&input[at..]);
        if self.pending.is_empty() {
            // An idle connection keeps no buffer.
            self.pending.shrink_to(0);
        }
        batch.end(&edge.node.clock);
    }

    /// Gives a request to the slow lane.
    fn detach(
        &self,
        edge: &Arc<Edge>,
        state: &mut State,
        taken: Taken,
        scratch: &[u8],
        detached: Detached,
    ) {
        let Taken { stream, layout, ended } = taken;
        let Ok(layout) = layout else { return };
        let head = StoredHead::h2(Bytes::copy_from_slice(scratch), layout, self.facts.scheme);
        state.open(stream, ended);
        let lane = {
            let Ok(head) = head.read() else { return };
            let limits = &edge.node.limits;
            H2::new(self.shared.clone(), stream, &head, limits, detached.body_bytes_max(limits))
        };
        let edge = edge.clone();
        tokio::spawn(async move {
            slow::run(&edge, detached, head, lane).await;
        });
    }

    /// Writes what is queued, as much as the socket takes.
    fn write(
        &mut self,
        edge: &Edge,
        worker: &mut Worker,
        state: &mut State,
        cx: &mut task::Context<'_>,
    ) -> io::Result<()> {
        loop {
            let room = OUT_BYTES_MAX.saturating_sub(worker.out.len());
            let more = state.http2.write(&mut worker.out, room);
            if worker.out.is_empty() {
                return Ok(());
            }
            self.watch.wrote_us = edge.node.clock.now().mono_us;
            if let Some(backlog) = worker.out.write(&mut self.stream, cx)? {
                self.backlog = backlog;
                return Ok(());
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Nothing more to do now: looks whether the connection has waited too long or the node
    /// drains.
    fn poll_watchdog(
        &mut self,
        edge: &Edge,
        state: &mut State,
        shutdown: &ShutdownWatch,
        cx: &mut task::Context<'_>,
    ) -> Poll<bool> {
        while self.watchdog.as_mut().poll(cx).is_ready() {
            let now = edge.node.clock.now();
            state.http2.tick(now.mono_us);
            if *shutdown.borrow() {
                self.drain(state, now);
            }
            if let Some(why) = self.overdue(state, now) {
                Counter::ConnectionsIdleClosed.inc();
                tracing::debug!(why, "an HTTP/2 connection is given up");
                state.http2.go_away(false);
                self.watch.heard_us = now.mono_us;
            }
            let idle = usize::from(state.http2.is_idle());
            let tick = Duration::from_millis(TICK_MS[idle]);
            self.watchdog.as_mut().reset(tokio::time::Instant::now() + tick);
            if state.http2.wants_write() {
                cx.waker().wake_by_ref();
            }
            if state.http2.closed() && self.backlog.is_empty() && !state.http2.wants_write() {
                return Poll::Ready(true);
            }
            let stuck = now.mono_us >= self.watch.wrote_us + self.limits.idle_us;
            if !self.backlog.is_empty() && stuck {
                return Poll::Ready(false);
            }
        }
        Poll::Pending
    }

    /// Says goodbye in two steps, a tick apart, so that requests on their way are still taken
    /// (RFC 9113 section 6.8).
    fn drain(&mut self, state: &mut State, now: Now) {
        match self.watch.draining_since_us {
            None => {
                self.watch.draining_since_us = Some(now.mono_us);
                state.http2.go_away(true);
            }
            Some(since) if now.mono_us > since => state.http2.go_away(true),
            Some(_) => {}
        }
    }

    /// Why the connection has waited too long, if it has.
    fn overdue(&self, state: &State, now: Now) -> Option<&'static str> {
        let silent_us = now.mono_us.saturating_sub(self.watch.heard_us);
        let unwritten_us = now.mono_us.saturating_sub(self.watch.wrote_us).min(silent_us);
        if !self.pending.is_empty() && silent_us > self.limits.frame_us {
            return Some("half a frame");
        }
        // Requests in the slow lane have deadlines of their own.
        if !state.mailboxes.is_empty() {
            return None;
        }
        match state.http2.is_idle() {
            true => (silent_us > self.limits.keep_alive_us).then_some("idle"),
            false => (unwritten_us > self.limits.idle_us).then_some("the client reads nothing"),
        }
    }
}

// === impl Patience ===

impl Patience {
    fn of(limits: &NodeLimits) -> Self {
        let us = |duration: Duration| duration.as_micros() as u64;
        Self {
            frame_us: us(limits.head_timeout),
            keep_alive_us: us(limits.keep_alive),
            idle_us: us(limits.idle_timeout),
        }
    }
}

/// The trailers that may come late, as HTTP/1 keeps them.
fn late<'f>(fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Option<FieldList> {
    let mut kept = FieldList::new();
    for (name, value) in fields.filter(|(name, _)| may_trail(name)) {
        let _ = kept.try_push(name, value);
    }
    Some(kept).filter(|kept| !kept.is_empty())
}

// === impl Mailbox ===

impl Mailbox {
    fn take_in(&mut self, data: &[u8], end: bool) {
        if !data.is_empty() {
            self.body.push_back(Bytes::copy_from_slice(data));
        }
        self.ended |= end;
        self.wake_side(Side::Reading);
    }
}

// === impl Worker ===

impl Worker {
    fn new() -> Self {
        Self {
            input: vec![0; INPUT_BYTES].into(),
            out: Out::default(),
            batch: Batch::new(),
            scratch: Vec::new(),
            block: Vec::new(),
        }
    }
}

/// Copies a request out of the connection's buffers.
fn take(cx: Seen<'_>, request: Request<'_>, scratch: &mut Vec<u8>) -> Taken {
    let Request { stream, parts, fields, .. } = request;
    let layout = H2Layout::copy_checked(parts, fields, &cx.node.head_limits, scratch);
    Taken { stream, layout, ended: parts.ended }
}

/// Walks a request as far as it goes without waiting; gives what goes to the slow lane.
fn answer(
    cx: Seen<'_>,
    reply: Reply<'_>,
    batch: &mut Batch,
    taken: &Taken,
    scratch: &[u8],
) -> Option<Box<Detached>> {
    let read = match &taken.layout {
        Ok(layout) => layout.head(scratch, cx.facts.scheme),
        Err(refusal) => Err(*refusal),
    };
    match read {
        Ok(head) => walk(cx, reply, batch, &head),
        Err(refusal) => {
            refuse(cx, reply, batch, &refusal);
            None
        }
    }
}

fn walk(
    cx: Seen<'_>,
    reply: Reply<'_>,
    batch: &mut Batch,
    head: &Head<'_>,
) -> Option<Box<Detached>> {
    let Seen { node, running, now, facts } = cx;
    let identity = Identity::of(&node.trust, facts, head);
    let cx = Context::new(node, running, now, facts, identity);
    // Whatever is here of a body has not been counted yet; it belongs to whoever reads it.
    let mut turn = Turn { wire: Wire::H2(reply), batch, body_bytes: 0 };
    match request::begin(cx, &mut turn, head) {
        Progress::Answered => None,
        Progress::Detached(detached) => Some(detached),
    }
}

/// A request that breaks a rule of HTTP: the answer; other streams go on.
fn refuse(cx: Seen<'_>, mut reply: Reply<'_>, batch: &mut Batch, refusal: &Refusal) {
    let local: Local = rescue::body(refusal);
    let bytes_sent = reply.refuse(&local);
    let done = record::Done {
        status: refusal.status,
        phase: Phase::Refused,
        reason: local.reason,
        bytes_sent,
        ..record::Done::default()
    };
    record::of_refusal(cx.node, batch, cx.now, cx.facts.client, done);
}

/// Tells the requests of the slow lane what came of their responses.
fn tell(state: &mut State) {
    while let Some(progress) = state.http2.progress() {
        let (stream, sent) = match progress {
            Written::Writable(stream) => (stream, false),
            Written::Sent(stream) => (stream, true),
        };
        if let Some(mailbox) = state.mailboxes.get_mut(&stream) {
            mailbox.sent |= sent;
            mailbox.wake_side(Side::Writing);
        }
    }
}
