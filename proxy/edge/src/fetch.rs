//! Asking an upstream, through the cache where the cache has a part in it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidegate_cache::{
    Asked, CacheStatus, Evaluation, Forward, HeadFreshening, Invalidation, Key, Precondition,
    RangePlan, Reason as Why, RequestDirectives, Verdict, evaluate, freshen, head_freshening,
    invalidations, preconditions, range_plan, validation_fields,
};
use tidegate_http::{FieldList, Fields, Method, ResponseHead};
use tidegate_snapshot::Action;
use tidegate_store::{
    Arrival, Fill, FillError, FillHead, Flight, Object, Purge, PurgeKind, Reader, Wanted,
};
use tidegate_telemetry::{Counter, Phase, Reason};
use tidegate_upstream::{Downstream, DownstreamGone, Fault, Group, Outcome, ResponseFraming};
use tokio::sync::mpsc;

use crate::{
    compress,
    dress::Dress,
    dressed::Dressed,
    fill::FillSink,
    hit::{Composed, Hit, hit_status},
    lane::Lane,
    lookup::Fetch,
    media,
    node::CACHE_NAME,
    outbound::{self, Purpose},
    partial::{self, Way},
    request::Admitted,
    rescue,
    slow::{Ended, Slow, respond},
};

/// How often a request looks for a flight that suits it before it goes alone.
const FLIGHTS_MAX: usize = 4;
/// Interim responses that wait for the client to take them; later ones are dropped.
pub(crate) const INTERIMS_WAITING_MAX: usize = 8;
/// Bytes taken from a fill at once when they are there.
const READY_BYTES_MAX: usize = 256 * 1024;

/// Where a fill leaves why it failed, for the client that caused it.
pub(crate) type FaultSlot = Arc<Mutex<Option<Fault>>>;

/// Gets the answer from wherever it is.
pub(crate) async fn fetch<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    key: Option<Key>,
    work: Fetch,
    lane: L,
) -> (L, Ended) {
    let is_head = admitted.received().head.method() == Method::Head;
    let Some(key) = key else { return pass(slow, admitted, Why::Disabled, None, lane).await };
    match work {
        Fetch::Unsatisfied => respond(admitted, rescue::not_cached(), lane).await,
        Fetch::Pass(why) => pass(slow, admitted, why, None, lane).await,
        // The answer to HEAD fills nothing, but it may freshen what is there.
        Fetch::Miss(why) if is_head => pass(slow, admitted, why, None, lane).await,
        Fetch::Validate(stale, why) if is_head => {
            pass(slow, admitted, why, Some(stale), lane).await
        }
        Fetch::Miss(why) => through_cache(slow, admitted, key, None, why, lane).await,
        Fetch::Validate(stale, why) => {
            through_cache(slow, admitted, key, Some(stale), why, lane).await
        }
        Fetch::Serve(object, evaluation) => {
            serve_hit(slow, Hit::new(admitted, object, evaluation), lane).await
        }
        Fetch::ServeAndValidate(object, evaluation) => {
            validate_in_background(slow, &admitted, key, &object);
            serve_hit(slow, Hit::new(admitted, object, evaluation), lane).await
        }
    }
}

/// Passes the request on and the answer back; the cache only learns what the request invalidates.
pub(crate) async fn pass<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    why: Why,
    head_of: Option<Arc<Object>>,
    lane: L,
) -> (L, Ended) {
    let Some(outbound) = outbound::build(&admitted, Purpose::Pass) else {
        return respond(admitted, rescue::looped(), lane).await;
    };
    let Some(group) = group(&admitted) else {
        return respond(admitted, rescue::not_cached(), lane).await;
    };
    let upgrade = outbound.upgrade.is_some();
    let status = CacheStatus {
        forward: Some(Forward::of(why)),
        detail: Some(why),
        ..CacheStatus::default()
    };
    let unsafe_url = unsafe_url(&admitted);
    let (admitted, dress) = dress(slow, admitted, &status);
    let node = &slow.edge.node;
    let dressed = Dressed::new(lane, dress, unsafe_url.is_some() || head_of.is_some());
    let (dressed, outcome) = node.upstreams.exchange(&group, outbound, dressed).await;
    match outcome {
        Outcome::Delivered(delivery) => {
            if let (Some((method, url)), Some(head)) = (&unsafe_url, &dressed.upstream_head) {
                invalidate(slow, method, url, head);
            }
            if let (Some(object), Some(head)) = (&head_of, &dressed.upstream_head) {
                freshen_by_head(slow, &admitted, object, head);
            }
            let (lane, status) = dressed.end();
            let phase = if upgrade && status == 101 { Phase::Upgrade } else { Phase::Pass };
            let upstream_us = delivery.trace.first_byte_us.unwrap_or(0);
            let ended =
                Ended { status, phase, upstream: delivery.server, upstream_us, ..Ended::default() };
            (lane, ended)
        }
        Outcome::Failed(fault) => {
            let Dressed { lane, dress, status, instead, .. } = dressed;
            let admitted = admitted.with_plugins(dress.plugins);
            match instead {
                Some(local) if !lane.account().head_sent => respond(admitted, *local, lane).await,
                _ => fail(admitted, fault, status, lane).await,
            }
        }
    }
}

/// Joins the fetch under way for the key or begins one, and serves what it brings.
async fn through_cache<L: Lane>(
    slow: &Slow<'_>,
    mut admitted: Admitted<'_>,
    key: Key,
    mut stale: Option<Arc<Object>>,
    mut why: Why,
    mut lane: L,
) -> (L, Ended) {
    if stale.is_none()
        && let Some(object) = recall(slow, &admitted, key).await
    {
        let evaluation = evaluation(&admitted, &object);
        if matches!(evaluation.verdict, Verdict::Serve | Verdict::ServeAndValidate) {
            return serve_hit(slow, Hit::new(admitted, object, evaluation), lane).await;
        }
        why = evaluation.reason;
        stale = Some(object);
    }
    if stale.is_none() {
        match partial::serve(slow, admitted, key, lane).await {
            Way::Served(lane, ended) => return (lane, ended),
            Way::Usual(back, free) => (admitted, lane) = (back, free),
            Way::Whole(back, free, reader, led) => {
                match answer(slow, back, reader, Some(led), why, free).await {
                    Ok(answered) => return answered,
                    Err((back, free)) => (admitted, lane) = (back, free),
                }
            }
        }
    }
    for attempt in 1..=FLIGHTS_MAX {
        let alone = attempt == FLIGHTS_MAX;
        let (reader, led) = match begin(slow, &admitted, key, stale.as_ref(), alone) {
            Begun::Reader(reader, led) => (reader, led),
            Begun::Looped => return respond(admitted, rescue::looped(), lane).await,
            Begun::Ready(object) => {
                let evaluation = evaluation(&admitted, &object);
                if matches!(evaluation.verdict, Verdict::Serve | Verdict::ServeAndValidate) {
                    return serve_hit(slow, Hit::new(admitted, object, evaluation), lane).await;
                }
                why = evaluation.reason;
                stale = Some(object);
                continue;
            }
        };
        match answer(slow, admitted, reader, led, why, lane).await {
            Ok(answered) => return answered,
            Err((back, free)) => (admitted, lane) = (back, free),
        }
    }
    pass(slow, admitted, Why::HitForMiss, None, lane).await
}

/// Waits for what a fetch brings and serves it; gives the request back when it is not for this one.
async fn answer<'r, L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'r>,
    mut reader: Reader,
    mut led: Option<Led>,
    why: Why,
    mut lane: L,
) -> Result<(L, Ended), (Admitted<'r>, L)> {
    match arrival(&mut reader, led.as_mut(), &mut lane).await {
        Ok(Arrival::Stream(head)) => {
            Ok(serve_stream(slow, admitted, reader, &head, why, lane).await)
        }
        Ok(Arrival::Object(object)) => {
            let forward = Some(Forward::of(why));
            let status =
                CacheStatus { forward, collapsed: !reader.is_leader(), ..CacheStatus::default() };
            Ok(serve_settled(slow, admitted, object, status, lane).await)
        }
        Ok(Arrival::Again) => Err((admitted, lane)),
        Err(error) => {
            let fault = led.and_then(|led| take(&led.fault));
            Ok(respond(admitted, rescue::fill(error, fault.as_ref()), lane).await)
        }
    }
}

/// Looks in the tier on disk, where there is one.
async fn recall(slow: &Slow<'_>, admitted: &Admitted<'_>, key: Key) -> Option<Arc<Object>> {
    let received = admitted.received();
    let fields: &(dyn Fields + Sync) = match received.edits.as_deref() {
        Some(edits) => &edits.fields,
        None => received.head,
    };
    slow.edge.node.store.recall(&key, fields).await
}

/// What the client that caused a fetch learns of it beside the answer.
pub(crate) struct Led {
    pub(crate) fault: FaultSlot,
    pub(crate) interims: mpsc::Receiver<ResponseHead>,
}

/// How a flight began.
enum Begun {
    Reader(Reader, Option<Led>),
    Ready(Arc<Object>),
    Looped,
}

fn begin(
    slow: &Slow<'_>,
    admitted: &Admitted<'_>,
    key: Key,
    stale: Option<&Arc<Object>>,
    alone: bool,
) -> Begun {
    let store = &slow.edge.node.store;
    let Some(policy) = &admitted.route().cache else { return Begun::Looped };
    let url = admitted.target().url(policy);
    let now_ms = slow.edge.node.clock.now().unix_us / 1000;
    let wanted = Wanted { key, url: &url, fields: admitted.received().fields(), now_ms };
    let flight =
        if alone { store.begin_alone(&wanted, stale) } else { store.begin(&wanted, stale) };
    match flight {
        Flight::Ready(object) => Begun::Ready(object),
        Flight::Join(reader) => {
            Counter::CacheFillsJoined.inc();
            Begun::Reader(reader, None)
        }
        Flight::Lead(fill, reader) => match start(slow, admitted, fill) {
            Some(led) => Begun::Reader(reader, Some(led)),
            None => Begun::Looped,
        },
    }
}

/// Starts the fetch that feeds a fill, in a task of its own: the client may leave, the fill goes on.
fn start(slow: &Slow<'_>, admitted: &Admitted<'_>, fill: Fill) -> Option<Led> {
    let plain = outbound::build(admitted, Purpose::Fill)?;
    let group = group(admitted)?;
    let mut conditional = plain.clone();
    if let Some(stale) = fill.stale() {
        validation_fields(stale.meta(), &mut conditional.fields);
        Counter::CacheRevalidations.inc();
    }
    Counter::CacheFills.inc();
    let fault = FaultSlot::default();
    let (sender, interims) = mpsc::channel(INTERIMS_WAITING_MAX);
    let sink = FillSink::new(slow.edge.clone(), admitted, Some(fill), fault.clone(), sender)?;
    let standby = media::standby(admitted);
    let (group, standby) = match standby {
        Some(standby) if media::swapped(admitted) => (standby, Some(group)),
        standby => (group, standby),
    };
    tokio::spawn(sink.run(group, standby, conditional, plain));
    Some(Led { fault, interims })
}

/// Waits for the answer's head and passes interim responses on meanwhile (RFC 8297).
pub(crate) async fn arrival<L: Lane>(
    reader: &mut Reader,
    led: Option<&mut Led>,
    lane: &mut L,
) -> Result<Arrival, FillError> {
    let Some(led) = led else { return reader.head().await };
    loop {
        let interim = tokio::select! {
            biased;
            interim = led.interims.recv() => interim,
            arrival = reader.head() => return arrival,
        };
        match interim {
            // A client that is gone is noticed when the answer is written.
            Some(head) => drop(lane.write_informational(&head).await),
            None => return reader.head().await,
        }
    }
}

fn validate_in_background(
    slow: &Slow<'_>,
    admitted: &Admitted<'_>,
    key: Key,
    object: &Arc<Object>,
) {
    // The reader is dropped at once: the fill needs none to go on.
    drop(begin(slow, admitted, key, Some(object), false));
}

/// Serves a stored response from the slow lane.
pub(crate) async fn serve_hit<L: Lane>(slow: &Slow<'_>, hit: Hit<'_>, lane: L) -> (L, Ended) {
    let status = hit_status(&hit.evaluation);
    serve_stored(slow, hit, &status, lane).await
}

async fn serve_stored<L: Lane>(
    slow: &Slow<'_>,
    hit: Hit<'_>,
    status: &CacheStatus,
    lane: L,
) -> (L, Ended) {
    let hit = compress::complete(hit).await;
    let (composed, phase) = (hit.compose(), hit.phase());
    send_composed(slow, hit.admitted, composed, status, phase, lane).await
}

/// Sends a response that is at hand as a whole.
pub(crate) async fn send_composed<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    composed: Composed,
    status: &CacheStatus,
    phase: Phase,
    lane: L,
) -> (L, Ended) {
    let (_admitted, dress) = dress(slow, admitted, status);
    let mut dressed = Dressed::new(lane, dress, false);
    let Composed { head, framing, pieces } = composed;
    let sent = async {
        dressed.write_head(head, framing).await?;
        send_pieces(&mut dressed, pieces).await
    };
    let reason = sent.await.err().map(|DownstreamGone| Reason::ClientGone);
    end(dressed, phase, reason)
}

/// Serves a stored response whose head a plugin has seen and holds.
pub(crate) async fn go_on<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    composed: Composed,
    phase: Phase,
    lane: L,
) -> (L, Ended) {
    let (_admitted, dress) = dress(slow, admitted, &CacheStatus::default());
    let mut dressed = Dressed::new(lane, dress, false);
    let Composed { head, framing, pieces } = composed;
    let sent = async {
        dressed.go_on(head, framing).await?;
        send_pieces(&mut dressed, pieces).await
    };
    let reason = sent.await.err().map(|DownstreamGone| Reason::ClientGone);
    end(dressed, phase, reason)
}

async fn send_pieces<L: Lane>(
    dressed: &mut Dressed<L>,
    pieces: Vec<Bytes>,
) -> Result<(), DownstreamGone> {
    for piece in pieces {
        dressed.write_body(piece).await?;
    }
    dressed.finish(None).await
}

/// The last words about a response that was sent through its dress.
pub(crate) fn end<L: Lane>(
    dressed: Dressed<L>,
    phase: Phase,
    reason: Option<Reason>,
) -> (L, Ended) {
    let (lane, status) = dressed.end();
    (lane, Ended { status, phase, reason, ..Ended::default() })
}

/// A stored response that a fetch confirmed, or that stands in because the fetch failed.
async fn serve_settled<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    object: Arc<Object>,
    status: CacheStatus,
    lane: L,
) -> (L, Ended) {
    let evaluation = evaluation(&admitted, &object);
    let fresh = evaluation.fresh_for_ms > 0 || object.meta().no_cache;
    let status = CacheStatus {
        forward_status: fresh.then_some(304),
        detail: (!fresh).then_some(Why::IfError),
        ttl_s: Some(evaluation.fresh_for_ms.div_euclid(1000)),
        ..status
    };
    let hit = Hit::new(admitted, object, evaluation);
    let (lane, ended) = serve_stored(slow, hit, &status, lane).await;
    let phase = if fresh { Phase::Revalidated } else { Phase::Stale };
    (lane, Ended { phase, ..ended })
}

/// Serves a response while it arrives.
async fn serve_stream<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    mut reader: Reader,
    arriving: &FillHead,
    why: Why,
    lane: L,
) -> (L, Ended) {
    let Part { mut head, framing, with_body } = part(&admitted, &mut reader, arriving);
    let status = CacheStatus {
        forward: Some(Forward::of(why)),
        forward_status: Some(arriving.response.status),
        stored: arriving.plan.is_some(),
        collapsed: !reader.is_leader(),
        detail: arriving.plan.is_none().then_some(arriving.reason),
        ..CacheStatus::default()
    };
    if let Some(plan) = arriving.plan.as_ref().filter(|_| !reader.is_leader()) {
        let now_ms = slow.edge.node.clock.now().unix_us / 1000;
        head.fields.set("Age", plan.meta.age_s(now_ms).to_string());
    }
    let (_admitted, dress) = dress(slow, admitted, &status);
    let mut dressed = Dressed::new(lane, dress, false);
    let sent = stream(&mut dressed, head, framing, with_body.then_some(&mut reader)).await;
    end(dressed, Phase::Miss, reason_of(sent))
}

/// Why a stream did not come to its end.
pub(crate) enum Broken {
    Client,
    Fill(#[expect(dead_code, reason = "told apart only in debug output")] FillError),
}

/// What the record says of a stream.
pub(crate) fn reason_of(sent: Result<(), Broken>) -> Option<Reason> {
    match sent {
        Ok(()) => None,
        Err(Broken::Client) => Some(Reason::ClientGone),
        Err(Broken::Fill(_)) => Some(Reason::FillFailed),
    }
}

/// Sends what a reader brings, as it comes.
pub(crate) async fn stream<L: Lane>(
    lane: &mut Dressed<L>,
    head: ResponseHead,
    framing: ResponseFraming,
    reader: Option<&mut Reader>,
) -> Result<(), Broken> {
    let gone = |_| Broken::Client;
    lane.write_head(head, framing).await.map_err(gone)?;
    let Some(reader) = reader else { return lane.finish(None).await.map_err(gone) };
    let mut ready = Vec::new();
    // What a plugin put in place of the response is complete.
    while !lane.replaced {
        let Some(piece) = reader.chunk().await.map_err(Broken::Fill)? else {
            return lane.finish(None).await.map_err(gone);
        };
        lane.write_body(piece).await.map_err(gone)?;
        reader.ready(READY_BYTES_MAX, &mut ready);
        for piece in ready.drain(..) {
            lane.write_body(piece).await.map_err(gone)?;
        }
        lane.flush().await.map_err(gone)?;
    }
    Ok(())
}

/// Which part of an arriving response answers the request.
struct Part {
    head: ResponseHead,
    framing: ResponseFraming,
    with_body: bool,
}

fn part(admitted: &Admitted<'_>, reader: &mut Reader, arriving: &FillHead) -> Part {
    let received = admitted.received();
    let (method, fields) = (received.head.method(), received.fields());
    let mut head = arriving.response(reader.is_leader()).clone();
    head.fields.remove("content-length");
    let framing = match arriving.length {
        _ if head.is_bodiless(Method::Get) => ResponseFraming::Empty { declared: None },
        Some(length) => ResponseFraming::Length(length),
        None => ResponseFraming::Unknown,
    };
    let whole = Part { with_body: !head.is_bodiless(Method::Get), head, framing };
    let Some(plan) = &arriving.plan else { return whole };
    match preconditions(method, fields, &plan.meta) {
        Precondition::NotModified => return not_modified(&whole.head.fields),
        Precondition::Failed => return empty(ResponseHead::new(412)),
        Precondition::Proceed => {}
    }
    let Some(length) = arriving.length else { return whole };
    match range_plan(method, fields, &plan.meta, length) {
        // Several ranges of something that is still arriving: the whole is an honest answer too.
        RangePlan::Whole | RangePlan::Multi(_) => whole,
        RangePlan::Unsatisfiable => {
            empty(ResponseHead::new(416).with("Content-Range", format!("bytes */{length}")))
        }
        RangePlan::Single(range) => {
            reader.only(range);
            let Part { mut head, .. } = whole;
            head.status = 206;
            head.fields.set("Content-Range", range.content_range(length));
            Part { head, framing: ResponseFraming::Length(range.len()), with_body: true }
        }
    }
}

fn empty(head: ResponseHead) -> Part {
    Part { head, framing: ResponseFraming::Length(0), with_body: false }
}

/// The fields that a 304 repeats (RFC 9110 section 15.4.5).
fn not_modified(fields: &FieldList) -> Part {
    let mut head = ResponseHead::new(304);
    for name in ["cache-control", "content-location", "date", "etag", "expires", "vary"] {
        if let Some(value) = fields.value(name) {
            head.fields.set(name, value);
        }
    }
    Part { head, framing: ResponseFraming::Empty { declared: None }, with_body: false }
}

/// An exchange that failed: an answer if the client has seen none, a broken transfer otherwise.
async fn fail<L: Lane>(admitted: Admitted<'_>, fault: Fault, status: u16, lane: L) -> (L, Ended) {
    Counter::UpstreamFailures.inc();
    let upstream = fault.server.clone().unwrap_or_else(|| Arc::from(""));
    if lane.account().head_sent {
        let reason = Some(rescue::reason_of(&fault));
        return (lane, Ended { status, reason, upstream, ..Ended::default() });
    }
    let local = match lane.account().body_refusal {
        Some(refusal) => rescue::body(&refusal),
        None => rescue::upstream(&fault),
    };
    let (lane, ended) = respond(admitted, local, lane).await;
    (lane, Ended { upstream, ..ended })
}

// === small things ===

pub(crate) fn group(admitted: &Admitted<'_>) -> Option<Arc<Group>> {
    let running = admitted.received().cx.running;
    match &admitted.route().action {
        Action::Proxy { upstream, .. } => Some(running.group(*upstream).clone()),
        Action::Link(domain) => Some(running.group(running.snapshot[*domain].upstream).clone()),
        Action::Redirect { .. } | Action::Respond(_) | Action::Steer(_) => None,
    }
}

/// Splits what dresses the response from what is left of the request.
pub(crate) fn dress<'r>(
    slow: &Slow<'_>,
    mut admitted: Admitted<'r>,
    status: &CacheStatus,
) -> (Admitted<'r>, Dress) {
    let mut cache_status = Vec::with_capacity(64);
    status.write(CACHE_NAME, &mut cache_status);
    let received = &admitted.permitted.verified.routed.received;
    let dress = Dress {
        running: received.cx.running.clone(),
        found: admitted.found(),
        identity: received.cx.identity(),
        facts: received.cx.facts.clone(),
        node: received.cx.node.name.clone(),
        unix_us: received.cx.now.unix_us,
        request: slow.request.clone(),
        edits: received.edits.clone(),
        plugins: admitted.plugins.take(),
        charged: received.charged.clone(),
        cache_status,
    };
    (admitted, dress)
}

pub(crate) fn evaluation(admitted: &Admitted<'_>, object: &Object) -> Evaluation {
    let received = admitted.received();
    let directives = match &admitted.route().cache {
        Some(policy) => RequestDirectives::heeded(policy, received.fields()),
        None => RequestDirectives::default(),
    };
    let now_ms = received.cx.node.clock.now().unix_us / 1000;
    evaluate(object.meta(), &directives, object.stale_from_ms(), now_ms)
}

/// Method and URL of a request whose success invalidates what is stored (RFC 9111 section 4.4).
fn unsafe_url(admitted: &Admitted<'_>) -> Option<(String, String)> {
    let method = admitted.received().head.method();
    let policy = admitted.route().cache.as_ref()?;
    let url = || (method.as_str().to_owned(), admitted.target().url(policy));
    (!method.is_safe()).then(url)
}

fn invalidate(slow: &Slow<'_>, method: &str, url: &str, response: &ResponseHead) {
    for invalidation in invalidations(Method::from_token(method), url, response) {
        let purge = match invalidation {
            Invalidation::Url(url) => Purge::Url(url),
            Invalidation::Group(tag) => Purge::Tag(tag),
        };
        slow.edge.node.store.purge(&purge, PurgeKind::Hard);
    }
}

/// What an answer to HEAD says about the stored answer to GET (RFC 9111 section 4.3.5).
fn freshen_by_head(
    slow: &Slow<'_>,
    admitted: &Admitted<'_>,
    object: &Arc<Object>,
    response: &ResponseHead,
) {
    let store = &slow.edge.node.store;
    let now_ms = slow.edge.node.clock.now().unix_us / 1000;
    match head_freshening(object.meta(), object.fields(), response) {
        HeadFreshening::Nothing => {}
        HeadFreshening::Invalidate => store.expire(object.key(), now_ms),
        HeadFreshening::Update => {
            let Some(policy) = &admitted.route().cache else { return };
            let received = admitted.received();
            let asked = Asked {
                method: Method::Get,
                fields: received.fields(),
                origin: "",
                request_ms: received.cx.now.unix_us / 1000,
            };
            let stored = (object.meta(), object.fields());
            let (fields, plan) = freshen(policy, &asked, stored, &response.fields, now_ms);
            if let Ok(plan) = plan {
                store.renew(object, plan.meta, fields);
            }
        }
    }
}

pub(crate) fn take(slot: &FaultSlot) -> Option<Fault> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

pub(crate) fn put(slot: &FaultSlot, fault: Fault) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
}
