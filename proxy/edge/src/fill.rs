//! The fetch that feeds a cache fill: it stands in for a client, and outlives the one that caused it.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_cache::{
    Asked, Policy, Reason as Why, RequestDirectives, Validation, decide_store, may_serve_on_error,
    validates,
};
use tidegate_http::{FieldList, Fields, Method, ResponseHead};
use tidegate_store::Fill;
use tidegate_telemetry::Counter;
use tidegate_upstream::{Downstream, DownstreamGone, Group, Outbound, Outcome, ResponseFraming};
use tokio::sync::mpsc;

use crate::{
    Edge, compress,
    fetch::{FaultSlot, put},
    media::{self, Watch},
    request::Admitted,
};

/// Takes the answer of an upstream into a fill.
pub(crate) struct FillSink {
    edge: Arc<Edge>,
    /// Taken when it has been ended.
    fill: Option<Fill>,
    policy: Arc<Policy>,
    /// The client's fields, for `Vary` and for directives.
    asked: FieldList,
    directives: RequestDirectives,
    /// The route compresses, so that what is stored is not coded.
    codes: bool,
    origin: String,
    request_ms: u64,
    fault: FaultSlot,
    /// Interim responses, for the client that caused the fetch.
    interims: mpsc::Sender<ResponseHead>,
    /// The 304 was for something else: ask again without condition.
    ask_again: bool,
    /// Reads manifests as they pass.
    watch: Option<Watch>,
}

// === impl FillSink ===

impl FillSink {
    pub(crate) fn new(
        edge: Arc<Edge>,
        admitted: &Admitted<'_>,
        fill: Option<Fill>,
        fault: FaultSlot,
        interims: mpsc::Sender<ResponseHead>,
    ) -> Option<Self> {
        let policy = media::policy(admitted)?;
        let received = admitted.received();
        let head = received.head;
        let mut asked = FieldList::new();
        received.fields().each(&mut |name, value| asked.push(name, value));
        let request_ms = edge.node.clock.now().unix_us / 1000;
        Some(Self {
            fill,
            directives: RequestDirectives::heeded(&policy, &asked),
            codes: admitted.route().compress.is_some(),
            policy,
            asked,
            origin: format!("{}://{}", head.scheme().as_str(), head.authority()),
            request_ms,
            fault,
            interims,
            ask_again: false,
            watch: Watch::of(&edge, admitted),
            edge,
        })
    }

    /// Runs the fetch to its end, with `conditional` first where something stale is at hand.
    /// The standby is asked when the group fails before there is an answer.
    pub(crate) async fn run(
        self,
        group: Arc<Group>,
        standby: Option<Arc<Group>>,
        conditional: Outbound,
        plain: Outbound,
    ) {
        let edge = self.edge.clone();
        let (mut sink, mut outcome) = edge.node.upstreams.exchange(&group, conditional, self).await;
        if std::mem::take(&mut sink.ask_again) {
            (sink, outcome) = edge.node.upstreams.exchange(&group, plain.clone(), sink).await;
        }
        if let (Outcome::Failed(fault), Some(standby)) = (&outcome, &standby)
            && !fault.head_sent
        {
            Counter::MediaStandby.inc();
            (sink, outcome) = edge.node.upstreams.exchange(standby, plain, sink).await;
        }
        sink.conclude(outcome);
    }

    /// Takes up a fill that began after the sink was made.
    pub(crate) fn begin(&mut self, fill: Fill) {
        self.fill = Some(fill);
    }

    /// Where the sink leaves why it failed.
    pub(crate) fn fault(&self) -> FaultSlot {
        self.fault.clone()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn conclude(mut self, outcome: Outcome) {
        let Outcome::Failed(fault) = outcome else { return };
        Counter::UpstreamFailures.inc();
        if let Some(watch) = &self.watch {
            watch.failed();
        }
        if let Some(fill) = self.fill.take() {
            Counter::CacheFillsFailed.inc();
            if !fault.head_sent && self.may_stand_in(&fill) {
                fill.serve_stale();
                return;
            }
            // The fault first: dropping the fill wakes the client that asks for it.
            put(&self.fault, fault);
            drop(fill);
        }
    }

    fn now_ms(&self) -> u64 {
        self.edge.node.clock.now().unix_us / 1000
    }

    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            method: Method::Get,
            fields: &self.asked,
            origin: &self.origin,
            request_ms: self.request_ms,
        }
    }

    /// Whether what is stored may stand in for a failure (RFC 9111 section 4.2.4, RFC 5861 section 4).
    fn may_stand_in(&self, fill: &Fill) -> bool {
        let now_ms = self.now_ms();
        fill.stale().is_some_and(|stale| {
            may_serve_on_error(stale.meta(), &self.directives, stale.stale_from_ms(), now_ms)
        })
    }

    pub(crate) fn take_head(&mut self, mut head: ResponseHead, framing: ResponseFraming) {
        let Some(mut fill) = self.fill.take() else { return };
        let now_ms = self.now_ms();
        let validation = fill.stale().map(|stale| validates(stale.meta(), &head));
        match validation {
            Some(Validation::Freshens | Validation::Mismatch) => {
                let policy = self.policy.clone();
                if let Err(fill) = fill.not_modified(&policy, &self.asked(), &head, now_ms) {
                    self.ask_again = true;
                    self.fill = Some(fill);
                }
                return;
            }
            Some(Validation::Failed) if self.may_stand_in(&fill) => {
                fill.serve_stale();
                return;
            }
            Some(Validation::Failed | Validation::Replaces) | None => {}
        }
        if let ResponseFraming::Length(length) = framing {
            head.fields.set("Content-Length", length.to_string());
        }
        if let Some(watch) = &mut self.watch {
            watch.head(&mut head);
        }
        if self.codes && !head.fields.has("content-encoding") {
            compress::take_over_vary(&mut head.fields);
        }
        let decision = decide_store(&self.policy, &self.asked(), &head, now_ms);
        if matches!(fill.head(head, decision, now_ms), Why::TooLarge | Why::FillMemory) {
            Counter::CacheAdmissionsRefused.inc();
        }
        self.fill = Some(fill);
    }
}

impl Downstream for FillSink {
    async fn write_informational(&mut self, head: &ResponseHead) -> Result<(), DownstreamGone> {
        // Nobody has to wait for them, and nobody may be there to take them.
        let _ = self.interims.try_send(head.clone());
        Ok(())
    }

    async fn write_head(
        &mut self,
        head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.take_head(head, framing);
        Ok(())
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        match &mut self.fill {
            // What comes behind a head that is not wanted.
            None => Ok(()),
            Some(_) if self.ask_again => Ok(()),
            Some(fill) => {
                if let Some(watch) = &mut self.watch {
                    watch.body(&data);
                }
                fill.body(data).await.map_err(|_| DownstreamGone)
            }
        }
    }

    async fn finish(&mut self, _trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        if self.ask_again {
            return Ok(());
        }
        match self.fill.take().map(Fill::finish) {
            Some(Ok(stored)) => {
                if stored.is_some() {
                    Counter::CacheStores.inc();
                }
                if let Some(watch) = self.watch.take() {
                    watch.finish();
                }
                Ok(())
            }
            Some(Err(_)) => Err(DownstreamGone),
            None => Ok(()),
        }
    }
}
