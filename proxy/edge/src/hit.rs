//! An answer out of the cache.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use tidegate_cache::{CacheStatus, Evaluation, Precondition, RangePlan, preconditions, range_plan};
use tidegate_http::{Head, Known, ResponseHead};
use tidegate_http2::Encoder;
use tidegate_store::Object;
use tidegate_telemetry::Phase;
use tidegate_upstream::ResponseFraming;
use tidegate_wasm::{Phases, Verdict};

use crate::{admit, node::CACHE_NAME, request::Admitted, view::View};

/// A stored response that answers a request.
pub(crate) struct Hit<'r> {
    pub(crate) admitted: Admitted<'r>,
    pub(crate) object: Arc<Object>,
    pub(crate) evaluation: Evaluation,
}

/// A response made from it: conditions and ranges heeded, fields edited.
pub(crate) struct Composed {
    pub(crate) head: ResponseHead,
    pub(crate) framing: ResponseFraming,
    pub(crate) pieces: Vec<Bytes>,
}

/// Fields that make the answer something else than the whole stored response.
const CONDITIONS: [Known; 5] = [
    Known::Range,
    Known::IfNoneMatch,
    Known::IfModifiedSince,
    Known::IfMatch,
    Known::IfUnmodifiedSince,
];

impl Hit<'_> {
    /// Whether the prepared head can go out as it is.
    pub(crate) fn is_plain(&self) -> bool {
        let received = self.admitted.received();
        received.edits.is_none()
            && !is_conditional(received.head)
            && self
                .admitted
                .route()
                .headers
                .as_ref()
                .is_none_or(|policy| policy.response.is_empty())
            && self.admitted.plugins.is_none()
    }

    pub(crate) fn phase(&self) -> Phase {
        if self.evaluation.fresh_for_ms > 0 { Phase::Hit } else { Phase::Stale }
    }

    pub(crate) fn write_age(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Age: ");
        out.extend_from_slice(itoa::Buffer::new().format(self.evaluation.age_ms / 1000).as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// `age` as HTTP/2 writes it.
    pub(crate) fn encode_age(&self, block: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        let age_s = digits.format(self.evaluation.age_ms / 1000);
        Encoder::field(block, b"age", age_s.as_bytes());
    }

    /// `cache-status` as HTTP/2 writes it.
    pub(crate) fn encode_cache_status(&self, block: &mut Vec<u8>) {
        // Rendered at the end of the block and moved aside: the length goes before it.
        let end = block.len();
        self.status().write(CACHE_NAME, block);
        let value = SmallVec::<[u8; 64]>::from_slice(&block[end..]);
        block.truncate(end);
        Encoder::field(block, b"cache-status", &value);
    }

    pub(crate) fn write_cache_status(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Cache-Status: ");
        self.status().write(CACHE_NAME, out);
        out.extend_from_slice(b"\r\n");
    }

    /// The general case.
    pub(crate) fn compose(&mut self) -> Composed {
        let mut composed = self.choose();
        composed.head.fields.remove("content-length");
        let age = (self.evaluation.age_ms / 1000).to_string();
        composed.head.fields.set("Age", age);
        let mut status = Vec::with_capacity(48);
        self.status().write(CACHE_NAME, &mut status);
        composed.head.fields.set("Cache-Status", status);
        if let Some(policy) = &self.admitted.route().headers {
            policy.response.apply(&mut composed.head.fields);
        }
        self.ask_plugins(&mut composed);
        composed
    }

    /// The plugins' last words about the request.
    pub(crate) fn finish(self) {
        let found = self.admitted.found();
        let around = self.admitted.received().around(Some(found));
        let Admitted { permitted, plugins } = self.admitted;
        let mut received = permitted.verified.routed.received;
        if let Some(plugins) = plugins {
            plugins.finish(&mut View::of_request(received.head, &mut received.edits, around));
        }
        if let Some(permit) = permitted.permit {
            received.cx.node.limit_table.release(permit);
        }
    }

    /// Which part of the stored response answers: RFC 9110 section 13.2.2, conditions before ranges.
    fn choose(&self) -> Composed {
        let received = self.admitted.received();
        let (method, fields) = (received.head.method(), received.fields());
        let object = &*self.object;
        match preconditions(method, fields, object.meta()) {
            Precondition::NotModified => return bodiless(object.not_modified()),
            Precondition::Failed => {
                return Composed {
                    head: ResponseHead::new(412),
                    framing: ResponseFraming::Length(0),
                    pieces: Vec::new(),
                };
            }
            Precondition::Proceed => {}
        }
        match range_plan(method, fields, object.meta(), object.length()) {
            RangePlan::Whole => Composed {
                head: ResponseHead {
                    status: object.meta().status,
                    fields: object.fields().clone(),
                },
                framing: whole_framing(object),
                pieces: object.body().pieces().to_vec(),
            },
            RangePlan::Single(range) => {
                let mut pieces = Vec::new();
                object.body().slice(range, &mut pieces);
                let framing = ResponseFraming::Length(range.len());
                Composed { head: object.partial(range), framing, pieces }
            }
            RangePlan::Multi(ranges) => {
                let (head, pieces) = object.multipart(&ranges);
                let length = pieces.iter().map(|piece| piece.len() as u64).sum();
                Composed { head, framing: ResponseFraming::Length(length), pieces }
            }
            RangePlan::Unsatisfiable => Composed {
                head: object.unsatisfiable(),
                framing: ResponseFraming::Length(0),
                pieces: Vec::new(),
            },
        }
    }

    fn ask_plugins(&mut self, composed: &mut Composed) {
        let found = self.admitted.found();
        let around = self.admitted.received().around(Some(found));
        let Some(plugins) = &mut self.admitted.plugins else { return };
        let received = &mut self.admitted.permitted.verified.routed.received;
        if !received.cx.running.chain(found.route).wants(Phases::RESPONSE_HEADERS) {
            return;
        }
        let end_of_stream = composed.pieces.is_empty();
        let mut view =
            View::of_response(received.head, &mut received.edits, &mut composed.head, around);
        if let Verdict::Answer(response) = plugins.on_response_headers(&mut view, end_of_stream) {
            let local = admit::local(response);
            composed.framing = ResponseFraming::Length(local.body.len() as u64);
            composed.head = local.head;
            composed.pieces = vec![local.body];
        }
    }

    fn status(&self) -> CacheStatus {
        let ttl_s = Some(self.evaluation.fresh_for_ms.div_euclid(1000));
        CacheStatus { hit: true, ttl_s, ..CacheStatus::default() }
    }
}

/// Whether the answer may be something else than the whole stored response.
fn is_conditional(head: &Head<'_>) -> bool {
    CONDITIONS.iter().any(|name| head.field(*name).is_some())
}

fn bodiless(head: ResponseHead) -> Composed {
    Composed { head, framing: ResponseFraming::Empty { declared: None }, pieces: Vec::new() }
}

fn whole_framing(object: &Object) -> ResponseFraming {
    match object.meta().status {
        204 => ResponseFraming::Empty { declared: None },
        _ => ResponseFraming::Length(object.length()),
    }
}
