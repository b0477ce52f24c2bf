//! The plugins of a route, in order, over one request.
//!
//! # Life of a request
//!
//! Each plugin has a [`Link`]: fresh, then open (a context in one instance), then gone. Requests pass
//! the links first to last, responses last to first. A direction is at one point at a time: either
//! it moves, or the link at that point has paused it. A pause ends by the plugin's word (in a later
//! callback of the body, in the answer to a call, or from a timer), by a local response, or by the
//! failure policy when `pause_ms_max` is over.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use crate::{
    Buffer, Exchange, Phases, Plugin, Verdict,
    abi::apply,
    instance::Moment,
    mailbox::Event,
    stream::{Desk, Link, Step},
};

/// What the SDK puts in front of the names of labels.
const LABEL_PREFIX: &str = "label.";

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

    /// The plugins, in order.
    #[must_use]
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// Whether a plugin takes part in a phase; when none wants a body, the edge need not show it.
    #[must_use]
    pub fn wants(&self, phases: Phases) -> bool {
        self.plugins.iter().any(|plugin| plugin.phases().has(phases))
    }

    /// Bytes of a body that may be held back for these plugins: the most that one of them may hold.
    #[must_use]
    pub fn body_bytes_max(&self) -> usize {
        let bodies = Phases::REQUEST_BODY.with(Phases::RESPONSE_BODY);
        let plugins = self.plugins.iter().filter(|plugin| plugin.phases().has(bodies));
        plugins.map(|plugin| plugin.config().limits.body_bytes_max).max().unwrap_or_default()
    }

    /// Opens a request. Costs nothing until the first callback.
    #[must_use]
    pub fn begin(&self) -> RequestContext {
        RequestContext {
            links: self.plugins.iter().map(|_| Link::default()).collect(),
            chain: self.clone(),
            desk: Desk::default(),
            request: Progress::default(),
            response: Progress::default(),
            paused: None,
            label_text: None,
        }
    }
}

/// One of the two ways through the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

/// How far a direction has come.
#[derive(Debug, Default)]
struct Progress {
    /// Links that were shown the head.
    shown: usize,
    /// Links that let the head pass.
    passed: usize,
    /// Nothing more will arrive.
    ended: bool,
}

/// A link that holds a direction.
#[derive(Clone, Copy, Debug)]
struct Pause {
    direction: Direction,
    /// Position of the link in this direction.
    step: usize,
    /// In which callback.
    moment: Moment,
    since: Instant,
}

/// One request on its way through a chain.
///
/// The edge calls the phases in order and [`RequestContext::finish`] at the end. Dropping the
/// context without it (the client went away) ends the plugins' contexts too.
#[derive(Debug)]
pub struct RequestContext {
    chain: Chain,
    links: SmallVec<[Link; 4]>,
    desk: Desk,
    request: Progress,
    response: Progress,
    paused: Option<Pause>,
    label_text: Option<Arc<OnceLock<String>>>,
}

impl RequestContext {
    /// The request's fields have arrived; `end_of_stream` when no body follows.
    pub fn on_request_headers(
        &mut self,
        exchange: &mut dyn Exchange,
        end_of_stream: bool,
    ) -> Verdict {
        self.request.ended = end_of_stream;
        self.heads(exchange, Direction::Request, end_of_stream)
    }

    /// A part of the request body is in [`Buffer::RequestBody`]. After `Pause` the edge keeps it and
    /// calls again with more behind it; after `Continue` it forwards the buffer and empties it.
    pub fn on_request_body(&mut self, exchange: &mut dyn Exchange, end_of_stream: bool) -> Verdict {
        self.request.ended = end_of_stream;
        self.bodies(exchange, Direction::Request, 0)
    }

    /// The request's trailers have arrived.
    pub fn on_request_trailers(&mut self, exchange: &mut dyn Exchange) -> Verdict {
        self.request.ended = true;
        self.trailers(exchange, Direction::Request, 0)
    }

    /// The response's fields are known, also those of a cached or local answer.
    pub fn on_response_headers(
        &mut self,
        exchange: &mut dyn Exchange,
        end_of_stream: bool,
    ) -> Verdict {
        self.response.ended = end_of_stream;
        self.paused = None;
        self.heads(exchange, Direction::Response, end_of_stream)
    }

    /// A part of the response body, as with [`Self::on_request_body`].
    pub fn on_response_body(
        &mut self,
        exchange: &mut dyn Exchange,
        end_of_stream: bool,
    ) -> Verdict {
        self.response.ended = end_of_stream;
        self.bodies(exchange, Direction::Response, 0)
    }

    /// The response's trailers have arrived.
    pub fn on_response_trailers(&mut self, exchange: &mut dyn Exchange) -> Verdict {
        self.response.ended = true;
        self.trailers(exchange, Direction::Response, 0)
    }

    /// After `Pause`: waits for what the plugin waits for (an HTTP call's answer, a timer) and goes on.
    ///
    /// `Pause` again means that nothing is under way and the plugin wants more of the body: read
    /// more and call the body's callback. When no more can come, the plugin's `pause_ms_max` ends the
    /// wait with its failure policy.
    pub async fn resume(&mut self, exchange: &mut dyn Exchange) -> Verdict {
        while let Some(pause) = self.paused {
            if let Some(event) = self.desk.mailbox.as_ref().and_then(|mailbox| mailbox.take()) {
                if let Some(verdict) = self.handle(exchange, event)
                    && verdict != Verdict::Pause
                {
                    return verdict;
                }
                continue;
            }
            if !self.is_expecting() && self.wants_more(pause) {
                return Verdict::Pause;
            }
            if !self.wait(pause).await {
                return self.release_late(exchange, pause);
            }
        }
        Verdict::Continue
    }

    /// The names and values that plugins attached to the request (`set_property`).
    pub fn labels(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.desk.labels.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The labels as one text for logs, `name=value,name=value`; without the `label.` in front of names.
    #[must_use]
    pub fn label_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.labels() {
            let between = if text.is_empty() { "" } else { "," };
            let name = name.strip_prefix(LABEL_PREFIX).unwrap_or(name);
            text = text + between + name + "=" + &String::from_utf8_lossy(value);
        }
        text
    }

    /// Where the labels go once the request is over, however it ends.
    pub fn tell_labels(&mut self, to: Arc<OnceLock<String>>) {
        self.label_text = Some(to);
    }

    /// The request is over: log, done and delete callbacks. The exchange shows the final response.
    pub fn finish(mut self, exchange: &mut dyn Exchange) {
        self.close(Some(exchange));
    }

    fn close(&mut self, mut exchange: Option<&mut dyn Exchange>) {
        if let Some(mailbox) = &self.desk.mailbox {
            mailbox.close();
        }
        for (at, (link, plugin)) in self.links.iter_mut().zip(self.chain.plugins.iter()).enumerate()
        {
            if link.is_open() {
                let exchange =
                    exchange.as_mut().map(|exchange| &mut **exchange as &mut dyn Exchange);
                link.close(plugin, at, exchange, &mut self.desk);
            }
        }
        if let Some(to) = self.label_text.take() {
            let _ = to.set(self.label_text());
        }
    }

    fn progress(&mut self, direction: Direction) -> &mut Progress {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    /// The link at a position of a direction.
    fn index(&self, direction: Direction, step: usize) -> usize {
        match direction {
            Direction::Request => step,
            Direction::Response => self.links.len() - 1 - step,
        }
    }

    /// Runs one callback of one link.
    fn run(
        &mut self,
        exchange: &mut dyn Exchange,
        direction: Direction,
        step: usize,
        moment: Moment,
    ) -> Step {
        let at = self.index(direction, step);
        let link = &mut self.links[at];
        match direction {
            Direction::Request => link.reached = true,
            // Plugins behind the one that answered never saw the request.
            Direction::Response if !link.reached => return Step::Continue,
            Direction::Response => {}
        }
        let result = link.step(&self.chain.plugins[at], at, exchange, &mut self.desk, moment);
        if matches!(result, Step::Pause) {
            let same =
                self.paused.filter(|pause| pause.direction == direction && pause.step == step);
            let since = same.map_or_else(Instant::now, |pause| pause.since);
            self.paused = Some(Pause { direction, step, moment, since });
        }
        result
    }

    /// Shows the head to all links that have not seen it.
    fn heads(
        &mut self,
        exchange: &mut dyn Exchange,
        direction: Direction,
        end_of_stream: bool,
    ) -> Verdict {
        let moment = match direction {
            Direction::Request => Moment::RequestHeaders { end_of_stream },
            Direction::Response => Moment::ResponseHeaders { end_of_stream },
        };
        for step in self.progress(direction).passed..self.links.len() {
            self.progress(direction).shown = step + 1;
            match self.run(exchange, direction, step, moment) {
                Step::Continue => self.progress(direction).passed = step + 1,
                Step::Pause => return Verdict::Pause,
                Step::Answer(response) => return Verdict::Answer(*response),
            }
        }
        self.paused = None;
        Verdict::Continue
    }

    /// Shows what is held of a body to the links from `from` on.
    fn bodies(
        &mut self,
        exchange: &mut dyn Exchange,
        direction: Direction,
        from: usize,
    ) -> Verdict {
        let end_of_stream = self.progress(direction).ended;
        let (buffer, head, body) = match direction {
            Direction::Request => (
                Buffer::RequestBody,
                Moment::RequestHeaders { end_of_stream: false },
                Moment::RequestBody { end_of_stream },
            ),
            Direction::Response => (
                Buffer::ResponseBody,
                Moment::ResponseHeaders { end_of_stream: false },
                Moment::ResponseBody { end_of_stream },
            ),
        };
        for step in from..self.links.len() {
            // Who holds the head and never looks at bodies is not passed by one.
            if self.paused.is_some_and(|pause| {
                pause.direction == direction && pause.step == step && !self.wants_body(pause)
            }) {
                return Verdict::Pause;
            }
            if step >= self.progress(direction).shown {
                self.progress(direction).shown = step + 1;
                if let Step::Answer(response) = self.run(exchange, direction, step, head) {
                    return Verdict::Answer(*response);
                }
            }
            let before = exchange.buffer(buffer).len();
            let result = self.run(exchange, direction, step, body);
            self.shift(direction, step, before, exchange.buffer(buffer).len());
            match result {
                Step::Continue => self.let_pass(direction, step, exchange.buffer(buffer).len()),
                Step::Pause => return Verdict::Pause,
                Step::Answer(response) => return Verdict::Answer(*response),
            }
        }
        self.links.iter_mut().for_each(|link| link.passed = 0);
        self.paused = None;
        Verdict::Continue
    }

    /// What links before this one let pass has moved by an edit of this one.
    fn shift(&mut self, direction: Direction, step: usize, before: usize, after: usize) {
        for earlier in 0..step {
            let at = self.index(direction, earlier);
            let link = &mut self.links[at];
            link.passed = (link.passed + after).saturating_sub(before);
        }
    }

    fn let_pass(&mut self, direction: Direction, step: usize, bytes: usize) {
        let at = self.index(direction, step);
        self.links[at].passed = bytes;
        let progress = self.progress(direction);
        progress.passed = progress.passed.max(step + 1);
    }

    fn trailers(
        &mut self,
        exchange: &mut dyn Exchange,
        direction: Direction,
        from: usize,
    ) -> Verdict {
        let moment = match direction {
            Direction::Request => Moment::RequestTrailers,
            Direction::Response => Moment::ResponseTrailers,
        };
        for step in from..self.links.len() {
            match self.run(exchange, direction, step, moment) {
                Step::Continue => {}
                Step::Pause => return Verdict::Pause,
                Step::Answer(response) => return Verdict::Answer(*response),
            }
        }
        self.paused = None;
        Verdict::Continue
    }

    /// Takes an event to its link; a verdict when the paused direction moves or is answered.
    fn handle(&mut self, exchange: &mut dyn Exchange, event: Event) -> Option<Verdict> {
        match event {
            Event::Answered { link: at, call, answer } => {
                let (link, plugin) = (&mut self.links[at], &self.chain.plugins[at]);
                let (step, resumed) =
                    link.answer(plugin, at, exchange, &mut self.desk, call, answer);
                match step {
                    Step::Answer(response) => Some(Verdict::Answer(*response)),
                    Step::Continue | Step::Pause if resumed => self.release(exchange, at),
                    Step::Continue | Step::Pause => None,
                }
            }
            Event::Grpc { link: at, call, event } => {
                let (link, plugin) = (&mut self.links[at], &self.chain.plugins[at]);
                let (step, resumed) = link.grpc(plugin, at, exchange, &mut self.desk, call, event);
                match step {
                    Step::Answer(response) => Some(Verdict::Answer(*response)),
                    Step::Continue | Step::Pause if resumed => self.release(exchange, at),
                    Step::Continue | Step::Pause => None,
                }
            }
            Event::Elapsed { link, response: Some(response), .. } if self.holds(link) => {
                Some(Verdict::Answer(*response))
            }
            Event::Elapsed { link, .. } => self.release(exchange, link),
            Event::Resumed { link } => self.release(exchange, link),
            Event::Local { link, response } if self.holds(link) => Some(Verdict::Answer(*response)),
            Event::Local { .. } => None,
            Event::Edit { map, edit } => {
                apply(exchange, map, edit);
                None
            }
        }
    }

    /// Whether this link is the one that holds the request.
    fn holds(&self, link: usize) -> bool {
        self.paused.is_some_and(|pause| self.index(pause.direction, pause.step) == link)
    }

    /// Lets the direction that `link` holds go on to the next links.
    fn release(&mut self, exchange: &mut dyn Exchange, link: usize) -> Option<Verdict> {
        let pause = self.paused.filter(|_| self.holds(link))?;
        self.paused = None;
        let Pause { direction, step, moment, .. } = pause;
        Some(match moment {
            Moment::RequestHeaders { end_of_stream }
            | Moment::ResponseHeaders { end_of_stream } => {
                let progress = self.progress(direction);
                progress.passed = progress.passed.max(step + 1);
                self.heads(exchange, direction, end_of_stream)
            }
            Moment::RequestBody { .. } => {
                self.let_pass(direction, step, exchange.buffer(Buffer::RequestBody).len());
                self.bodies(exchange, direction, step + 1)
            }
            Moment::ResponseBody { .. } => {
                self.let_pass(direction, step, exchange.buffer(Buffer::ResponseBody).len());
                self.bodies(exchange, direction, step + 1)
            }
            Moment::RequestTrailers | Moment::ResponseTrailers => {
                self.trailers(exchange, direction, step + 1)
            }
        })
    }

    /// Whether more of the body could end the pause.
    fn wants_more(&mut self, pause: Pause) -> bool {
        !self.progress(pause.direction).ended && self.wants_body(pause)
    }

    /// Whether the plugin that pauses takes part in the body phase of that direction.
    fn wants_body(&self, pause: Pause) -> bool {
        let at = self.index(pause.direction, pause.step);
        let body = match pause.direction {
            Direction::Request => Phases::REQUEST_BODY,
            Direction::Response => Phases::RESPONSE_BODY,
        };
        self.chain.plugins[at].phases().has(body)
    }

    /// Whether something is under way that could end the pause.
    fn is_expecting(&mut self) -> bool {
        let Some(pause) = self.paused else { return false };
        if self.desk.mailbox.as_ref().is_some_and(|mailbox| mailbox.is_expecting()) {
            return true;
        }
        let at = self.index(pause.direction, pause.step);
        self.links[at].has_tick(&self.chain.plugins[at])
    }

    /// Waits for an event; `false` when the pause has lasted too long.
    async fn wait(&mut self, pause: Pause) -> bool {
        let at = self.index(pause.direction, pause.step);
        let most = Duration::from_millis(self.chain.plugins[at].pause_ms_max());
        let left = most.saturating_sub(pause.since.elapsed());
        let mailbox = self.desk.mailbox.get_or_insert_with(Arc::default).clone();
        tokio::time::timeout(left, mailbox.wait()).await.is_ok()
    }

    /// The failure policy for a pause that has lasted too long.
    fn release_late(&mut self, exchange: &mut dyn Exchange, pause: Pause) -> Verdict {
        let at = self.index(pause.direction, pause.step);
        let plugin = self.chain.plugins[at].clone();
        plugin.record().tallies.add_unpaused();
        match plugin.give_up() {
            Step::Answer(response) => Verdict::Answer(*response),
            Step::Continue | Step::Pause => self.release(exchange, at).unwrap_or(Verdict::Continue),
        }
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        self.close(None);
    }
}
