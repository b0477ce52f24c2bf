//! HTTP calls that plugins make: exchanges with upstreams of the configuration in force.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tidegate_http::FieldList;
use tidegate_upstream::{Outbound, Outcome, Upstreams};
use tidegate_wasm::{
    CallError, CallFuture, Dispatcher, GRPC_UNAVAILABLE, GrpcCall, GrpcEvent, GrpcEvents,
    GrpcFuture, HttpAnswer, HttpCall, Pairs,
};

use crate::{
    collect::Collect,
    grpc::{self, GrpcSide},
};

/// The largest answer handed to a plugin.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Carries plugins' calls; the upstreams are there before the first plugin runs.
#[derive(Default)]
pub(crate) struct Calls(OnceLock<Arc<Upstreams>>);

impl Calls {
    pub(crate) fn through(&self, upstreams: Arc<Upstreams>) {
        let _ = self.0.set(upstreams);
    }
}

impl Dispatcher for Calls {
    fn knows(&self, upstream: &str) -> bool {
        self.0.get().is_some_and(|upstreams| upstreams.group(upstream).is_some())
    }

    fn call(&self, call: HttpCall) -> CallFuture {
        let upstreams = self.0.get().cloned();
        Box::pin(async move {
            let unknown = || CallError::UnknownUpstream(call.upstream.clone());
            let upstreams = upstreams.ok_or_else(unknown)?;
            let group = upstreams.group(&call.upstream).ok_or_else(unknown)?;
            let outbound = outbound(&call).ok_or_else(|| {
                CallError::Failed("the call has no method, path or authority".to_owned())
            })?;
            let collect = Collect::new(Bytes::from(call.body), ANSWER_BYTES_MAX);
            let exchange = upstreams.exchange(&group, outbound, collect);
            match tokio::time::timeout(call.timeout, exchange).await {
                Ok((collect, Outcome::Delivered(_))) => Ok(answer(collect)),
                Ok((_, Outcome::Failed(fault))) => Err(CallError::Failed(fault.reason.to_owned())),
                Err(_) => Err(CallError::Failed("timeout".to_owned())),
            }
        })
    }

    fn grpc(&self, call: GrpcCall, events: GrpcEvents) -> GrpcFuture {
        let upstreams = self.0.get().cloned();
        Box::pin(async move {
            let group = upstreams.as_ref().and_then(|upstreams| upstreams.group(&call.upstream));
            let (Some(upstreams), Some(group)) = (&upstreams, group) else {
                return unavailable(&events, "no such upstream");
            };
            let outbound = grpc::outbound(&call);
            let side = GrpcSide::new(call.messages, events);
            let (mut side, outcome) = upstreams.exchange(&group, outbound, side).await;
            if let Outcome::Failed(fault) = outcome {
                side.close(GRPC_UNAVAILABLE, fault.reason);
            }
        })
    }
}

fn unavailable(events: &GrpcEvents, text: &str) {
    let _ = events.send(GrpcEvent::Closed(GRPC_UNAVAILABLE, text.to_owned()));
}

fn outbound(call: &HttpCall) -> Option<Outbound> {
    let method = http::Method::from_bytes(call.field(":method")?).ok()?;
    let host = Bytes::copy_from_slice(call.field(":authority")?);
    let mut outbound = Outbound::new(method, host, Bytes::copy_from_slice(call.field(":path")?));
    for (name, value) in call.fields.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let _ = outbound.fields.try_push(name, value);
    }
    if !call.body.is_empty() {
        outbound.framing = tidegate_http::Framing::Length(call.body.len() as u64);
    }
    Some(outbound)
}

fn answer(collect: Collect) -> HttpAnswer {
    let Some(head) = collect.head else { return HttpAnswer::default() };
    HttpAnswer {
        status: head.status,
        fields: pairs(&head.fields),
        body: collect.body.to_vec(),
        trailers: Pairs::new(),
    }
}

fn pairs(fields: &FieldList) -> Pairs {
    fields.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec())).collect()
}
