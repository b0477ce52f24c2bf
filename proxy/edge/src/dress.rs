//! What the edge adds to a response on its way to the client: the plugins' response phase, the
//! route's header policy, `Cache-Status`.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_http::{FieldList, Refusal, ResponseHead, StoredHead};
use tidegate_route::Match;
use tidegate_upstream::{Downstream, DownstreamGone, ResponseFraming};
use tidegate_wasm::{Phases, RequestContext, Verdict};

use crate::{
    admit,
    identity::Identity,
    lane::Lane,
    running::Running,
    view::{Edits, Surroundings, View},
};

/// What is needed to dress a response, without a borrow of the request.
pub(crate) struct Dress {
    pub(crate) running: Arc<Running>,
    pub(crate) found: Match,
    pub(crate) identity: Identity,
    pub(crate) unix_us: u64,
    /// The request head, to show it to plugins again.
    pub(crate) request: StoredHead,
    pub(crate) edits: Option<Box<Edits>>,
    pub(crate) plugins: Option<RequestContext>,
    /// The value of `Cache-Status`.
    pub(crate) cache_status: Vec<u8>,
}

/// A lane whose responses are dressed.
pub(crate) struct Dressed<L> {
    pub(crate) lane: L,
    pub(crate) dress: Dress,
    /// A plugin replaced the response: what still comes from upstream is dropped.
    replaced: bool,
    pub(crate) status: u16,
    /// The upstream's head, kept where it says what a request invalidates.
    pub(crate) upstream_head: Option<ResponseHead>,
    keep_head: bool,
}

// === impl Dress ===

impl Dress {
    /// Edits a response head; gives the body that a plugin put in place of the response's own.
    pub(crate) fn apply(&mut self, head: &mut ResponseHead, end_of_stream: bool) -> Option<Bytes> {
        head.fields.set("Cache-Status", &self.cache_status);
        if let Some(policy) = &self.running.snapshot.route(self.found.route).headers {
            policy.response.apply(&mut head.fields);
        }
        self.ask_plugins(head, end_of_stream)
    }

    /// The plugins' last words.
    pub(crate) fn finish(mut self) {
        let Some(plugins) = self.plugins.take() else { return };
        if let Ok(request) = self.request.read() {
            let mut edits = self.edits.take();
            plugins.finish(&mut View::of_request(&request, &mut edits, self.around()));
        }
    }

    fn around(&self) -> Surroundings<'_> {
        let (site, route) = self.running.names(Some(self.found));
        Surroundings {
            client: self.identity.client,
            site,
            route,
            time_ns: (self.unix_us * 1000) as i64,
        }
    }

    fn ask_plugins(&mut self, head: &mut ResponseHead, end_of_stream: bool) -> Option<Bytes> {
        if !self.running.chain(self.found.route).wants(Phases::RESPONSE_HEADERS) {
            return None;
        }
        let mut plugins = self.plugins.take()?;
        let mut edits = self.edits.take();
        let request = self.request.read().ok()?;
        let mut view = View::of_response(&request, &mut edits, head, self.around());
        let verdict = plugins.on_response_headers(&mut view, end_of_stream);
        self.edits = edits;
        self.plugins = Some(plugins);
        match verdict {
            Verdict::Answer(response) => {
                let local = admit::local(response);
                *head = local.head;
                Some(local.body)
            }
            Verdict::Continue | Verdict::Pause => None,
        }
    }
}

// === impl Dressed ===

impl<L: Lane> Dressed<L> {
    pub(crate) fn new(lane: L, dress: Dress, keep_head: bool) -> Self {
        Self { lane, dress, replaced: false, status: 0, upstream_head: None, keep_head }
    }
}

impl<L: Lane> Downstream for Dressed<L> {
    async fn read_body(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        self.lane.read_body().await
    }

    fn body_done(&self) -> bool {
        self.lane.body_done()
    }

    async fn idle(&mut self) -> DownstreamGone {
        self.lane.idle().await
    }

    async fn write_informational(&mut self, head: &ResponseHead) -> Result<(), DownstreamGone> {
        self.lane.write_informational(head).await
    }

    async fn write_head(
        &mut self,
        mut head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.upstream_head = self.keep_head.then(|| head.clone());
        let end_of_stream =
            matches!(framing, ResponseFraming::Empty { .. } | ResponseFraming::Length(0));
        let body = self.dress.apply(&mut head, end_of_stream);
        self.status = head.status;
        match body {
            None => self.lane.write_head(head, framing).await,
            Some(body) => {
                self.replaced = true;
                self.lane.answer(head, body).await
            }
        }
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        if self.replaced { Ok(()) } else { self.lane.write_body(data).await }
    }

    async fn flush(&mut self) -> Result<(), DownstreamGone> {
        self.lane.flush().await
    }

    async fn finish(&mut self, trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        if self.replaced { Ok(()) } else { self.lane.finish(trailers).await }
    }

    async fn write_upgrade(&mut self, head: ResponseHead) -> Result<(), DownstreamGone> {
        self.status = head.status;
        self.lane.write_upgrade(head).await
    }
}

impl<L: Lane> Lane for Dressed<L> {
    fn head_sent(&self) -> bool {
        self.lane.head_sent()
    }

    fn body_refusal(&self) -> Option<Refusal> {
        self.lane.body_refusal()
    }

    fn sent_bytes(&self) -> u64 {
        self.lane.sent_bytes()
    }

    fn received_bytes(&self) -> u64 {
        self.lane.received_bytes()
    }
}
