//! What the edge adds to a response on its way to the client: the plugins' response phase, the
//! route's header policy, `Cache-Status`.

use std::sync::Arc;

use tidegate_http::{FieldList, Known, ResponseHead, StoredHead};
use tidegate_route::Match;
use tidegate_wasm::{Buffer, Chain, Map, Phases, RequestContext, Verdict};

use crate::{
    facts::ConnectionFacts,
    identity::Identity,
    limit::Charged,
    running::Running,
    variables::Variables,
    view::{Edits, ReadBody, Surroundings, View},
};

/// What is needed to dress a response, without a borrow of the request.
pub(crate) struct Dress {
    pub(crate) running: Arc<Running>,
    pub(crate) found: Match,
    pub(crate) identity: Identity,
    pub(crate) facts: Arc<ConnectionFacts>,
    /// The node's name.
    pub(crate) node: Arc<str>,
    pub(crate) unix_us: u64,
    /// The request head, to show it to plugins again.
    pub(crate) request: StoredHead,
    pub(crate) edits: Option<Box<Edits>>,
    pub(crate) plugins: Option<RequestContext>,
    /// What the request holds and owes under limits.
    pub(crate) charged: Option<Arc<Charged>>,
    /// The value of `Cache-Status`.
    pub(crate) cache_status: Vec<u8>,
}

/// What plugins are asked about.
pub(crate) enum Moment<'m> {
    /// The response head; whether nothing follows it.
    Head { end_of_stream: bool },
    /// What is held of the response body; whether it is the end of it.
    Body { held: &'m mut Vec<u8>, end_of_stream: bool },
    /// The response's trailers, with what is held of the body.
    Trailers(&'m mut FieldList, &'m mut Vec<u8>),
    /// They hold the head: what they wait for.
    Held,
}

// === impl Dress ===

impl Dress {
    /// What the node and the route say about a response head.
    pub(crate) fn apply(&self, head: &mut ResponseHead) {
        head.fields.set("Cache-Status", &self.cache_status);
        let policy = &self.running.snapshot.route(self.found.route).headers;
        if let Some(policy) = policy.as_ref().filter(|policy| policy.touches_responses())
            && let Ok(request) = self.request.read()
        {
            let Self { identity, running, found, node, .. } = self;
            let variables = Variables::again(&request, *identity, running, *found, node);
            policy.dress(&mut head.fields, request.field(Known::Origin), &variables);
        }
        if let Some(charged) = &self.charged {
            charged.see_head(&self.running, head.status, &mut head.fields);
        }
    }

    /// Whether plugins take part in a phase of this request.
    pub(crate) fn wants(&self, phases: Phases) -> bool {
        self.plugins.is_some() && self.chain().wants(phases)
    }

    pub(crate) fn chain(&self) -> &Chain {
        self.running.chain(self.found.route)
    }

    /// What plugins have let pass of the request body.
    pub(crate) fn read_body(&mut self) -> Option<&mut ReadBody> {
        self.edits.as_deref_mut()?.body.as_mut()
    }

    /// Asks the plugins about the response, and waits for what they wait for. `Pause` means that they
    /// want to see more of the body.
    pub(crate) async fn ask(&mut self, response: &mut ResponseHead, moment: Moment<'_>) -> Verdict {
        let Self { running, found, identity, facts, unix_us, request, edits, plugins, .. } = self;
        let Some(plugins) = plugins else { return Verdict::Continue };
        let Ok(request) = request.read() else { return Verdict::Continue };
        let around = surroundings(running, *found, (identity, facts), *unix_us);
        let view = View::of_response(&request, edits, response, around);
        match moment {
            Moment::Head { end_of_stream } => {
                let mut view = view;
                let verdict = plugins.on_response_headers(&mut view, end_of_stream);
                settled(plugins, &mut view, verdict).await
            }
            Moment::Held => plugins.resume(&mut { view }).await,
            Moment::Body { held, end_of_stream } => {
                let mut view = view.with_body(Buffer::ResponseBody, held);
                let verdict = plugins.on_response_body(&mut view, end_of_stream);
                settled(plugins, &mut view, verdict).await
            }
            Moment::Trailers(trailers, held) => {
                let view = view.with_body(Buffer::ResponseBody, held);
                let mut view = view.with_trailers(Map::ResponseTrailers, trailers);
                let verdict = plugins.on_response_trailers(&mut view);
                settled(plugins, &mut view, verdict).await
            }
        }
    }

    /// Asks the plugins about a part of the request body that follows what they have let pass.
    pub(crate) async fn ask_request(&mut self, held: &mut Vec<u8>, end_of_stream: bool) -> Verdict {
        let Self { running, found, identity, facts, unix_us, request, edits, plugins, .. } = self;
        let Some(plugins) = plugins else { return Verdict::Continue };
        let Ok(request) = request.read() else { return Verdict::Continue };
        let around = surroundings(running, *found, (identity, facts), *unix_us);
        let view = View::of_request(&request, edits, around);
        let mut view = view.with_body(Buffer::RequestBody, held);
        let verdict = plugins.on_request_body(&mut view, end_of_stream);
        settled(plugins, &mut view, verdict).await
    }

    /// Asks the plugins about the request's trailers.
    pub(crate) async fn ask_late(&mut self, trailers: &mut FieldList) -> Verdict {
        let Self { running, found, identity, facts, unix_us, request, edits, plugins, .. } = self;
        let Some(plugins) = plugins else { return Verdict::Continue };
        let Ok(request) = request.read() else { return Verdict::Continue };
        let around = surroundings(running, *found, (identity, facts), *unix_us);
        let view = View::of_request(&request, edits, around);
        let mut view = view.with_trailers(Map::RequestTrailers, trailers);
        let verdict = plugins.on_request_trailers(&mut view);
        settled(plugins, &mut view, verdict).await
    }

    /// The plugins' last words, about the response that was sent.
    pub(crate) fn finish(mut self, response: Option<ResponseHead>) {
        let Some(plugins) = self.plugins.take() else { return };
        let Ok(request) = self.request.read() else { return };
        let around =
            surroundings(&self.running, self.found, (&self.identity, &self.facts), self.unix_us);
        match response {
            Some(mut response) => plugins.finish(&mut View::of_response(
                &request,
                &mut self.edits,
                &mut response,
                around,
            )),
            None => plugins.finish(&mut View::of_request(&request, &mut self.edits, around)),
        }
    }
}

fn surroundings<'s>(
    running: &'s Running,
    found: Match,
    (identity, facts): (&Identity, &'s ConnectionFacts),
    unix_us: u64,
) -> Surroundings<'s> {
    let (site, route) = running.names(Some(found));
    let time_ns = (unix_us * 1000) as i64;
    Surroundings { client: identity.client, facts, places: &running.places, site, route, time_ns }
}

/// Waits for what a plugin that pauses has under way.
async fn settled(plugins: &mut RequestContext, view: &mut View<'_>, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Pause => plugins.resume(view).await,
        verdict => verdict,
    }
}
