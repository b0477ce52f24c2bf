//! What a client is told that was denied by a limit.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use tidegate_http::{Fields, Head};
use tidegate_limit::{Charge, Denied, Rule, answer};
use tidegate_telemetry::{Phase, Reason};

use crate::answer::Local;

/// `RESOURCE_EXHAUSTED` of gRPC.
const RESOURCE_EXHAUSTED: u8 = 8;
/// What a client is told to wait when the node has no room for one more that waits, seconds.
const CROWDED_S: u64 = 1;

/// 429 with everything a well-behaved client needs to come back at the right time (RFC 6585
/// section 4, draft-ietf-httpapi-ratelimit-headers).
pub(super) fn denied(head: &Head<'_>, charge: &Charge<'_>, denied: &Denied) -> Local {
    let retry_s = answer::retry_after_s(denied, charge.key);
    let mut policy = Vec::with_capacity(48);
    answer::policy([charge.rule], &mut policy);
    let mut state = Vec::with_capacity(48);
    answer::denied_state(charge.rule, denied, &mut state);
    exhausted(head, Some(charge.rule), Some(retry_s))
        .with("RateLimit-Policy", policy)
        .with("RateLimit", state)
}

/// For a key that pushed data blocks: it may come back, but nobody knows when.
pub(super) fn blocked(head: &Head<'_>, rule: &Rule) -> Local {
    exhausted(head, Some(rule), None)
}

/// For a request whose turn would come, were there room to wait.
pub(super) fn crowded(head: &Head<'_>) -> Local {
    exhausted(head, None, Some(CROWDED_S))
}

fn exhausted(head: &Head<'_>, rule: Option<&Rule>, retry_s: Option<u64>) -> Local {
    let local = if is_grpc(head) { grpc(retry_s) } else { http(rule) };
    let local = local.because(Reason::Limit).with("Cache-Control", "no-store");
    match retry_s {
        Some(retry_s) => local.with("Retry-After", retry_s.to_string()),
        None => local,
    }
}

fn http(rule: Option<&Rule>) -> Local {
    let Some(rule) = rule else {
        let detail = "too many requests wait for their turn";
        return Local::problem(Phase::Limited, 429, Reason::Limit, detail);
    };
    let mut body = Vec::with_capacity(192);
    answer::problem(rule, &mut body);
    Local::new(Phase::Limited, 429, answer::PROBLEM_TYPE, body)
}

/// A gRPC client looks at the status of the call, not of HTTP: trailers only, with the time to wait
/// as a `google.rpc.RetryInfo`.
fn grpc(retry_s: Option<u64>) -> Local {
    let local = Local::new(Phase::Limited, 200, "application/grpc", Vec::new())
        .with("grpc-status", RESOURCE_EXHAUSTED.to_string())
        .with("grpc-message", "request quota exceeded");
    match retry_s {
        Some(retry_s) => {
            local.with("grpc-status-details-bin", STANDARD_NO_PAD.encode(status_details(retry_s)))
        }
        None => local,
    }
}

fn is_grpc(head: &Head<'_>) -> bool {
    let media_type = head.first("content-type").unwrap_or_default();
    media_type.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
}

/// A `google.rpc.Status` with one detail, in the wire form of protocol buffers.
fn status_details(retry_s: u64) -> Vec<u8> {
    let duration = message(1, &[&[0x08][..], &varint(retry_s)].concat());
    let info =
        [message(1, b"type.googleapis.com/google.rpc.RetryInfo"), message(2, &duration)].concat();
    let code = [0x08, RESOURCE_EXHAUSTED];
    [&code[..], &message(2, b"request quota exceeded"), &message(3, &info)].concat()
}

fn message(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    out.extend(varint(content.len() as u64));
    out.extend_from_slice(content);
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[cfg(test)]
mod tests {
    use super::status_details;

    #[test]
    fn details_are_what_grpc_reads() {
        // Made with the generated code of google.rpc: code 8, a message, RetryInfo of 300 s.
        let bytes = status_details(300);
        assert_eq!(bytes[..4], [0x08, 8, 0x12, 22]);
        assert!(bytes.ends_with(&[0x12, 5, 0x0a, 3, 0x08, 0xac, 0x02]));
    }
}
