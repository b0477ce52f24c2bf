//! An answer out of the cache.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;
use tidegate_cache::{CacheStatus, Evaluation, Precondition, RangePlan, preconditions, range_plan};
use tidegate_http::{ContentCoding, Fields, Known, Method, ResponseHead};
use tidegate_http2::Encoder;
use tidegate_store::Object;
use tidegate_telemetry::Phase;
use tidegate_upstream::ResponseFraming;
use tidegate_wasm::{Phases, RequestContext, Verdict};

use crate::{
    admit, compress,
    lookup::Fetch,
    node::CACHE_NAME,
    request::{Admitted, Detached, Received, Work},
    variables::Variables,
    view::View,
};

/// A stored response that answers a request.
pub(crate) struct Hit<'r> {
    pub(crate) admitted: Admitted<'r>,
    /// In the form that this client gets.
    pub(crate) object: Arc<Object>,
    /// As it is stored.
    pub(crate) stored: Arc<Object>,
    /// The content coding that the client wants and that has not been made yet.
    pub(crate) lacks: Option<ContentCoding>,
    pub(crate) evaluation: Evaluation,
}

/// A response made from it: conditions and ranges heeded, fields edited.
pub(crate) struct Composed {
    pub(crate) head: ResponseHead,
    pub(crate) framing: ResponseFraming,
    pub(crate) pieces: Vec<Bytes>,
}

impl Composed {
    /// The answer to HEAD: as to GET, without content (RFC 9110 section 9.3.2).
    fn without_body(&mut self) {
        if let ResponseFraming::Length(length) = self.framing {
            self.framing = ResponseFraming::Empty { declared: Some(length) };
        }
        self.pieces.clear();
    }
}

/// Whether an answer can be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dressing {
    Done,
    /// A plugin holds it.
    Paused,
}

/// Fields that make the answer something else than the whole stored response.
const CONDITIONS: [Known; 5] = [
    Known::Range,
    Known::IfNoneMatch,
    Known::IfModifiedSince,
    Known::IfMatch,
    Known::IfUnmodifiedSince,
];

impl<'r> Hit<'r> {
    pub(crate) fn new(admitted: Admitted<'r>, stored: Arc<Object>, evaluation: Evaluation) -> Self {
        let (object, lacks) = compress::choose(&admitted, &stored);
        Self { admitted, object, stored, lacks, evaluation }
    }

    /// Whether the prepared head can go out as it is.
    pub(crate) fn is_plain(&self) -> bool {
        let received = self.admitted.received();
        !is_conditional(received)
            && self
                .admitted
                .route()
                .headers
                .as_ref()
                .is_none_or(|policy| !policy.touches_responses())
            && received.charged.as_ref().is_none_or(|charged| !charged.wants_head())
            && !(self.admitted.plugins.is_some()
                && self.chain().wants(Phases::RESPONSE_HEADERS.with(Phases::RESPONSE_BODY)))
    }

    /// Whether plugins want to see its body, which they may hold.
    pub(crate) fn is_shown(&self) -> bool {
        self.admitted.plugins.is_some() && self.chain().wants(Phases::RESPONSE_BODY)
    }

    /// For the slow lane, which shows it to the plugins.
    pub(crate) fn detach(self) -> Detached {
        let key = Some(self.object.key());
        self.admitted.detach(Work::Fetch(key, Fetch::Serve(self.stored, self.evaluation)))
    }

    fn chain(&self) -> &'r tidegate_wasm::Chain {
        self.admitted.received().cx.running.chain(self.admitted.found().route)
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

    /// The general case, as far as plugins have no part in it.
    pub(crate) fn compose(&self) -> Composed {
        let mut composed = self.choose();
        composed.head.fields.remove("content-length");
        let age = (self.evaluation.age_ms / 1000).to_string();
        composed.head.fields.set("Age", age);
        if self.admitted.received().head.method() == Method::Head {
            composed.without_body();
        }
        composed
    }

    /// The rest, in the fast lane. A plugin that pauses takes the answer to the slow lane.
    pub(crate) fn dress(&mut self, composed: &mut Composed) -> Dressing {
        let mut status = Vec::with_capacity(48);
        self.status().write(CACHE_NAME, &mut status);
        composed.head.fields.set("Cache-Status", status);
        if let Some(policy) = &self.admitted.route().headers {
            let received = self.admitted.received();
            let origin = received.head.field(Known::Origin);
            let variables = Variables::of(received, self.admitted.found());
            policy.dress(&mut composed.head.fields, origin, &variables);
        }
        let received = self.admitted.received();
        if let Some(charged) = &received.charged {
            let status = composed.head.status;
            charged.see_head(received.cx.running, status, &mut composed.head.fields);
        }
        self.ask_plugins(composed)
    }

    /// What plugins attached to the request so far, for the log.
    pub(crate) fn label_text(&self) -> String {
        let plugins = self.admitted.plugins.as_ref();
        let wanted = plugins.filter(|_| self.admitted.received().cx.node.access_log.is_on());
        wanted.map(RequestContext::label_text).unwrap_or_default()
    }

    /// The plugins' last words about the request.
    pub(crate) fn finish(self) {
        let found = self.admitted.found();
        let around = self.admitted.received().around(Some(found));
        let logs = self.admitted.plugins.is_some() && self.chain().wants(Phases::LOG);
        let Admitted { permitted, plugins } = self.admitted;
        let mut received = permitted.verified.routed.received;
        match plugins {
            None => {}
            Some(plugins) if logs => {
                let (status, fields) = (self.object.meta().status, self.object.fields().clone());
                let mut head = ResponseHead { status, fields };
                let edits = &mut received.edits;
                plugins.finish(&mut View::of_response(received.head, edits, &mut head, around));
            }
            Some(plugins) => {
                plugins.finish(&mut View::of_request(received.head, &mut received.edits, around));
            }
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

    fn ask_plugins(&mut self, composed: &mut Composed) -> Dressing {
        let found = self.admitted.found();
        let around = self.admitted.received().around(Some(found));
        let chain = self.chain();
        let Some(plugins) = &mut self.admitted.plugins else { return Dressing::Done };
        let received = &mut self.admitted.permitted.verified.routed.received;
        if !chain.wants(Phases::RESPONSE_HEADERS) {
            return Dressing::Done;
        }
        let end_of_stream = composed.pieces.is_empty();
        let mut view =
            View::of_response(received.head, &mut received.edits, &mut composed.head, around);
        match plugins.on_response_headers(&mut view, end_of_stream) {
            Verdict::Continue => {}
            Verdict::Pause => return Dressing::Paused,
            Verdict::Answer(response) => {
                let local = admit::local(response);
                composed.framing = ResponseFraming::Length(local.body.len() as u64);
                composed.head = local.head;
                composed.pieces = vec![local.body];
            }
        }
        Dressing::Done
    }

    fn status(&self) -> CacheStatus {
        hit_status(&self.evaluation)
    }
}

/// What `Cache-Status` says of a stored response that answers.
pub(crate) fn hit_status(evaluation: &Evaluation) -> CacheStatus {
    let ttl_s = Some(evaluation.fresh_for_ms.div_euclid(1000));
    CacheStatus { hit: true, ttl_s, ..CacheStatus::default() }
}

/// Whether the answer may be something else than the whole stored response.
fn is_conditional(received: &Received<'_>) -> bool {
    CONDITIONS.iter().any(|name| match received.edits.as_deref() {
        Some(edits) => edits.fields.has(name.as_str()),
        None => received.head.field(*name).is_some(),
    })
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
