//! The slow lane: requests that wait for a plugin, the links service or an upstream.

use std::{future::Future, pin::Pin, sync::Arc};

use tidegate_http::{Head, StoredHead};
use tidegate_telemetry::{Counter, Gauge, Phase, Reason};

use crate::{
    Edge, action, admit,
    answer::{self, Answer, Local},
    compress::{Compressing, Plan},
    feed::{self, Settled},
    fetch,
    lane::Lane,
    limit, link,
    lookup::Found,
    media,
    record::{self, Done},
    request::{self, Admitted, Context, Detached, Received, Stop, Work},
};

/// How a request of the slow lane ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: u16,
    pub(crate) phase: Phase,
    pub(crate) reason: Option<Reason>,
    pub(crate) upstream: Arc<str>,
    pub(crate) upstream_us: u64,
    pub(crate) plugin: String,
}

/// What the slow lane has at hand beside the request's own state.
#[derive(Clone)]
pub(crate) struct Slow<'s> {
    pub(crate) edge: &'s Arc<Edge>,
    /// The request head, for what outlives this borrow of it.
    pub(crate) request: StoredHead,
}

/// Takes a request to its end and gives the lane back.
pub(crate) async fn run<L: Lane>(
    edge: &Arc<Edge>,
    mut detached: Detached,
    request: StoredHead,
    lane: L,
) -> L {
    Counter::RequestsSlowLane.inc();
    let _in_flight = InFlight::new();
    let kept = request.clone();
    // It was read before, so it can be read again.
    let Ok(head) = kept.read() else { return lane };
    let head = &head;
    let running = detached.running.clone();
    let facts = detached.facts.clone();
    let cx = Context::new(&edge.node, &running, detached.now, &facts, detached.identity);
    let found = detached.found;
    let charged = detached.charged.clone();
    let logs = edge.node.access_log.is_on() && !running.chain(found.route).is_empty();
    let labels = logs.then(|| detached.keep_labels());
    let watched = detached.watched;
    let (admitted, work) = detached.attach(cx, head);
    let lane = Compressing::new(lane, Plan::of(&admitted));
    let slow = Slow { edge, request };
    let (lane, ended) = match work {
        Work::Paused => resume(&slow, admitted, lane).await,
        work => take_up(&slow, admitted, work, lane).await,
    };
    let done = Done {
        status: ended.status,
        phase: ended.phase,
        reason: ended.reason,
        bytes_sent: lane.account().sent_bytes,
        bytes_received: head.bytes_len() as u64 + lane.account().received_bytes,
        upstream: &ended.upstream,
        upstream_us: ended.upstream_us,
        plugin: &ended.plugin,
        labels: labels.as_ref().and_then(|labels| labels.get()).map_or("", String::as_str),
    };
    if let Some(charged) = charged {
        charged.settle(&edge.node, &running, done.status, done.bytes_sent, edge.node.clock.now());
    }
    if watched.is_some() {
        edge.node.watcher.ended(watched, Some(found), done.status, done.phase);
    }
    record::of_slow_lane(cx, head, Some(found), done);
    lane.into_inner()
}

/// A request in the slow lane; dropping it closes the account, also when the client left.
struct InFlight;

impl InFlight {
    fn new() -> Self {
        Gauge::RequestsInFlight.add(1);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        Gauge::RequestsInFlight.add(-1);
    }
}

/// Waits for the plugins that hold the request or look at its body, then takes up the walk.
async fn resume<'r, L: Lane>(
    slow: &'r Slow<'_>,
    mut admitted: Admitted<'r>,
    mut lane: L,
) -> (L, Ended) {
    let Received { cx, head, .. } = *admitted.received();
    match feed::settle(&mut admitted, &mut lane).await {
        Settled::Answer(local) => return respond(admitted, *local, lane).await,
        Settled::Gone => return (lane, Ended::fault(Reason::ClientGone)),
        Settled::Continue => {}
    }
    walked(slow, cx, head, request::resume(admitted), lane).await
}

/// Whatever a request waits for, also where it waits for a second thing behind the first.
fn take_up<'r, L>(
    slow: &'r Slow<'_>,
    admitted: Admitted<'r>,
    work: Work,
    lane: L,
) -> Pin<Box<dyn Future<Output = (L, Ended)> + Send + 'r>>
where
    L: Lane + 'r,
{
    Box::pin(async move {
        match work {
            Work::Paused => resume(slow, admitted, lane).await,
            Work::Asked(questions) => asked(slow, admitted, questions, lane).await,
            Work::Delayed { until_us } => delayed(slow, admitted, until_us, lane).await,
            work => go_on(slow, admitted, work, lane).await,
        }
    })
}

/// Asks the owners of the keys that only they can decide about, then takes up the walk at its limits.
async fn asked<'r, L: Lane>(
    slow: &'r Slow<'_>,
    admitted: Admitted<'r>,
    questions: Vec<limit::Question>,
    lane: L,
) -> (L, Ended) {
    let Received { cx, head, .. } = *admitted.received();
    let mut granted = Vec::with_capacity(questions.len());
    for question in &questions {
        let rule = &cx.running.snapshot[question.index];
        let counts = &cx.node.shared;
        let answer = counts
            .ask(
                &cx.node.limit_table,
                rule,
                question,
                cx.running.tally(question.index),
                &cx.node.clock,
            )
            .await;
        if let Err(wait_us) = answer {
            let local = limit::denied(cx, head, rule, question, wait_us);
            return respond(admitted, local, lane).await;
        }
        granted.push(question.key);
    }
    let walk = limit::charge_but(admitted.permitted.verified, &granted)
        .and_then(admit::ask)
        .and_then(request::resume);
    walked(slow, cx, head, walk, lane).await
}

/// Waits for the request's turn, then takes up the walk behind its limits. Who leaves gives the place
/// in the queue back; the turn itself passes unused.
async fn delayed<'r, L: Lane>(
    slow: &'r Slow<'_>,
    admitted: Admitted<'r>,
    until_us: u64,
    mut lane: L,
) -> (L, Ended) {
    let Received { cx, head, .. } = *admitted.received();
    let place = Place::taken();
    let left = tokio::select! {
        () = cx.node.clock.sleep_until(until_us) => false,
        _ = lane.idle() => true,
    };
    drop(place);
    if left {
        return (lane, Ended::fault(Reason::ClientGone));
    }
    let walk = admit::ask(admitted.permitted).and_then(request::resume);
    walked(slow, cx, head, walk, lane).await
}

/// A place among the requests that wait for their turn.
struct Place;

impl Place {
    fn taken() -> Self {
        Gauge::LimitDelayed.add(1);
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        Gauge::LimitDelayed.add(-1);
    }
}

/// What the rest of the walk came to.
async fn walked<'r, L: Lane>(
    slow: &'r Slow<'_>,
    cx: Context<'r>,
    head: &'r Head<'r>,
    walk: Result<Found<'r>, Stop<'r>>,
    lane: L,
) -> (L, Ended) {
    match walk {
        Ok(Found::Hit(hit)) => media::serve_hit(slow, hit, lane).await,
        Ok(Found::Fetch(keyed, work)) => {
            media::fetch(slow, keyed.admitted, keyed.key, work, lane).await
        }
        Err(Stop::Answer(received, found, answer)) => {
            let local = Local::of(*answer);
            send(&received, found, local, lane).await
        }
        Err(Stop::Detach(detached)) => {
            let (admitted, work) = detached.attach(cx, head);
            take_up(slow, admitted, work, lane).await
        }
    }
}

/// The work of a request that no plugin holds.
async fn go_on<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    work: Work,
    lane: L,
) -> (L, Ended) {
    match work {
        Work::Link(ask) => link::answer(slow, admitted, ask, lane).await,
        Work::Fetch(key, work) => media::fetch(slow, admitted, key, work, lane).await,
        Work::Respond(composed, phase) => {
            fetch::go_on(slow, admitted, *composed, phase, lane).await
        }
        // Limits and the plugins' request phase are over by now.
        Work::Paused | Work::Asked(_) | Work::Delayed { .. } => {
            (lane, Ended::fault(Reason::Internal))
        }
    }
}

/// Sends an answer made here, with the plugins' last words and the route's header policy.
pub(crate) async fn respond<L: Lane>(admitted: Admitted<'_>, local: Local, lane: L) -> (L, Ended) {
    match action::stop(admitted, Answer::Local(local)) {
        Stop::Answer(received, found, answer) => {
            send(&received, found, Local::of(*answer), lane).await
        }
        Stop::Detach(_) => (lane, Ended::fault(Reason::Internal)),
    }
}

fn send<L: Lane>(
    received: &Received<'_>,
    found: Option<tidegate_route::Match>,
    mut local: Local,
    mut lane: L,
) -> impl Future<Output = (L, Ended)> + Send {
    answer::dress(received, found, &mut local);
    async move {
        let ended = Ended {
            status: local.head.status,
            phase: local.phase,
            reason: local.reason,
            plugin: local.plugin,
            ..Ended::default()
        };
        // When the client is gone there is nobody to tell.
        let _ = lane.answer(local.head, local.body).await;
        (lane, ended)
    }
}

// === impl Ended ===

impl Ended {
    pub(crate) fn fault(reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::default() }
    }
}

impl Default for Ended {
    fn default() -> Self {
        Self {
            status: 0,
            phase: Phase::Fault,
            reason: None,
            upstream: Arc::from(""),
            upstream_us: 0,
            plugin: String::new(),
        }
    }
}
