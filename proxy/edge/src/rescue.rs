//! The only place where a fault becomes a response.

use std::net::SocketAddr;

use tidegate_http::{Refusal, problem, reason_phrase, write_status_line};
use tidegate_store::FillError;
use tidegate_telemetry::{Phase, Reason};
use tidegate_upstream::{Fault, Stage};

use crate::{
    answer::Local,
    clock::Now,
    date,
    node::{Batch, Node},
    out::Out,
    record::{self, Done},
};

/// Bytes that are no acceptable request: the answer, and the connection closes after it.
pub(crate) fn refuse(
    node: &Node,
    refusal: &Refusal,
    now: Now,
    client: SocketAddr,
    out: &mut Out,
    batch: &mut Batch,
) {
    let before = out.len();
    let word = [("reason", refusal.reason)];
    let phrase = reason_phrase(refusal.status);
    let body = problem(refusal.status, "", phrase, refusal.detail, &word);
    let head = out.head();
    write_status_line(refusal.status, head);
    head.extend_from_slice(b"Content-Type: application/problem+json\r\nContent-Length: ");
    head.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
    head.extend_from_slice(b"\r\n");
    date::write(head);
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    head.extend_from_slice(&body);
    let done = Done {
        status: refusal.status,
        phase: Phase::Refused,
        reason: Some(Reason::from_word(refusal.reason)),
        bytes_sent: (out.len() - before) as u64,
        ..Done::default()
    };
    record::of_refusal(node, batch, now, client, done);
}

/// An exchange that failed before the client saw anything of an answer.
pub(crate) fn upstream(fault: &Fault) -> Local {
    let reason = reason_of(fault);
    let detail = match reason {
        Reason::UpstreamUnknown | Reason::UpstreamUnhealthy => {
            "no server of this route can take the request"
        }
        Reason::UpstreamConnect => "the server behind this node cannot be reached",
        Reason::UpstreamTls => "the server behind this node failed the tls handshake",
        Reason::UpstreamTimeout => "the server behind this node did not answer in time",
        Reason::UpstreamProtocol => "the server behind this node did not answer with valid http",
        _ => "the server behind this node broke off",
    };
    let local = Local::problem(Phase::Fault, fault.status(), reason, detail)
        .with("Cache-Control", "no-store")
        .with("Proxy-Status", format!("tidegate; error={}", proxy_error(reason)));
    if fault.status() == 503 { local.with("Retry-After", "1") } else { local }
}

/// A request body that the client got wrong.
pub(crate) fn body(refusal: &Refusal) -> Local {
    let reason = Reason::from_word(refusal.reason);
    Local::problem(Phase::Refused, refusal.status, reason, refusal.detail)
}

/// A fill that broke off before its head.
pub(crate) fn fill(error: FillError, fault: Option<&Fault>) -> Local {
    match fault {
        Some(fault) => upstream(fault),
        None => {
            let detail = error.to_string();
            Local::problem(Phase::Fault, 502, Reason::FillFailed, &detail)
                .with("Cache-Control", "no-store")
        }
    }
}

/// 504 for `only-if-cached` (RFC 9111 section 5.2.1.7).
pub(crate) fn not_cached() -> Local {
    let detail = "the request wants a cached answer only, and there is none";
    Local::problem(Phase::Fault, 504, Reason::NotCached, detail)
}

/// 508 for a request that this node has already forwarded (RFC 8586).
pub(crate) fn looped() -> Local {
    let detail = "this node has forwarded the request before: an upstream leads back to it";
    Local::problem(Phase::Fault, 508, Reason::LoopDetected, detail)
}

/// The telemetry word of a fault.
pub(crate) fn reason_of(fault: &Fault) -> Reason {
    match (fault.stage, fault.reason) {
        (_, "timeout") => Reason::UpstreamTimeout,
        (Stage::Choose, "unknown") => Reason::UpstreamUnknown,
        (Stage::Choose, _) => Reason::UpstreamUnhealthy,
        (Stage::Connect, _) => Reason::UpstreamConnect,
        (Stage::Tls, _) => Reason::UpstreamTls,
        (Stage::Head, _) => Reason::UpstreamProtocol,
        (Stage::Body, _) => Reason::UpstreamTruncated,
        (Stage::Send | Stage::FirstByte, _) => Reason::UpstreamReset,
        (Stage::Client, _) => Reason::ClientGone,
        (Stage::Internal, _) => Reason::Internal,
    }
}

/// The error type of RFC 9209 section 2.3.
const fn proxy_error(reason: Reason) -> &'static str {
    match reason {
        Reason::UpstreamUnknown | Reason::UpstreamUnhealthy => "destination_unavailable",
        Reason::UpstreamConnect => "connection_refused",
        Reason::UpstreamTls => "tls_protocol_error",
        Reason::UpstreamTimeout => "http_response_timeout",
        Reason::UpstreamProtocol => "http_protocol_error",
        Reason::UpstreamTruncated => "http_response_incomplete",
        Reason::UpstreamReset => "connection_terminated",
        _ => "proxy_internal_error",
    }
}
