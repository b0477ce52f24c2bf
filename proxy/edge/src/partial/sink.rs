//! The fetch of one range: a part when the origin sends one, the usual fill when it sends the whole or something else.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidegate_cache::{Decision, Extent, Key, Reason as Why, decide_store};
use tidegate_http::{FieldList, ResponseHead};
use tidegate_store::{Fill, Flight, Reader, Wanted};
use tidegate_telemetry::Counter;
use tidegate_upstream::{Downstream, DownstreamGone, Group, Outbound, Outcome, ResponseFraming};
use tokio::sync::mpsc;

use crate::{
    Edge,
    fetch::{FaultSlot, put},
    fill::FillSink,
    request::Admitted,
};

/// Where the client that asked for a range finds the whole that came instead.
#[derive(Clone, Default)]
pub(super) struct Whole(Arc<Mutex<Option<Reader>>>);

/// Takes the answer to one range.
pub(super) struct PartSink {
    edge: Arc<Edge>,
    /// The part's fill, until it is known to be something else.
    part: Option<Fill>,
    /// What the part holds, once its head has come.
    extent: Option<Extent>,
    /// The key of the whole, and that of the part.
    keys: (Key, Key),
    url: Box<str>,
    whole: Whole,
    /// The usual sink, for everything that is no part.
    usual: FillSink,
}

impl Whole {
    pub(super) fn take(&self) -> Option<Reader> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, reader: Reader) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
    }
}

impl PartSink {
    pub(super) fn new(
        edge: Arc<Edge>,
        admitted: &Admitted<'_>,
        part: Fill,
        keys: (Key, Key),
        url: Box<str>,
        interims: mpsc::Sender<ResponseHead>,
        whole: Whole,
    ) -> Option<Self> {
        let usual = FillSink::new(edge.clone(), admitted, None, FaultSlot::default(), interims)?;
        Some(Self { edge, part: Some(part), extent: None, keys, url, whole, usual })
    }

    /// Where the sink leaves why it failed.
    pub(super) fn fault(&self) -> FaultSlot {
        self.usual.fault()
    }

    pub(super) async fn run(self, group: Arc<Group>, outbound: Outbound) {
        let edge = self.edge.clone();
        let (mut sink, outcome) = edge.node.upstreams.exchange(&group, outbound, self).await;
        let Some(part) = sink.part.take() else { return sink.usual.conclude(outcome) };
        if let Outcome::Failed(fault) = outcome {
            Counter::UpstreamFailures.inc();
            Counter::CacheFillsFailed.inc();
            // The fault first: dropping the fill wakes the client that asks for it.
            put(&sink.usual.fault(), fault);
        }
        drop(part);
    }

    /// A part becomes the whole of the object that holds it.
    fn take_part(&mut self, mut head: ResponseHead) {
        let Some(part) = &mut self.part else { return };
        self.extent = Extent::of(&head.fields);
        let now_ms = self.edge.node.clock.now().unix_us / 1000;
        let decision = match &self.extent {
            None => Decision::Pass(Why::Partial),
            Some(extent) => {
                head.status = 200;
                head.fields.set("Content-Length", extent.range.len().to_string());
                let decision =
                    decide_store(self.usual.policy(), &self.usual.asked(), &head, now_ms);
                only_without_vary(decision)
            }
        };
        part.head(head, decision, now_ms);
    }

    /// The origin sent something else: it goes the usual way, and this request with it.
    fn take_whole(
        &mut self,
        head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        let store = &self.edge.node.store;
        let now_ms = self.edge.node.clock.now().unix_us / 1000;
        let fields = self.usual.asked().fields;
        let wanted = Wanted { key: self.keys.0, url: &self.url, fields, now_ms };
        let Flight::Lead(fill, reader) = store.begin(&wanted, None) else {
            // Somebody fetches the whole already: those who wait here join it.
            self.part = None;
            return Err(DownstreamGone);
        };
        self.usual.begin(fill);
        self.usual.take_head(head, framing);
        self.whole.put(reader);
        self.part = None;
        Ok(())
    }
}

/// Parts are looked up without the request's fields.
fn only_without_vary(decision: Decision) -> Decision {
    match decision {
        Decision::Store(plan) if !plan.meta.vary.is_empty() => Decision::Pass(Why::Partial),
        decision => decision,
    }
}

impl Downstream for PartSink {
    async fn write_informational(&mut self, head: &ResponseHead) -> Result<(), DownstreamGone> {
        self.usual.write_informational(head).await
    }

    async fn write_head(
        &mut self,
        mut head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        if head.status == 304
            && let Some(part) = self.part.take_if(|part| part.stale().is_some())
        {
            let now_ms = self.edge.node.clock.now().unix_us / 1000;
            // When it is for something else, those who wait go the usual way.
            drop(part.not_modified(self.usual.policy(), &self.usual.asked(), &head, now_ms));
            return Ok(());
        }
        // That a range cannot be satisfied says nothing about the whole.
        if !matches!(head.status, 206 | 416) {
            return self.take_whole(head, framing);
        }
        if let ResponseFraming::Length(length) = framing {
            head.fields.set("Content-Length", length.to_string());
        }
        self.take_part(head);
        Ok(())
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        match &mut self.part {
            Some(part) => part.body(data).await.map_err(|_| DownstreamGone),
            None => self.usual.write_body(data).await,
        }
    }

    async fn finish(&mut self, trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        let Some(part) = self.part.take() else { return self.usual.finish(trailers).await };
        let stored = part.finish().map_err(|_| DownstreamGone)?;
        if let (Some(_), Some(extent)) = (stored, self.extent.take()) {
            Counter::CacheStores.inc();
            self.edge.node.parts.add(self.keys.0, self.keys.1, extent);
        }
        Ok(())
    }
}
