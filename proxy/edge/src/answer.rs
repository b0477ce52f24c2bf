//! Answers made on the node: written straight into the worker's outgoing bytes.

use std::borrow::Cow;

use bytes::Bytes;
use tidegate_http::{
    FieldList, Fields, Head, Method, ResponseHead, Version, problem, reason_phrase,
    write_status_line,
};
use tidegate_route::{Match, links::Record};
use tidegate_telemetry::{Phase, Reason};
use tidegate_upstream::ResponseFraming;

use crate::{
    date,
    hit::{Composed, Hit},
    lane::write_connection,
    record::{self, Done},
    request::{Progress, Received, Turn},
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
const LINK_LINES: &[u8] = b"Cache-Control: private, max-age=0, no-store\r\n\
    X-Robots-Tag: noindex\r\nReferrer-Policy: unsafe-url\r\n";

/// A whole small response.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) head: ResponseHead,
    pub(crate) body: Bytes,
    pub(crate) phase: Phase,
    pub(crate) reason: Option<Reason>,
    pub(crate) plugin: String,
}

// === impl Local ===

impl Local {
    /// A response with a body of this media type; none for an empty one.
    pub(crate) fn new(phase: Phase, status: u16, media_type: &str, body: impl Into<Bytes>) -> Self {
        let mut head = ResponseHead::new(status);
        if !media_type.is_empty() {
            head.fields.set("Content-Type", media_type);
        }
        Self { head, body: body.into(), phase, reason: None, plugin: String::new() }
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
    answer: Answer<'_>,
) {
    let before = turn.out.len();
    let done = match answer {
        Answer::Redirect(Redirect { status, location, phase }) => {
            write_redirect(turn, received.head, status, location.as_bytes(), b"", phase)
        }
        Answer::Link(record) => {
            let (status, location) = (record.status(), record.location().as_bytes());
            write_redirect(turn, received.head, status, location, LINK_LINES, Phase::Link)
        }
        Answer::Local(mut local) => {
            dress(received, found, &mut local.head.fields);
            write_local(turn, received.head, &local)
        }
    };
    let bytes_sent = (turn.out.len() - before) as u64;
    let bytes_received = received.head.bytes_len() as u64 + turn.body_bytes;
    let done = Done { bytes_sent, bytes_received, ..done };
    record::in_turn(turn.batch, received, found, done);
}

/// The route's response fields for answers that have no other chance to get them.
pub(crate) fn dress(received: &Received<'_>, found: Option<Match>, fields: &mut FieldList) {
    let Some(found) = found else { return };
    if let Some(policy) = &received.cx.running.snapshot.route(found.route).headers {
        policy.response.apply(fields);
    }
}

fn write_redirect<'d>(
    turn: &mut Turn<'_>,
    head: &Head<'_>,
    status: u16,
    location: &[u8],
    lines: &[u8],
    phase: Phase,
) -> Done<'d> {
    let keep_alive = !turn.closing && head.keep_alive();
    let out = turn.out.head();
    write_status_line(status, out);
    out.extend_from_slice(b"Location: ");
    out.extend_from_slice(location);
    out.extend_from_slice(b"\r\nContent-Length: 0\r\n");
    out.extend_from_slice(lines);
    date::write(out);
    write_connection(keep_alive, is_http10(head), out);
    out.extend_from_slice(b"\r\n");
    Done { status, phase, ..Done::default() }
}

fn write_local<'d>(turn: &mut Turn<'_>, head: &Head<'_>, local: &Local) -> Done<'d> {
    let status = local.head.status;
    let keep_alive = !turn.closing && head.keep_alive();
    let out = turn.out.head();
    write_status_line(status, out);
    local.head.fields.write_h1(out);
    // RFC 9110 section 8.6: no Content-Length with 204; 304 describes a body it does not have.
    if !matches!(status, 204 | 304) {
        write_length(local.body.len() as u64, out);
    }
    if !local.head.fields.has("date") {
        date::write(out);
    }
    write_connection(keep_alive, is_http10(head), out);
    out.extend_from_slice(b"\r\n");
    if head.method() != Method::Head && !matches!(status, 204 | 304) {
        turn.out.body(&local.body);
    }
    Done { status, phase: local.phase, reason: local.reason, ..Done::default() }
}

/// Writes a hit that the fast lane can answer; others (several ranges, plugins that look at
/// responses) are made whole first.
pub(crate) fn hit(turn: &mut Turn<'_>, mut hit: Hit<'_>) -> Progress {
    let before = turn.out.len();
    let found = hit.admitted.found();
    let done =
        if hit.is_plain() { write_prepared(turn, &hit) } else { write_composed(turn, &mut hit) };
    let bytes_sent = (turn.out.len() - before) as u64;
    let received = hit.admitted.received();
    let bytes_received = received.head.bytes_len() as u64 + turn.body_bytes;
    record::in_turn(turn.batch, received, Some(found), Done { bytes_sent, bytes_received, ..done });
    hit.finish();
    Progress::Answered
}

/// The common case: head bytes as they were prepared when the object was stored, a few lines that
/// change, and the body from where it lies.
fn write_prepared<'d>(turn: &mut Turn<'_>, hit: &Hit<'_>) -> Done<'d> {
    let head = hit.admitted.received().head;
    let out = turn.out.head();
    out.extend_from_slice(hit.object.head());
    hit.write_age(out);
    hit.write_cache_status(out);
    write_connection(!turn.closing && head.keep_alive(), is_http10(head), out);
    out.extend_from_slice(b"\r\n");
    if head.method() != Method::Head {
        hit.object.body().pieces().iter().for_each(|piece| turn.out.body(piece));
    }
    Done { status: hit.object.meta().status, phase: hit.phase(), ..Done::default() }
}

fn write_composed<'d>(turn: &mut Turn<'_>, hit: &mut Hit<'_>) -> Done<'d> {
    let Composed { head: response, framing, pieces } = hit.compose();
    let head = hit.admitted.received().head;
    let out = turn.out.head();
    write_status_line(response.status, out);
    response.fields.write_h1(out);
    if let ResponseFraming::Length(length) = framing {
        write_length(length, out);
    }
    write_connection(!turn.closing && head.keep_alive(), is_http10(head), out);
    out.extend_from_slice(b"\r\n");
    if head.method() != Method::Head {
        pieces.iter().for_each(|piece| turn.out.body(piece));
    }
    Done { status: response.status, phase: hit.phase(), ..Done::default() }
}

fn write_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn is_http10(head: &Head<'_>) -> bool {
    head.version() == Version::Http10
}
