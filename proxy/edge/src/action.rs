//! Sixth step: what the route does. Text, redirects and known short links are answered here; a proxy
//! route goes on with its cache key.

use std::borrow::Cow;

use tidegate_cache::{Key, Reason as Why};
use tidegate_http::Framing;
use tidegate_route::{
    Template,
    links::{Lookup, Ticket},
    redirect::with_query,
};
use tidegate_snapshot::{Action, LinkDomainIndex};
use tidegate_telemetry::{Counter, Phase, Reason};
use tidegate_wasm::Phases;

use crate::{
    admit,
    answer::{Answer, Local, Redirect},
    lane::BODY_TOO_LARGE,
    lookup::Fetch,
    media,
    request::{Admitted, Keyed, Stop, Work},
    rescue,
    view::View,
};

/// What plugins may see of an answer made here.
const RESPONSE: Phases = Phases::RESPONSE_HEADERS.with(Phases::RESPONSE_BODY).with(Phases::LOG);

/// A short link that the links service must be asked for.
#[derive(Debug)]
pub(crate) struct LinkAsk {
    pub(crate) domain: LinkDomainIndex,
    pub(crate) code: String,
    /// None when the filter does not know the code: the table must be proved complete first.
    pub(crate) ticket: Option<Ticket>,
}

/// Answers, or computes the cache key for what is to be fetched.
pub(crate) fn act(admitted: Admitted<'_>) -> Result<Keyed<'_>, Stop<'_>> {
    match &admitted.route().action {
        // What is too large for certain does not even begin to go upstream.
        Action::Proxy { .. } if is_too_large(&admitted) => {
            let local = rescue::body(&BODY_TOO_LARGE);
            Err(stop(admitted, Answer::Local(local)))
        }
        Action::Proxy { .. } => Ok(key(admitted)),
        Action::Respond(respond) => {
            let mut local = Local::new(Phase::Respond, respond.status, "", respond.body.clone());
            local.head.fields.clone_from(&respond.fields);
            Err(stop(admitted, Answer::Local(local)))
        }
        Action::Redirect { to, status, keep_query } => {
            let redirect = redirect(&admitted, to, *status, *keep_query);
            Err(stop(admitted, Answer::Redirect(redirect)))
        }
        Action::Link(domain) => Err(link(admitted, *domain)),
        Action::Steer(steer) => {
            let local = media::steer(&admitted, steer);
            Err(stop(admitted, Answer::Local(local)))
        }
    }
}

fn is_too_large(admitted: &Admitted<'_>) -> bool {
    let received = admitted.received();
    let max = admitted.route().body_bytes_max.unwrap_or(received.cx.node.limits.body_bytes_max);
    matches!(received.head.body(), Framing::Length(length) if length > max)
}

fn key(admitted: Admitted<'_>) -> Keyed<'_> {
    let seed = admitted.received().cx.node.store.seed();
    let policy = admitted.route().cache.as_deref();
    let key = policy.map(|policy| Key::of(seed, policy, &admitted.target()));
    Keyed { admitted, key }
}

fn redirect<'r>(
    admitted: &Admitted<'_>,
    to: &Template,
    status: u16,
    keep_query: bool,
) -> Redirect<'r> {
    let mut location = String::with_capacity(64);
    to.render(admitted.path(), &admitted.found().params, &mut location);
    let query = admitted.query().filter(|_| keep_query);
    let location = with_query(Cow::Owned(location), query);
    Redirect { status, location, phase: Phase::Redirect }
}

fn link(admitted: Admitted<'_>, index: LinkDomainIndex) -> Stop<'_> {
    let cx = admitted.received().cx;
    let domain = &cx.running.snapshot[index];
    let found = admitted.found();
    let code = found.params.last(admitted.path());
    // A preview (`code+`), a password, a change: the links service answers itself.
    if code.ends_with('+') || !matches!(admitted.received().method(), "GET" | "HEAD") {
        let pass = Work::Fetch(None, Fetch::Pass(Why::Disabled));
        return Stop::Detach(Box::new(admitted.detach(pass)));
    }
    let code = if domain.ignore_case { Cow::Owned(code.to_ascii_lowercase()) } else { code.into() };
    match cx.running.link_table(index).table.lookup(&domain.domain, &code, cx.now.mono_us) {
        Lookup::Redirect(record) => {
            Counter::LinkHits.inc();
            stop(admitted, Answer::Link(record))
        }
        Lookup::Unknown => {
            let code = code.into_owned();
            ask(admitted, index, code, None)
        }
        Lookup::Ask(ticket) => {
            let code = code.into_owned();
            ask(admitted, index, code, Some(ticket))
        }
    }
}

fn ask(
    admitted: Admitted<'_>,
    domain: LinkDomainIndex,
    code: String,
    ticket: Option<Ticket>,
) -> Stop<'_> {
    let ask = LinkAsk { domain, code, ticket };
    Stop::Detach(Box::new(admitted.detach(Work::Link(ask))))
}

/// 404 for a code that does not exist.
pub(crate) fn unknown() -> Local {
    Local::problem(Phase::Link, 404, Reason::LinkUnknown, "no short link has this code")
        .with("Cache-Control", "no-store")
}

/// Ends the walk with an answer, and with the plugins' last words.
pub(crate) fn stop<'r>(admitted: Admitted<'r>, mut answer: Answer<'r>) -> Stop<'r> {
    let found = admitted.found();
    let Admitted { permitted, plugins } = admitted;
    let mut received = permitted.verified.routed.received;
    if let Some(mut plugins) = plugins {
        if received.cx.node.access_log.is_on() {
            plugins.tell_labels(received.labels.get_or_insert_default().clone());
        }
        let around = received.around(Some(found));
        if received.cx.running.chain(found.route).wants(RESPONSE) {
            let mut local = Local::of(answer);
            admit::respond(&mut plugins, &mut received, around, &mut local);
            let (edits, head) = (&mut received.edits, &mut local.head);
            plugins.finish(&mut View::of_response(received.head, edits, head, around));
            answer = Answer::Local(local);
        } else {
            plugins.finish(&mut View::of_request(received.head, &mut received.edits, around));
        }
    }
    received.stop(Some(found), answer)
}
