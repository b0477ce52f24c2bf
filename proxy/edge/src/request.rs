//! The request's way through the edge, step by step. Each step takes the state before it by value
//! and returns the next one, so that a wrong order does not compile; each stands in a file of its
//! own. A step that answers, or that has to wait, ends the walk with a [`Stop`].
//!
//! - `Received`: head and client, and the configuration this request will see to its end
//! - `Routed`: site, route and parameters
//! - `Verified`: signed URL or token checked, or not required; the token is off path and query
//! - `Permitted`: every limit that applies has been charged
//! - `Admitted`: the plugins' request phase let it pass
//! - `Keyed`: the route is one that asks an upstream; the cache key is known
//! - `Found`: what the cache knows
//! - `Answered`: bytes are on their way out
//! - `Detached`: facts without the borrowed head, for the slow lane
//!
//! The fast lane walks from `Received` to an answer within one turn of the connection ([`begin`]).
//! Whatever has to wait goes to the slow lane (`slow.rs`), which takes up the same walk where the
//! fast lane left it ([`resume`]).

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use tidegate_cache::{Key, Target};
use tidegate_http::{Fields, Head, Scheme};
use tidegate_route::Match;
use tidegate_sign::{Carrier, Grant};
use tidegate_snapshot::Route;
use tidegate_spec::NodeLimits;
use tidegate_telemetry::Phase;
use tidegate_wasm::RequestContext;

use crate::{
    action, admit, answer,
    answer::Answer,
    clock::Now,
    facts::ConnectionFacts,
    h2::Reply,
    hit::Composed,
    identity::{Identity, Trace},
    limit::{self, Charged, Watched},
    lookup,
    lookup::Found,
    media,
    node::{Batch, Node},
    out::Out,
    peer, redirect, route,
    running::Running,
    verify,
    view::{Edits, Surroundings},
};

/// What every step may look at.
#[derive(Clone, Copy)]
pub(crate) struct Context<'r> {
    pub(crate) node: &'r Node,
    /// Pinned: one request sees one configuration.
    pub(crate) running: &'r Arc<Running>,
    pub(crate) now: Now,
    pub(crate) facts: &'r Arc<ConnectionFacts>,
    /// Who asks, after what trusted proxies say.
    pub(crate) client: SocketAddr,
    pub(crate) scheme: Scheme,
    pub(crate) trace: Trace,
}

/// A request and what plugins changed about it.
pub(crate) struct Received<'r> {
    pub(crate) cx: Context<'r>,
    pub(crate) head: &'r Head<'r>,
    pub(crate) edits: Option<Box<Edits>>,
    /// What it holds and owes under limits, once it was charged.
    pub(crate) charged: Option<Arc<Charged>>,
    /// Labels that plugins attached, for the log; empty until they have had their last words.
    pub(crate) labels: Option<Arc<OnceLock<String>>>,
    /// Under which keys its client is watched.
    pub(crate) watched: Watched,
}

/// Site, route and parameters are known.
pub(crate) struct Routed<'r> {
    pub(crate) received: Received<'r>,
    pub(crate) found: Match,
}

/// The token was checked, or none is required.
pub(crate) struct Verified<'r> {
    pub(crate) routed: Routed<'r>,
    pub(crate) signature: Signature<'r>,
}

/// What is left of path and query without the token, and how the token came.
pub(crate) struct Signature<'r> {
    pub(crate) path: Cow<'r, str>,
    pub(crate) query: Option<Cow<'r, str>>,
    pub(crate) carrier: Option<Carrier>,
    /// What the token says, where limits or the answer may ask for it.
    pub(crate) grant: Option<Box<Grant>>,
    /// What a media request is for, on a route that delivers media.
    pub(crate) media: Option<Box<media::Facts>>,
}

/// Every limit that applies was charged; [`Received::charged`] has what is left of it.
pub(crate) struct Permitted<'r> {
    pub(crate) verified: Verified<'r>,
}

/// The plugins let it pass.
pub(crate) struct Admitted<'r> {
    pub(crate) permitted: Permitted<'r>,
    pub(crate) plugins: Option<RequestContext>,
}

/// An upstream is to be asked, unless the cache knows the answer.
pub(crate) struct Keyed<'r> {
    pub(crate) admitted: Admitted<'r>,
    /// None where the route does not cache.
    pub(crate) key: Option<Key>,
}

/// Why the walk ends before the cache is asked.
pub(crate) enum Stop<'r> {
    /// With an answer.
    Answer(Box<Received<'r>>, Option<Match>, Box<Answer<'r>>),
    /// It has to wait.
    Detach(Box<Detached>),
}

/// What a request in the slow lane carries: every fact established so far, nothing borrowed.
pub(crate) struct Detached {
    pub(crate) running: Arc<Running>,
    pub(crate) now: Now,
    pub(crate) facts: Arc<ConnectionFacts>,
    pub(crate) identity: Identity,
    pub(crate) edits: Option<Box<Edits>>,
    pub(crate) charged: Option<Arc<Charged>>,
    pub(crate) labels: Option<Arc<OnceLock<String>>>,
    pub(crate) watched: Watched,
    pub(crate) found: Match,
    pub(crate) signature: Signature<'static>,
    pub(crate) plugins: Option<RequestContext>,
    pub(crate) work: Work,
}

/// What the request waits for.
pub(crate) enum Work {
    /// The owners of keys that are counted on all nodes together.
    Asked(Vec<limit::Question>),
    /// Its turn under a leaky bucket, in microseconds of the node's monotonic clock.
    Delayed { until_us: u64 },
    /// A plugin holds it.
    Paused,
    /// The links service knows the code.
    Link(action::LinkAsk),
    /// The upstream, through the cache.
    Fetch(Option<Key>, lookup::Fetch),
    /// A plugin holds the answer, which is one out of the cache.
    Respond(Box<Composed>, Phase),
}

/// What came of a request in the fast lane.
pub(crate) enum Progress {
    Answered,
    Detached(Box<Detached>),
}

/// The fast lane's side of a turn.
pub(crate) struct Turn<'t> {
    pub(crate) wire: Wire<'t>,
    pub(crate) batch: &'t mut Batch,
    /// Bytes of the request's body, as far as they are here.
    pub(crate) body_bytes: u64,
}

/// Where the answers of a turn are written.
pub(crate) enum Wire<'t> {
    H1 {
        out: &'t mut Out,
        /// The connection closes after this answer.
        closing: bool,
    },
    H2(Reply<'t>),
}

/// Walks a request as far as it goes without waiting, and writes the answer if that is all the way.
pub(crate) fn begin(cx: Context<'_>, turn: &mut Turn<'_>, head: &Head<'_>) -> Progress {
    let (charged, watched) = (None, Watched::NONE);
    let received = Received { cx, head, edits: None, charged, watched, labels: None };
    match walk(received) {
        Ok(Found::Hit(hit))
            if hit.is_shown() || hit.lacks.is_some() || media::dresses(&hit.admitted) =>
        {
            Progress::Detached(Box::new(hit.detach()))
        }
        Ok(Found::Hit(hit)) => answer::hit(turn, hit),
        Ok(Found::Fetch(keyed, fetch)) => {
            let key = keyed.key;
            Progress::Detached(Box::new(keyed.admitted.detach(Work::Fetch(key, fetch))))
        }
        Err(Stop::Answer(received, found, answer)) => {
            answer::write(turn, &received, found, *answer);
            Progress::Answered
        }
        Err(Stop::Detach(detached)) => Progress::Detached(detached),
    }
}

/// The steps in order.
fn walk<'r>(received: Received<'r>) -> Result<Found<'r>, Stop<'r>> {
    let received = peer::check(received)?;
    let received = redirect::check(received)?;
    let routed = route::find(received)?;
    let verified = verify::check(routed)?;
    let permitted = limit::charge(verified)?;
    let admitted = admit::ask(permitted)?;
    resume(admitted)
}

/// The steps after the plugins' request phase, also for a request that a plugin held back.
pub(crate) fn resume<'r>(admitted: Admitted<'r>) -> Result<Found<'r>, Stop<'r>> {
    let keyed = action::act(admitted)?;
    Ok(lookup::look(keyed))
}

// === impl Context ===

impl<'r> Context<'r> {
    /// What a request with this head, on this connection, may look at.
    pub(crate) fn new(
        node: &'r Node,
        running: &'r Arc<Running>,
        now: Now,
        facts: &'r Arc<ConnectionFacts>,
        identity: Identity,
    ) -> Self {
        let Identity { client, scheme, trace } = identity;
        Self { node, running, now, facts, client, scheme, trace }
    }

    pub(crate) const fn identity(&self) -> Identity {
        Identity { client: self.client, scheme: self.scheme, trace: self.trace }
    }
}

// === impl Received ===

impl<'r> Received<'r> {
    /// The fields, as plugins left them.
    pub(crate) fn fields(&self) -> &dyn Fields {
        match self.edits.as_deref() {
            Some(edits) => &edits.fields,
            None => self.head,
        }
    }

    /// Whether the route's policy edits responses.
    pub(crate) fn touches_responses(&self, found: Match) -> bool {
        let policy = &self.cx.running.snapshot.route(found.route).headers;
        policy.as_ref().is_some_and(|policy| policy.touches_responses())
    }

    /// The method, as plugins left it.
    pub(crate) fn method(&self) -> &str {
        let edited = self.edits.as_deref().and_then(|edits| edits.method.as_deref());
        edited.unwrap_or_else(|| self.head.method().as_str())
    }

    /// What plugins and logs are told beside the head.
    pub(crate) fn around(&self, found: Option<Match>) -> Surroundings<'r> {
        let (site, route) = self.cx.running.names(found);
        let time_ns = (self.cx.now.unix_us * 1000) as i64;
        let places = &self.cx.running.places;
        Surroundings { client: self.cx.client, facts: self.cx.facts, places, site, route, time_ns }
    }

    pub(crate) fn stop(self, found: Option<Match>, answer: Answer<'r>) -> Stop<'r> {
        Stop::Answer(Box::new(self), found, Box::new(answer))
    }
}

// === impl Routed ===

impl<'r> Routed<'r> {
    pub(crate) fn route(&self) -> &'r Route {
        self.received.cx.running.snapshot.route(self.found.route)
    }

    pub(crate) fn stop(self, answer: Answer<'r>) -> Stop<'r> {
        self.received.stop(Some(self.found), answer)
    }
}

// === impl Verified ===

impl<'r> Verified<'r> {
    /// Nothing was required, and nothing is taken off.
    pub(crate) fn not_required(routed: Routed<'r>) -> Self {
        let head = routed.received.head;
        let signature = Signature {
            path: Cow::Borrowed(head.path()),
            query: head.query().map(Cow::Borrowed),
            carrier: None,
            grant: None,
            media: None,
        };
        Self { routed, signature }
    }

    pub(crate) fn detach(self, plugins: Option<RequestContext>, work: Work) -> Detached {
        let Routed { received, found } = self.routed;
        Detached {
            running: received.cx.running.clone(),
            now: received.cx.now,
            facts: received.cx.facts.clone(),
            identity: received.cx.identity(),
            edits: received.edits,
            charged: received.charged,
            labels: received.labels,
            watched: received.watched,
            found,
            signature: self.signature.into_owned(),
            plugins,
            work,
        }
    }
}

impl Signature<'_> {
    fn into_owned(self) -> Signature<'static> {
        Signature {
            path: self.path.into_owned().into(),
            query: self.query.map(|query| query.into_owned().into()),
            carrier: self.carrier,
            grant: self.grant,
            media: self.media,
        }
    }
}

// === impl Admitted ===

impl<'r> Admitted<'r> {
    pub(crate) fn received(&self) -> &Received<'r> {
        &self.permitted.verified.routed.received
    }

    pub(crate) fn route(&self) -> &'r Route {
        self.permitted.verified.routed.route()
    }

    pub(crate) fn found(&self) -> Match {
        self.permitted.verified.routed.found
    }

    /// Path without token, as plugins left it.
    pub(crate) fn path(&self) -> &str {
        match self.edited_target() {
            Some(target) => target.split_once('?').map_or(target, |(path, _)| path),
            None => &self.permitted.verified.signature.path,
        }
    }

    /// Query without token, as plugins left it.
    pub(crate) fn query(&self) -> Option<&str> {
        match self.edited_target() {
            Some(target) => target.split_once('?').map(|(_, query)| query),
            None => self.permitted.verified.signature.query.as_deref(),
        }
    }

    /// What the cache key is made from.
    pub(crate) fn target(&self) -> Target<'_> {
        let received = self.received();
        Target {
            scheme: received.cx.scheme,
            host: received.head.host(),
            port: received.head.port(),
            path: self.path(),
            query: self.query(),
            fields: received.fields(),
        }
    }

    pub(crate) fn detach(self, work: Work) -> Detached {
        self.permitted.verified.detach(self.plugins, work)
    }

    /// Takes the plugins' context back from a response that was not to be.
    pub(crate) fn with_plugins(mut self, plugins: Option<RequestContext>) -> Self {
        self.plugins = plugins;
        self
    }

    fn edited_target(&self) -> Option<&str> {
        self.received().edits.as_deref().and_then(|edits| edits.target.as_deref())
    }
}

// === impl Detached ===

impl Detached {
    /// The largest request body that the route takes, in bytes.
    pub(crate) fn body_bytes_max(&self, limits: &NodeLimits) -> u64 {
        let route = self.running.snapshot.route(self.found.route);
        route.body_bytes_max.unwrap_or(limits.body_bytes_max)
    }

    /// Makes a place for the labels of plugins, where a log wants them.
    pub(crate) fn keep_labels(&mut self) -> Arc<OnceLock<String>> {
        let labels = self.labels.get_or_insert_default().clone();
        if let Some(plugins) = &mut self.plugins {
            plugins.tell_labels(labels.clone());
        }
        labels
    }

    /// The request again, with a head parsed anew: the work it waits for comes beside it.
    pub(crate) fn attach<'r>(self, cx: Context<'r>, head: &'r Head<'r>) -> (Admitted<'r>, Work) {
        let Self { edits, charged, watched, labels, .. } = self;
        let received = Received { cx, head, edits, charged, watched, labels };
        let routed = Routed { received, found: self.found };
        let verified = Verified { routed, signature: self.signature };
        let permitted = Permitted { verified };
        (Admitted { permitted, plugins: self.plugins }, self.work)
    }
}
