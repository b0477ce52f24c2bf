//! The plugins of a route, in order, over one request.

use std::sync::Arc;

use crate::{Exchange, Phases, Plugin, Verdict};

/// Plugins in the order in which they see a request; responses go the other way.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    plugins: Arc<[Arc<Plugin>]>,
}

impl Chain {
    /// A chain of loaded plugins.
    #[must_use]
    pub fn new(plugins: Vec<Arc<Plugin>>) -> Self {
        Self { plugins: plugins.into() }
    }

    /// Whether there is nothing to run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plugins.is_empty()
    }

    /// Whether a plugin takes part in a phase; when none wants a body, the edge need not show it.
    #[must_use]
    pub fn wants(&self, phases: Phases) -> bool {
        self.plugins.iter().any(|plugin| plugin.phases().has(phases))
    }

    /// Opens a request. Costs nothing until the first callback.
    #[must_use]
    pub fn begin(&self) -> RequestContext {
        RequestContext { chain: self.clone() }
    }
}

/// One request on its way through a chain.
///
/// The edge calls the phases in order and [`RequestContext::finish`] at the end. Dropping the
/// context without it (the client went away) ends the plugins' contexts too.
#[derive(Debug)]
pub struct RequestContext {
    chain: Chain,
}

impl RequestContext {
    /// The request's fields have arrived; `end_of_stream` when no body follows.
    pub fn on_request_headers(
        &mut self,
        _exchange: &mut dyn Exchange,
        _end_of_stream: bool,
    ) -> Verdict {
        Verdict::Continue
    }

    /// A part of the request body is in [`crate::Buffer::RequestBody`]. After `Pause` the edge keeps it
    /// and calls again with more behind it; after `Continue` it forwards the buffer and empties it.
    pub fn on_request_body(
        &mut self,
        _exchange: &mut dyn Exchange,
        _end_of_stream: bool,
    ) -> Verdict {
        Verdict::Continue
    }

    /// The request's trailers have arrived.
    pub fn on_request_trailers(&mut self, _exchange: &mut dyn Exchange) -> Verdict {
        Verdict::Continue
    }

    /// The response's fields are known, also those of a cached or local answer.
    pub fn on_response_headers(
        &mut self,
        _exchange: &mut dyn Exchange,
        _end_of_stream: bool,
    ) -> Verdict {
        Verdict::Continue
    }

    /// A part of the response body, as with [`Self::on_request_body`].
    pub fn on_response_body(
        &mut self,
        _exchange: &mut dyn Exchange,
        _end_of_stream: bool,
    ) -> Verdict {
        Verdict::Continue
    }

    /// The response's trailers have arrived.
    pub fn on_response_trailers(&mut self, _exchange: &mut dyn Exchange) -> Verdict {
        Verdict::Continue
    }

    /// After `Pause`: waits for what the plugin waits for (an HTTP call's answer, a timer) and goes on.
    ///
    /// `Pause` again means that nothing is under way and the plugin wants more of the body: read
    /// more and call the body's callback. When no more can come, the plugin's `pause_ms_max` ends the
    /// wait with its failure policy.
    pub async fn resume(&mut self, _exchange: &mut dyn Exchange) -> Verdict {
        Verdict::Continue
    }

    /// The names and values that plugins attached to the request (`set_property`).
    pub fn labels(&self) -> impl Iterator<Item = (&str, &[u8])> {
        std::iter::empty()
    }

    /// The request is over: log, done and delete callbacks. The exchange shows the final response.
    pub fn finish(self, _exchange: &mut dyn Exchange) {
        drop(self.chain);
    }
}
