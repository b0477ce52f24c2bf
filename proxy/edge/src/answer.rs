//! Answers made on the node: written straight to where the connection's bytes leave.

mod h1;

use std::borrow::Cow;

use bytes::Bytes;
use tidegate_http::{FieldList, Known, ResponseHead, problem, reason_phrase};
use tidegate_route::{Match, links::Record};
use tidegate_telemetry::{Phase, Reason};

use crate::{
    hit::{Dressing, Hit},
    record::{self, Done},
    request::{Progress, Received, Turn, Wire, Work},
    variables::Variables,
};

/// An answer that needs nothing more.
pub(crate) enum Answer<'r> {
    Redirect(Redirect<'r>),
    /// A short link that is known.
    Link(Record),
    Local(Local),
}

/// A redirect by rule.
pub(crate) struct Redirect<'r> {
    pub(crate) status: u16,
    pub(crate) location: Cow<'r, str>,
    pub(crate) phase: Phase,
}

/// Header lines of every short-link answer: it is not to be stored, because links change, and not
/// to be indexed.
pub(crate) const LINK_LINES: &[u8] = b"Cache-Control: private, max-age=0, no-store\r\n\
    X-Robots-Tag: noindex\r\nReferrer-Policy: unsafe-url\r\n";

/// A whole small response.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) head: ResponseHead,
    pub(crate) body: Bytes,
    pub(crate) phase: Phase,
    pub(crate) reason: Option<Reason>,
    pub(crate) plugin: String,
    /// The route's header policy has had its say.
    pub(crate) dressed: bool,
}

// === impl Local ===

impl Local {
    /// A response with a body of this media type; none for an empty one.
    pub(crate) fn new(phase: Phase, status: u16, media_type: &str, body: impl Into<Bytes>) -> Self {
        let mut head = ResponseHead::new(status);
        if !media_type.is_empty() {
            head.fields.set("Content-Type", media_type);
        }
        Self { head, body: body.into(), phase, reason: None, plugin: String::new(), dressed: false }
    }

    /// Problem details (RFC 9457) that name the reason.
    pub(crate) fn problem(phase: Phase, status: u16, reason: Reason, detail: &str) -> Self {
        let word = [("reason", reason.as_str())];
        let body = problem(status, "", reason_phrase(status), detail, &word);
        Self::new(phase, status, problem::CONTENT_TYPE, body).because(reason)
    }

    pub(crate) fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    pub(crate) fn by_plugin(mut self, plugin: String) -> Self {
        self.plugin = plugin;
        self
    }

    /// A redirect or a short link as a whole response; the fast lane writes it in pieces.
    pub(crate) fn of(answer: Answer<'_>) -> Self {
        match answer {
            Answer::Local(local) => local,
            Answer::Redirect(Redirect { status, location, phase }) => {
                Self::new(phase, status, "", Bytes::new()).with("Location", location.as_bytes())
            }
            Answer::Link(record) => {
                let mut local = Self::new(Phase::Link, record.status(), "", Bytes::new())
                    .with("Location", record.location());
                if let Some(lines) = FieldList::from_wire(LINK_LINES) {
                    for line in lines.iter() {
                        local.head.fields.push(line.name, line.value);
                    }
                }
                local
            }
        }
    }

    /// RFC 9110 section 8.6: no Content-Length with 204; 304 describes a body it does not have.
    pub(crate) fn is_bodiless(&self) -> bool {
        matches!(self.head.status, 204 | 304)
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.head.fields.set(name, value);
        self
    }
}

// === writing ===

/// Writes an answer and records it.
pub(crate) fn write(
    turn: &mut Turn<'_>,
    received: &Received<'_>,
    found: Option<Match>,
    mut answer: Answer<'_>,
) {
    // A redirect is written in pieces, unless the route has something to say in it.
    if found.is_some_and(|found| received.touches_responses(found)) {
        answer = Answer::Local(Local::of(answer));
    }
    if let Answer::Local(local) = &mut answer {
        dress(received, found, local);
    }
    let bytes_sent = match &mut turn.wire {
        Wire::H1 { out, closing } => {
            let before = out.len();
            h1::answer(out, *closing, received.head, &answer);
            (out.len() - before) as u64
        }
        Wire::H2(reply) => reply.answer(received.head, &answer),
    };
    let bytes_received = received.head.bytes_len() as u64 + turn.body_bytes;
    let done = Done { bytes_sent, bytes_received, ..answer.done() };
    record::in_turn(turn.batch, received, found, done);
}

/// The route's response fields for answers that have no other chance to get them.
pub(crate) fn dress(received: &Received<'_>, found: Option<Match>, local: &mut Local) {
    let Some(found) = found else { return };
    let running = received.cx.running;
    if let Some(policy) = running.snapshot.route(found.route).headers.as_ref()
        && !local.dressed
    {
        let origin = received.head.field(Known::Origin);
        let variables = Variables::of(received, found);
        policy.dress(&mut local.head.fields, origin, &variables);
    }
    if let Some(charged) = &received.charged {
        charged.see_head(running, local.head.status, &mut local.head.fields);
    }
}

/// Writes a hit: as it was prepared, or, where conditions, ranges, plugins or the route's policy
/// have a say, made whole first.
pub(crate) fn hit(turn: &mut Turn<'_>, mut hit: Hit<'_>) -> Progress {
    let found = hit.admitted.found();
    let phase = hit.phase();
    let mut composed = if hit.is_plain() { None } else { Some(hit.compose()) };
    if let Some(head) = &mut composed
        && hit.dress(head) == Dressing::Paused
        && let Some(composed) = composed.take()
    {
        let work = Work::Respond(Box::new(composed), phase);
        return Progress::Detached(Box::new(hit.admitted.detach(work)));
    }
    let bytes_sent = match &mut turn.wire {
        Wire::H1 { out, closing } => {
            let before = out.len();
            h1::hit(out, *closing, &hit, composed.as_ref());
            (out.len() - before) as u64
        }
        Wire::H2(reply) => reply.hit(&hit, composed.as_ref()),
    };
    let status = composed.map_or(hit.object.meta().status, |composed| composed.head.status);
    let received = hit.admitted.received();
    let bytes_received = received.head.bytes_len() as u64 + turn.body_bytes;
    let labels = hit.label_text();
    let labels = &labels;
    let done = Done { status, phase, bytes_sent, bytes_received, labels, ..Done::default() };
    record::in_turn(turn.batch, received, Some(found), done);
    hit.finish();
    Progress::Answered
}

impl Answer<'_> {
    /// What the record says of it.
    fn done(&self) -> Done<'static> {
        let (status, phase, reason) = match self {
            Self::Redirect(redirect) => (redirect.status, redirect.phase, None),
            Self::Link(record) => (record.status(), Phase::Link, None),
            Self::Local(local) => (local.head.status, local.phase, local.reason),
        };
        Done { status, phase, reason, ..Done::default() }
    }
}
