//! Content steering: which way players take, from the weights of the spec and the health of upstreams.

use tidegate_media::steering::{Report, answer};
use tidegate_snapshot::Steer;
use tidegate_telemetry::Phase;

use crate::{answer::Local, request::Admitted};

/// What both formats are served as.
const MEDIA_TYPE: &str = "application/json";

/// The steering manifest for a request. A pathway whose upstream has no server left is down.
pub(crate) fn steer(admitted: &Admitted<'_>, steer: &Steer) -> Local {
    let received = admitted.received();
    let running = received.cx.running;
    let well = |index: usize| {
        let upstream = steer.upstreams.get(index).copied().flatten();
        upstream.is_none_or(|upstream| running.group(upstream).is_available())
    };
    // The query as the client sent it: the next request needs its token, too.
    let report = Report::of(received.head.query());
    let manifest =
        answer(&steer.pathways, well, report, received.cx.trace.parent.span, steer.ttl_s);
    Local::new(Phase::Respond, 200, MEDIA_TYPE, manifest).with("Cache-Control", "no-store")
}
