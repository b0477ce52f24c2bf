//! A downstream that writes down what it is given.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_http::{FieldList, Fields, Framing, ResponseHead};
use tidegate_testkit::Origin;
use tidegate_upstream::{
    Downstream, DownstreamGone, Group, GroupConfig, Outbound, Outcome, ResponseFraming, Upstreams,
    UpstreamsConfig,
};
use tokio::sync::Notify;

/// A client that has sent everything before the exchange begins, and writes down what it gets.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(crate) body: VecDeque<Bytes>,
    /// The body goes on after the pieces at hand; it ends by `leave`.
    pub(crate) endless: bool,
    /// Notified when the client goes away.
    pub(crate) leave: Arc<Notify>,
    /// Notified whenever something is written.
    pub(crate) heard: Arc<Notify>,
    pub(crate) events: Vec<String>,
}

impl Tape {
    pub(crate) fn with_body(pieces: &[&'static str]) -> Self {
        let body = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
        Self { body, ..Self::default() }
    }

    /// What was written, one event a line.
    pub(crate) fn told(&self) -> String {
        self.events.join("\n")
    }

    fn note(&mut self, event: String) {
        self.events.push(event);
        self.heard.notify_one();
    }
}

impl Downstream for Tape {
    async fn read_body(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        match self.body.pop_front() {
            None if self.endless => {
                self.leave.notified().await;
                Err(DownstreamGone)
            }
            piece => Ok(piece),
        }
    }

    fn body_done(&self) -> bool {
        self.body.is_empty() && !self.endless
    }

    async fn idle(&mut self) -> DownstreamGone {
        self.leave.notified().await;
        DownstreamGone
    }

    async fn write_informational(&mut self, head: &ResponseHead) -> Result<(), DownstreamGone> {
        self.note(format!("interim {}", shown(head)));
        Ok(())
    }

    async fn write_head(
        &mut self,
        head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.note(format!("head {} {framing:?}", shown(&head)));
        Ok(())
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        // How a body is cut into pieces is chance, so pieces in a row are one event.
        match self.events.last_mut().filter(|last| last.starts_with("body ")) {
            Some(last) => last.push_str(&String::from_utf8_lossy(&data)),
            None => self.events.push(format!("body {}", String::from_utf8_lossy(&data))),
        }
        self.heard.notify_one();
        Ok(())
    }

    async fn finish(&mut self, trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        let trailers = trailers.map(|t| format!(" {}", listed(&t))).unwrap_or_default();
        self.note(format!("finish{trailers}"));
        Ok(())
    }

    async fn write_upgrade(&mut self, head: ResponseHead) -> Result<(), DownstreamGone> {
        self.note(format!("upgrade {}", shown(&head)));
        Ok(())
    }
}

/// Upstreams with one group.
pub(crate) fn upstreams(config: GroupConfig) -> (Arc<Upstreams>, Arc<Group>) {
    let upstreams = Upstreams::new(UpstreamsConfig::default());
    let group = upstreams.apply(&[config]).remove(0);
    (upstreams, group)
}

/// A group of these origins that never retries.
pub(crate) fn group(origins: &[&Origin]) -> GroupConfig {
    let servers = origins.iter().map(|origin| origin.url().parse().unwrap()).collect();
    let mut config = GroupConfig::new("g", servers);
    config.retry.retries_max = 0;
    config
}

pub(crate) fn get(target: &'static str) -> Outbound {
    Outbound::new(http::Method::GET, "example.com", target)
}

pub(crate) fn post(framing: Framing) -> Outbound {
    Outbound { framing, ..Outbound::new(http::Method::POST, "example.com", "/post") }
}

/// `delivered 200`, or `failed body closed after the head`.
pub(crate) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered(delivery) => format!("delivered {}", delivery.status),
        Outcome::Failed(fault) => {
            let after = if fault.head_sent { " after the head" } else { "" };
            format!("failed {} {}{after}", fault.stage.as_str(), fault.reason)
        }
    }
}

fn shown(head: &ResponseHead) -> String {
    format!("{} {}", head.status, listed(&head.fields)).trim_end().to_owned()
}

fn listed(fields: &FieldList) -> String {
    let mut lines = Vec::new();
    fields.each(&mut |name, value| {
        lines.push(format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
    });
    lines.join(" ")
}
