//! The last step of every request: its record.

use std::borrow::Cow;

use tidegate_http::{Head, Known};
use tidegate_route::Match;
use tidegate_telemetry::{AccessRecord, Phase, Reason};

use crate::{
    clock::Now,
    media,
    node::{Batch, Node},
    request::{Context, Received},
    view::protocol,
};

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done<'d> {
    pub(crate) status: u16,
    pub(crate) phase: Phase,
    pub(crate) reason: Option<Reason>,
    pub(crate) bytes_sent: u64,
    /// Head and body.
    pub(crate) bytes_received: u64,
    pub(crate) upstream: &'d str,
    pub(crate) upstream_us: u64,
    pub(crate) plugin: &'d str,
    /// What plugins attached to the request.
    pub(crate) labels: &'d str,
}

impl Default for Done<'_> {
    fn default() -> Self {
        Self {
            status: 0,
            phase: Phase::Fault,
            reason: None,
            bytes_sent: 0,
            bytes_received: 0,
            upstream: "",
            upstream_us: 0,
            plugin: "",
            labels: "",
        }
    }
}

/// Records a request answered within a turn. Its duration is that of the turn: one clock read for
/// all requests of a pipeline, and none beside it unless the access log is on.
pub(crate) fn in_turn(
    batch: &mut Batch,
    received: &Received<'_>,
    found: Option<Match>,
    done: Done<'_>,
) {
    let node = received.cx.node;
    let labels = received.labels.as_ref().and_then(|labels| labels.get());
    let done = Done { labels: labels.map_or(done.labels, String::as_str), ..done };
    if let Some(charged) = &received.charged {
        charged.settle(node, received.cx.running, done.status, done.bytes_sent, received.cx.now);
    }
    if received.watched.is_some() {
        node.watcher.ended(received.watched, found, done.status, done.phase);
    }
    if node.access_log.is_on() {
        let duration_us = node.clock.now().mono_us.saturating_sub(received.cx.now.mono_us);
        let path = without_tokens(received.head.path());
        let id = received.cx.trace.id();
        let said = media::said(received.head);
        let record =
            record(received.cx, received.head, (&path, &said), &id, found, done, duration_us);
        node.access_log.write(&record);
    }
    batch.push(done.status, done.phase, done.reason, done.bytes_sent, done.bytes_received);
}

/// Records a request of the slow lane.
pub(crate) fn of_slow_lane(cx: Context<'_>, head: &Head<'_>, found: Option<Match>, done: Done<'_>) {
    let duration_us = cx.node.clock.now().mono_us.saturating_sub(cx.now.mono_us);
    let path = without_tokens(head.path());
    let id = cx.trace.id();
    let said = if cx.node.access_log.is_on() { media::said(head) } else { String::new() };
    let record = record(cx, head, (&path, &said), &id, found, done, duration_us);
    record.count();
    cx.node.access_log.write(&record);
}

/// Records bytes that did not even make a request.
pub(crate) fn of_refusal(
    node: &Node,
    batch: &mut Batch,
    now: Now,
    client: std::net::SocketAddr,
    done: Done<'_>,
) {
    if node.access_log.is_on() {
        node.access_log.write(&AccessRecord {
            time_us: now.unix_us,
            status: done.status,
            client: client.ip(),
            bytes_sent: done.bytes_sent,
            bytes_received: done.bytes_received,
            phase: done.phase,
            reason: done.reason,
            ..AccessRecord::default()
        });
    }
    batch.push(done.status, done.phase, done.reason, done.bytes_sent, done.bytes_received);
}

fn record<'a>(
    cx: Context<'a>,
    head: &'a Head<'_>,
    (path, cmcd): (&'a str, &'a str),
    id: &'a str,
    found: Option<Match>,
    done: Done<'a>,
    duration_us: u64,
) -> AccessRecord<'a> {
    let (site, route) = cx.running.names(found);
    AccessRecord {
        time_us: cx.now.unix_us,
        status: done.status,
        method: head.method().as_str(),
        protocol: protocol(head.version()),
        scheme: cx.scheme.as_str(),
        host: head.host(),
        path,
        client: cx.client.ip(),
        bytes_sent: done.bytes_sent,
        bytes_received: done.bytes_received,
        duration_us,
        phase: done.phase,
        reason: done.reason,
        site,
        route,
        upstream: done.upstream,
        upstream_us: done.upstream_us,
        request_id: id,
        tls: match &cx.facts.tls {
            None => "",
            Some(tls) if tls.tls13 => "TLSv1.3",
            Some(_) => "TLSv1.2",
        },
        alpn: match (&cx.facts.tls, cx.facts.http2) {
            (None, _) => "",
            (Some(_), true) => "h2",
            (Some(_), false) => "http/1.1",
        },
        plugin: done.plugin,
        labels: done.labels,
        cmcd,
        user_agent: head.field(Known::UserAgent).unwrap_or(b""),
        referer: head.field(Known::Referer).unwrap_or(b""),
    }
}

/// A value in a path segment of this length or more may be a token that is still good.
const TOKEN_BYTES_MIN: usize = 20;

/// The path with the values of `name=value` segments left out where they may be tokens: who reads a
/// log must not be able to use what others paid for.
fn without_tokens(path: &str) -> Cow<'_, str> {
    if !path.contains('=') {
        return Cow::Borrowed(path);
    }
    let masked = path.split('/').map(|segment| match segment.split_once('=') {
        Some((name, value)) if value.len() >= TOKEN_BYTES_MIN => Cow::Owned(format!("{name}=*")),
        _ => Cow::Borrowed(segment),
    });
    Cow::Owned(masked.collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::without_tokens;

    #[test]
    fn tokens_in_a_path_are_not_logged() {
        let path = "/media/tg=tg1.demo.1795295584.pL21lZGlhL2RlbW8.WupR58qLnvPOWqH1/live.m3u8";
        assert_eq!(without_tokens(path), "/media/tg=*/live.m3u8");
        assert_eq!(without_tokens("/a/lang=en/b"), "/a/lang=en/b");
        assert_eq!(without_tokens("/a/b"), "/a/b");
    }
}
