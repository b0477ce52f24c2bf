//! The connection loop of HTTP/1: one read, as many answers as it holds, one write.
//!
//! A turn of the loop happens within one poll, in buffers that belong to the worker; a connection
//! that waits owns no buffer at all, unless half a request head has arrived. What has to wait for
//! something else leaves the loop with the connection and brings it back (`slow.rs`).

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use pingora_core::{protocols::Stream, server::ShutdownWatch};
use tidegate_http::{Framing, Head, HeadLimits, Refusal, StoredHead, parse_head};
use tidegate_http2::PREFACE;
use tidegate_spec::NodeLimits;
use tidegate_telemetry::Counter;
use tokio::time::Sleep;

use crate::{
    Edge,
    clock::Now,
    facts::ConnectionFacts,
    h2,
    identity::Identity,
    input::poll_fill,
    lane::{H1, close_gently},
    node::Batch,
    out::{Backlog, Out},
    pace::Pace,
    request::{self, Context, Detached, Progress, Turn, Wire},
    rescue, slow,
};

/// Bytes of the worker's read buffer: the largest head and some pipelined requests behind it.
const INPUT_BYTES: usize = HeadLimits::HEAD_BYTES_CAP + 16 * 1024;
/// Answers collected before they are written, so that a long pipeline cannot fill memory.
const OUT_BYTES_MAX: usize = 256 * 1024;
/// How soon a waiting connection notices that the node drains.
const DRAIN_NOTICE_MS: u64 = 5_000;

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::new(Worker::new());
}

/// The buffers of one worker thread.
struct Worker {
    input: Box<[u8]>,
    out: Out,
    batch: Batch,
}

/// One client connection.
struct Conn {
    stream: Stream,
    facts: Arc<ConnectionFacts>,
    /// Bytes read but not yet part of a complete head.
    pending: Vec<u8>,
    /// Whether `pending` holds bytes that no parser has seen.
    unparsed: bool,
    /// Monotonic microseconds at which the connection is given up.
    deadline_us: u64,
    /// Requests that have come so far.
    requests: u64,
    /// When the head under way began to arrive.
    head_began_us: Option<u64>,
    watchdog: Pin<Box<Sleep>>,
    closing: bool,
    /// No request has come yet: it may turn out to be HTTP/2.
    fresh: bool,
}

/// Why a turn ended.
enum Next {
    /// The socket did not take everything.
    Flush(Backlog),
    /// A request for the slow lane.
    Slow(Box<SlowRequest>),
    /// The client speaks HTTP/2, without having agreed on it before (RFC 9113 section 3.3); what
    /// it has sent so far.
    Http2(Vec<u8>),
    /// Nothing more will come or go.
    Close,
}

/// A request on its way to the slow lane.
struct SlowRequest {
    detached: Detached,
    head: StoredHead,
    rest: BytesMut,
    backlog: Option<Backlog>,
}

/// What the requests in a buffer came to.
struct Eaten {
    consumed: usize,
    slow: Option<(Detached, usize)>,
}

/// Serves a connection until it closes.
pub(crate) async fn run(
    edge: &Arc<Edge>,
    stream: Stream,
    facts: Arc<ConnectionFacts>,
    shutdown: &ShutdownWatch,
) {
    let mut conn = Conn::new(stream, facts, &edge.node.limits, edge.node.clock.now());
    loop {
        match poll_fn(|cx| conn.poll_turn(edge, shutdown, cx)).await {
            Next::Flush(mut backlog) => {
                let mut pace = Pace::sending(&edge.node.limits);
                if backlog.send(&mut conn.stream, &mut pace).await.is_err() {
                    return;
                }
                if conn.closing {
                    return close_gently(conn.stream).await;
                }
            }
            Next::Slow(request) => match conn.take_slow_lane(edge, request).await {
                Some(back) => conn = back,
                None => return,
            },
            Next::Http2(input) => {
                let Conn { stream, facts, .. } = conn;
                return Box::pin(h2::run(edge, stream, facts, input, shutdown)).await;
            }
            Next::Close => return close_gently(conn.stream).await,
        }
    }
}

// === impl Conn ===

impl Conn {
    fn new(stream: Stream, facts: Arc<ConnectionFacts>, limits: &NodeLimits, now: Now) -> Self {
        Self {
            stream,
            facts,
            pending: Vec::new(),
            unparsed: false,
            deadline_us: now.mono_us + micros(limits.head_timeout),
            head_began_us: None,
            requests: 0,
            watchdog: Box::pin(tokio::time::sleep(tick(limits))),
            closing: false,
            fresh: true,
        }
    }

    /// Reads, answers and writes until the socket has nothing more to give or to take.
    fn poll_turn(
        &mut self,
        edge: &Arc<Edge>,
        shutdown: &ShutdownWatch,
        cx: &mut task::Context<'_>,
    ) -> Poll<Next> {
        WORKER.with_borrow_mut(|worker| {
            loop {
                let filled = match poll_fill(
                    &mut self.stream,
                    &self.pending,
                    &mut self.unparsed,
                    &mut worker.input,
                    cx,
                ) {
                    Poll::Ready(Ok(filled)) => filled,
                    Poll::Ready(Err(_)) => return Poll::Ready(Next::Close),
                    Poll::Pending => return self.poll_watchdog(edge, worker, shutdown, cx),
                };
                if let Some(next) = self.turn(edge, worker, filled, shutdown, cx) {
                    return Poll::Ready(next);
                }
            }
        })
    }

    /// Answers what has arrived. `None` means that the loop goes on.
    fn turn(
        &mut self,
        edge: &Arc<Edge>,
        worker: &mut Worker,
        filled: usize,
        shutdown: &ShutdownWatch,
        cx: &mut task::Context<'_>,
    ) -> Option<Next> {
        let Worker { input, out, batch } = worker;
        let input = &input[..filled];
        let now = edge.node.clock.now();
        crate::date::set(now.unix_s());
        self.closing |= *shutdown.borrow();
        if self.fresh && self.facts.http2 {
            let preface = &PREFACE[..PREFACE.len().min(input.len())];
            if !input.starts_with(preface) {
                self.fresh = false;
            } else if preface.len() == PREFACE.len() {
                return Some(Next::Http2(input.to_vec()));
            } else {
                self.keep(input, &edge.node.limits, now);
                return None;
            }
        }

        batch.begin(now);
        let eaten = self.answer_all(edge, batch, input, out, now);
        let written = if out.is_empty() { Ok(None) } else { out.write(&mut self.stream, cx) };
        batch.end(&edge.node.clock);

        let Ok(backlog) = written else { return Some(Next::Close) };
        if let Some((detached, head_len)) = eaten.slow {
            let at = eaten.consumed;
            return Some(Next::Slow(Box::new(SlowRequest {
                detached,
                head: StoredHead::h1(
                    Bytes::copy_from_slice(&input[at..at + head_len]),
                    self.facts.scheme,
                ),
                rest: BytesMut::from(&input[at + head_len..]),
                backlog,
            })));
        }
        self.keep(&input[eaten.consumed..], &edge.node.limits, now);
        match backlog {
            Some(backlog) => Some(Next::Flush(backlog)),
            None if self.closing && !self.unparsed => Some(Next::Close),
            None => None,
        }
    }

    /// Answers every complete request in `input` that needs nothing but this turn.
    fn answer_all(
        &mut self,
        edge: &Arc<Edge>,
        batch: &mut Batch,
        input: &[u8],
        out: &mut Out,
        now: Now,
    ) -> Eaten {
        let node = &edge.node;
        let running = node.running.load();
        let mut consumed = 0;
        self.unparsed = false;
        while consumed < input.len() && !(self.closing && consumed > 0) {
            if out.len() > OUT_BYTES_MAX {
                self.unparsed = true;
                break;
            }
            match parse_head(&input[consumed..], &node.head_limits, self.facts.scheme) {
                Ok(None) => break,
                Ok(Some((head, length))) => {
                    self.count(&node.limits);
                    let rest = &input[consumed + length..];
                    let body = body_here(&head, rest);
                    let wire = Wire::H1 { out, closing: self.closing || body.is_none() };
                    let body_bytes = body.unwrap_or(rest.len()) as u64;
                    let mut turn = Turn { wire, batch, body_bytes };
                    let identity = Identity::of(&node.trust, &self.facts, &head);
                    let cx = Context::new(node, &running, now, &self.facts, identity);
                    match request::begin(cx, &mut turn, &head) {
                        Progress::Answered => {
                            consumed += length;
                            consumed += skip_body(&mut self.closing, &head, &input[consumed..]);
                        }
                        Progress::Detached(detached) => {
                            return Eaten { consumed, slow: Some((*detached, length)) };
                        }
                    }
                }
                Err(refusal) => {
                    rescue::refuse(node, &refusal, now, self.facts.client, out, batch);
                    self.closing = true;
                    consumed = input.len();
                }
            }
        }
        Eaten { consumed, slow: None }
    }

    /// The last request that a connection may carry ends it.
    fn count(&mut self, limits: &NodeLimits) {
        self.requests += 1;
        self.closing |= self.requests == limits.requests_per_connection;
    }

    /// Keeps what is left of the input and sets the time by which more must come.
    fn keep(&mut self, rest: &[u8], limits: &NodeLimits, now: Now) {
        self.pending.clear();
        self.pending.extend_from_slice(rest);
        if rest.is_empty() {
            // An idle connection keeps no buffer.
            self.pending.shrink_to(0);
            self.head_began_us = None;
            self.deadline_us = now.mono_us + micros(limits.keep_alive);
        } else {
            let began = *self.head_began_us.get_or_insert(now.mono_us);
            self.deadline_us = began + micros(limits.head_timeout);
        }
    }

    /// Nothing to read: looks whether the connection has waited too long or the node drains. The
    /// timer is only a tick; moving the deadline costs nothing.
    fn poll_watchdog(
        &mut self,
        edge: &Arc<Edge>,
        worker: &mut Worker,
        shutdown: &ShutdownWatch,
        cx: &mut task::Context<'_>,
    ) -> Poll<Next> {
        while self.watchdog.as_mut().poll(cx).is_ready() {
            let now = edge.node.clock.now();
            // After an upgrade there is time: closing now could cross a request on its way.
            if *shutdown.borrow() && self.pending.is_empty() && !edge.is_handed_over() {
                return Poll::Ready(Next::Close);
            }
            if now.mono_us >= self.deadline_us {
                return Poll::Ready(self.expire(edge, worker, now, cx));
            }
            let tick = tick(&edge.node.limits);
            self.watchdog.as_mut().reset(tokio::time::Instant::now() + tick);
        }
        Poll::Pending
    }

    /// Half a head and no more: 408. No byte at all: the connection just closes (RFC 9112 9.5).
    fn expire(
        &mut self,
        edge: &Arc<Edge>,
        worker: &mut Worker,
        now: Now,
        cx: &mut task::Context<'_>,
    ) -> Next {
        if self.pending.is_empty() {
            Counter::ConnectionsIdleClosed.inc();
            return Next::Close;
        }
        let Worker { out, batch, .. } = worker;
        batch.begin(now);
        rescue::refuse(&edge.node, &HEAD_TIMEOUT, now, self.facts.client, out, batch);
        self.closing = true;
        let written = out.write(&mut self.stream, cx);
        batch.end(&edge.node.clock);
        match written {
            Ok(Some(backlog)) => Next::Flush(backlog),
            _ => Next::Close,
        }
    }

    /// Hands the connection to the slow lane and takes it back, if it can be used again.
    async fn take_slow_lane(self, edge: &Arc<Edge>, request: Box<SlowRequest>) -> Option<Self> {
        let Self { mut stream, facts, closing, watchdog, requests, .. } = self;
        let SlowRequest { detached, head, rest, backlog } = *request;
        let limits = &edge.node.limits;
        if let Some(mut backlog) = backlog {
            backlog.send(&mut stream, &mut Pace::sending(limits)).await.ok()?;
        }
        let lane = {
            let head = head.read().ok()?;
            H1::new(stream, rest, &head, limits, detached.body_bytes_max(limits), !closing)
        };
        // Boxed, so that a waiting connection does not carry the slow lane's state.
        let lane = Box::pin(slow::run(edge, detached, head, lane)).await;
        let (stream, reusable, input) = lane.into_parts();
        if !reusable {
            close_gently(stream).await;
            return None;
        }
        Some(Self {
            facts,
            unparsed: !input.is_empty(),
            pending: input.into(),
            deadline_us: edge.node.clock.now().mono_us + micros(limits.keep_alive),
            head_began_us: None,
            requests,
            watchdog,
            closing,
            fresh: false,
            stream,
        })
    }
}

impl Worker {
    fn new() -> Self {
        Self { input: vec![0; INPUT_BYTES].into(), out: Out::default(), batch: Batch::new() }
    }
}

/// Bytes of the request's body, when all of them are here.
fn body_here(head: &Head<'_>, rest: &[u8]) -> Option<usize> {
    match head.body() {
        Framing::Empty => Some(0),
        Framing::Length(length) => usize::try_from(length).ok().filter(|n| *n <= rest.len()),
        Framing::Chunked => None,
    }
}

/// How often a waiting connection looks at the clock: often enough for the shortest deadline.
fn tick(limits: &NodeLimits) -> Duration {
    const TICK_MS_MIN: u64 = 20;
    let shortest = limits.head_timeout.min(limits.keep_alive) / 4;
    Duration::from_millis(DRAIN_NOTICE_MS).min(shortest).max(Duration::from_millis(TICK_MS_MIN))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 2)
}

/// A request answered before its body was read: the body is skipped when it is here already,
/// otherwise the connection ends, because what follows can no longer be told from a body.
fn skip_body(closing: &mut bool, head: &Head<'_>, rest: &[u8]) -> usize {
    *closing |= !head.keep_alive();
    body_here(head, rest).unwrap_or_else(|| {
        *closing = true;
        rest.len()
    })
}

const HEAD_TIMEOUT: Refusal = Refusal {
    status: 408,
    reason: "head_timeout",
    detail: "the request head did not arrive in time",
};
