//! Short links that the edge does not know yet: one question to the links service, remembered.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use tidegate_cache::Reason as Why;
use tidegate_route::links::{Lookup, Record, RecordParts, Ticket};
use tidegate_telemetry::Counter;
use tidegate_upstream::{Fault, Outbound, Outcome};

use crate::{
    action::{LinkAsk, unknown},
    answer::{Answer, Local},
    clock::Now,
    collect::Collect,
    fetch,
    lane::Lane,
    node::LinkTable,
    request::Admitted,
    rescue,
    slow::{Ended, Slow, respond},
};

/// The largest answer of the links service that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What the links service says of a code.
#[derive(Clone, Debug)]
pub(crate) enum Resolution {
    /// It leads there, for every visitor alike.
    Redirect(Record),
    /// The answer depends on the visitor, or is no redirect: the service answers itself.
    Visit,
    /// No such code.
    Unknown,
    /// It could not be asked.
    Failed(Arc<Fault>),
}

/// The answer of `GET /v1/resolve/{domain}/{code}`.
#[derive(Debug, Deserialize)]
struct Resolved {
    status: u16,
    location: Option<String>,
    /// Unix microseconds.
    expires_at: Option<u64>,
    hot: bool,
}

/// Answers a code that is not in the hot map: from the table once that is known to be complete, or
/// with what the links service says.
pub(crate) async fn answer<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    ask: LinkAsk,
    lane: L,
) -> (L, Ended) {
    if let Some(ticket) = ask.ticket {
        return question(slow, admitted, &ask, ticket, lane).await;
    }
    let cx = admitted.received().cx;
    let domain = &cx.running.snapshot[ask.domain];
    let LinkTable { table, proof } = cx.running.link_table(ask.domain).clone();
    let complete = match slow.edge.control_plane.get() {
        None => false,
        Some(client) => {
            proof.reach(cx.now.mono_us, &domain.table, &table, client, &cx.node.clock).await
        }
    };
    match table.lookup(&domain.domain, &ask.code, cx.node.clock.now().mono_us) {
        Lookup::Redirect(record) => respond(admitted, Local::of(Answer::Link(record)), lane).await,
        Lookup::Unknown if complete => {
            Counter::LinkFiltered.inc();
            respond(admitted, unknown(), lane).await
        }
        // Nothing proves that it does not exist: whoever keeps the links decides.
        Lookup::Unknown => fetch::pass(slow, admitted, Why::Disabled, None, lane).await,
        Lookup::Ask(ticket) => question(slow, admitted, &ask, ticket, lane).await,
    }
}

/// Asks the links service, once for all who ask the same at this moment.
async fn question<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    ask: &LinkAsk,
    ticket: Ticket,
    lane: L,
) -> (L, Ended) {
    let running = admitted.received().cx.running;
    let domain = &running.snapshot[ask.domain];
    // With the ticket in its name: who comes after a change does not wait for an answer from before it.
    let question = format!("{}/{}#{}", domain.domain, ask.code, ticket.seq());
    let node = &slow.edge.node;
    let group = running.group(domain.upstream).clone();
    let resolve = || resolve(slow, group, &domain.domain, &ask.code);
    let resolution = node.link_questions.run(&question, resolve).await;
    let table = &running.link_table(ask.domain).table;
    let now_us = node.clock.now().mono_us;
    match resolution {
        Resolution::Redirect(record) => {
            table.learn(ticket, record.clone(), now_us);
            respond(admitted, Local::of(Answer::Link(record)), lane).await
        }
        Resolution::Unknown => {
            table.missed(ticket, &domain.domain, &ask.code, now_us);
            respond(admitted, unknown(), lane).await
        }
        Resolution::Visit => fetch::pass(slow, admitted, Why::Disabled, None, lane).await,
        Resolution::Failed(fault) => respond(admitted, rescue::upstream(&fault), lane).await,
    }
}

async fn resolve(
    slow: &Slow<'_>,
    group: Arc<tidegate_upstream::Group>,
    domain: &str,
    code: &str,
) -> Resolution {
    Counter::LinkForwarded.inc();
    let target = format!("/v1/resolve/{domain}/{code}");
    let outbound = Outbound::new(http::Method::GET, Bytes::from_static(b"links"), target);
    let collect = Collect::new(Bytes::new(), ANSWER_BYTES_MAX);
    let (collect, outcome) = slow.edge.node.upstreams.exchange(&group, outbound, collect).await;
    if let Outcome::Failed(fault) = outcome {
        return Resolution::Failed(Arc::new(fault));
    }
    match collect.head.map(|head| head.status) {
        Some(200) => read(domain, code, &collect.body, slow.edge.node.clock.now()),
        Some(404) => Resolution::Unknown,
        _ => Resolution::Visit,
    }
}

fn read(domain: &str, code: &str, body: &[u8], now: Now) -> Resolution {
    let Ok(resolved) = serde_json::from_slice::<Resolved>(body) else { return Resolution::Visit };
    let redirects = matches!(resolved.status, 301 | 302 | 303 | 307 | 308);
    let location =
        resolved.location.filter(|location| resolved.hot && redirects && is_field_value(location));
    // The table counts on the clock that never jumps.
    let expires_us = resolved.expires_at.map_or(u64::MAX, |unix_us| {
        now.mono_us.saturating_add(unix_us.saturating_sub(now.unix_us))
    });
    let record = location.as_deref().and_then(|location| {
        Record::new(&RecordParts {
            domain,
            code,
            status: resolved.status,
            location,
            prepared: &[],
            expires_us,
            flags: 0,
        })
    });
    record.map_or(Resolution::Visit, Resolution::Redirect)
}

/// What may stand in a `Location` line.
fn is_field_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
