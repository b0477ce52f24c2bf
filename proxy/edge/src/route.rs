//! Second step: which site and which route take the request.

use tidegate_http::Method;
use tidegate_telemetry::{Phase, Reason};

use crate::{
    answer::{Answer, Local},
    cors,
    request::{Received, Routed, Stop},
};

/// Finds the route, or answers 404 (no site, no path) or 405 (another method).
pub(crate) fn find(received: Received<'_>) -> Result<Routed<'_>, Stop<'_>> {
    let head = received.head;
    let router = &received.cx.running.snapshot.router;
    let Some(site) = router.site(head.host()) else {
        if received.cx.running.snapshot.revision == 0 {
            return Err(refuse(
                received,
                503,
                Reason::HostUnknown,
                "this node has no configuration yet",
            ));
        }
        let detail = "no site of this node has this host";
        return Err(refuse(received, 404, Reason::HostUnknown, detail));
    };
    match router.find_in(site, head.method(), head.path(), head) {
        Some(found) => cors::preflight(Routed { received, found }),
        None => Err(unrouted(received, site)),
    }
}

/// The methods that `Allow` may name.
const METHODS: [Method<'static>; 7] = [
    Method::Get,
    Method::Head,
    Method::Post,
    Method::Put,
    Method::Patch,
    Method::Delete,
    Method::Options,
];

/// RFC 9110 section 15.5.6: a path that exists for other methods is 405, with `Allow`.
fn unrouted(received: Received<'_>, site: tidegate_route::SiteId) -> Stop<'_> {
    let head = received.head;
    let router = &received.cx.running.snapshot.router;
    let takes = |method: &&Method<'_>| router.find_in(site, **method, head.path(), head).is_some();
    let allowed: Vec<_> = METHODS.iter().filter(takes).map(|method| method.as_str()).collect();
    if allowed.is_empty() {
        let detail = "no route of this site takes this path";
        return refuse(received, 404, Reason::RouteUnknown, detail);
    }
    let local = Local::problem(
        Phase::Unrouted,
        405,
        Reason::MethodRefused,
        "the route takes other methods",
    )
    .with("Allow", allowed.join(", "));
    received.stop(None, Answer::Local(local))
}

fn refuse<'r>(
    received: Received<'r>,
    status: u16,
    reason: Reason,
    detail: &'static str,
) -> Stop<'r> {
    received.stop(None, Answer::Local(Local::problem(Phase::Unrouted, status, reason, detail)))
}
