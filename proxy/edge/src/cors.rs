//! Preflight requests (Fetch standard, section 3.2.2), answered before anything that a browser sends
//! no credentials for could refuse them.

use tidegate_http::{Known, Method};
use tidegate_telemetry::Phase;

use crate::{
    answer::{Answer, Local},
    request::{Routed, Stop},
};

/// Answers a preflight request, where the route has something to say about other pages.
pub(crate) fn preflight(routed: Routed<'_>) -> Result<Routed<'_>, Stop<'_>> {
    let head = routed.received.head;
    if head.method() != Method::Options {
        return Ok(routed);
    }
    let cors = routed.route().headers.as_ref().and_then(|policy| policy.cors.as_ref());
    let asked = head
        .field(Known::Origin)
        .filter(|_| head.field(Known::AccessControlRequestMethod).is_some());
    let (Some(cors), Some(origin)) = (cors, asked) else { return Ok(routed) };
    let mut local = Local::new(Phase::Respond, 204, "", "");
    local.head.fields = cors.preflight(origin);
    local.dressed = true;
    Err(routed.stop(Answer::Local(local)))
}
