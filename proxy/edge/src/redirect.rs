//! First step: the site's redirect tables.

use tidegate_telemetry::Phase;

use crate::{
    answer::{Answer, Redirect},
    request::{Received, Stop},
};

/// Answers when a redirect table of the site has the path.
pub(crate) fn check(received: Received<'_>) -> Result<Received<'_>, Stop<'_>> {
    let head = received.head;
    let snapshot = &received.cx.running.snapshot;
    let Some(site) = snapshot.router.site(head.host()) else { return Ok(received) };
    let found = snapshot
        .site(site)
        .redirects
        .iter()
        .find_map(|table| snapshot[*table].find(head.path(), head.query()));
    match found {
        None => Ok(received),
        Some(target) => {
            let redirect = Redirect {
                status: target.status,
                location: target.location,
                phase: Phase::Redirect,
            };
            Err(received.stop(None, Answer::Redirect(redirect)))
        }
    }
}
