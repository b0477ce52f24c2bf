//! The request body, shown to plugins before an upstream is asked.
//!
//! A plugin may hold the request until it has seen the body, or look at the body in passing. Bodies
//! of a known length within the plugins' limit are read whole, so that an edited body goes upstream
//! with the length that it has then. Of others only as much is read as a plugin holds back; the rest
//! is shown while it is sent (`dress.rs`), in chunks, because nobody knows how long it will be.

use tidegate_http::{FieldList, Framing};
use tidegate_telemetry::{Phase, Reason};
use tidegate_wasm::{Buffer, Map, Phases, RequestContext, Verdict};

use crate::{
    admit,
    answer::Local,
    lane::Lane,
    request::{Admitted, Received},
    rescue,
    view::{Edits, ReadBody, Surroundings, View},
};

/// What came of the plugins' request phase.
pub(crate) enum Settled {
    /// The request goes on.
    Continue,
    /// It is answered here.
    Answer(Box<Local>),
    /// The client went away.
    Gone,
}

/// The part of the body that is here.
struct Feed {
    /// Seen by plugins that may want to see more behind it.
    held: Vec<u8>,
    /// Let through by all of them.
    passed: Vec<u8>,
    complete: bool,
}

/// Waits for the plugins that hold the request, with as much of its body as they want to see.
pub(crate) async fn settle<L: Lane>(admitted: &mut Admitted<'_>, lane: &mut L) -> Settled {
    let found = admitted.found();
    let around = admitted.received().around(Some(found));
    let chain = admitted.received().cx.running.chain(found.route);
    let Some(plugins) = &mut admitted.plugins else { return Settled::Continue };
    let received = &mut admitted.permitted.verified.routed.received;
    let framing = received.head.body();
    let wanted = framing != Framing::Empty && chain.wants(Phases::REQUEST_BODY);
    let bytes_max = chain.body_bytes_max();
    let whole = matches!(framing, Framing::Length(length) if length <= bytes_max as u64);
    let mut feed =
        Feed { held: Vec::new(), passed: Vec::new(), complete: framing == Framing::Empty };
    let mut verdict = resume(plugins, received, &mut feed, around).await;
    loop {
        match verdict {
            Verdict::Answer(response) => return answer(admit::local(response)),
            Verdict::Pause if feed.complete => break,
            Verdict::Pause => {}
            Verdict::Continue => {
                feed.passed.append(&mut feed.held);
                if !wanted || feed.complete || !whole {
                    break;
                }
            }
        }
        match lane.read_body().await {
            Ok(Some(data)) => {
                feed.held.extend_from_slice(&data);
                feed.complete = lane.body_done();
            }
            Ok(None) => feed.complete = true,
            Err(_) => return refused(lane),
        }
        // Whatever the pieces that it came in: held is held.
        if feed.held.len() > bytes_max && matches!(verdict, Verdict::Pause) {
            return answer(too_large());
        }
        verdict = show(plugins, received, &mut feed, around).await;
    }
    if feed.complete
        && chain.wants(Phases::REQUEST_TRAILERS)
        && let Some(mut trailers) = lane.take_trailers()
        && let Verdict::Answer(response) = late(plugins, received, &mut trailers, around).await
    {
        return answer(admit::local(response));
    }
    if wanted {
        let body = ReadBody { bytes: feed.passed.into(), complete: feed.complete };
        Edits::made(&mut received.edits, received.head).body = Some(body);
    }
    Settled::Continue
}

async fn resume(
    plugins: &mut RequestContext,
    received: &mut Received<'_>,
    feed: &mut Feed,
    around: Surroundings<'_>,
) -> Verdict {
    let view = View::of_request(received.head, &mut received.edits, around);
    plugins.resume(&mut view.with_body(Buffer::RequestBody, &mut feed.held)).await
}

async fn show(
    plugins: &mut RequestContext,
    received: &mut Received<'_>,
    feed: &mut Feed,
    around: Surroundings<'_>,
) -> Verdict {
    let view = View::of_request(received.head, &mut received.edits, around);
    let mut view = view.with_body(Buffer::RequestBody, &mut feed.held);
    match plugins.on_request_body(&mut view, feed.complete) {
        Verdict::Pause => plugins.resume(&mut view).await,
        verdict => verdict,
    }
}

/// Shows the trailers of a request whose body is here.
async fn late(
    plugins: &mut RequestContext,
    received: &mut Received<'_>,
    trailers: &mut FieldList,
    around: Surroundings<'_>,
) -> Verdict {
    let view = View::of_request(received.head, &mut received.edits, around);
    let mut view = view.with_trailers(Map::RequestTrailers, trailers);
    match plugins.on_request_trailers(&mut view) {
        Verdict::Pause => plugins.resume(&mut view).await,
        verdict => verdict,
    }
}

fn answer(local: Local) -> Settled {
    Settled::Answer(Box::new(local))
}

fn refused<L: Lane>(lane: &L) -> Settled {
    match lane.account().body_refusal {
        Some(refusal) => answer(rescue::body(&refusal)),
        None => Settled::Gone,
    }
}

/// A plugin holds more of the request body than it may.
pub(crate) fn too_large() -> Local {
    let detail = "the request body is larger than a plugin of this route takes";
    Local::problem(Phase::Refused, 413, Reason::BodyTooLarge, detail)
}
