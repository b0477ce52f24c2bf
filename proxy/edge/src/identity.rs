//! Who asks: the client behind trusted proxies, and the trace a request belongs to.

use std::{
    cell::Cell,
    hash::{BuildHasher, Hasher, RandomState},
    net::{IpAddr, SocketAddr},
};

use tidegate_http::{
    Fields, Head, Scheme, TraceParent,
    forwarded::{Hop, forwarded, x_forwarded},
};
use tidegate_spec::{ForwardedBy, Network};

use crate::facts::ConnectionFacts;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    /// The client's address: the nearest one that is not a trusted proxy's.
    pub(crate) client: SocketAddr,
    /// The scheme that the client used, as far as trusted proxies know.
    pub(crate) scheme: Scheme,
    /// The trace, with this node's own step as its span.
    pub(crate) trace: Trace,
}

/// The trace a request belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace {
    /// As sent on: the trace of the client or a new one, the span always new.
    pub(crate) parent: TraceParent,
    /// Whether the client named it.
    pub(crate) given: bool,
}

/// Whom a node believes about the hops before it, and which field they write.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) proxies: Vec<Network>,
    pub(crate) by: ForwardedBy,
}

/// The hops of a request that are believed.
pub(crate) struct Chain {
    /// Every known address on the way, the client's first, this connection's peer last.
    pub(crate) addresses: Vec<IpAddr>,
    /// What the nearest believed proxy said of the client's hop.
    pub(crate) client: Hop,
}

// === impl Identity ===

impl Identity {
    pub(crate) fn of(trust: &Trust, facts: &ConnectionFacts, head: &Head<'_>) -> Self {
        let mut identity =
            Self { client: facts.client, scheme: facts.scheme, trace: Trace::of(head) };
        if trust.believes(facts.client.ip()) {
            let chain = trust.chain(facts, head);
            if let Some(address) = chain.addresses.first().filter(|_| chain.addresses.len() > 1) {
                identity.client = SocketAddr::new(*address, chain.client.port.unwrap_or(0));
            }
            identity.scheme = chain.client.scheme.unwrap_or(facts.scheme);
        }
        identity
    }
}

// === impl Trust ===

impl Trust {
    fn believes(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }

    /// Walks from the peer towards the client, as long as who spoke is trusted.
    pub(crate) fn chain(&self, facts: &ConnectionFacts, fields: &(impl Fields + ?Sized)) -> Chain {
        let mut chain = Chain { addresses: vec![facts.client.ip()], client: Hop::default() };
        let mut nearest = facts.client.ip();
        let hops = match self.by {
            _ if !self.believes(nearest) => None,
            ForwardedBy::XForwardedFor => x_forwarded(fields),
            ForwardedBy::Forwarded => forwarded(fields),
        };
        for hop in hops.unwrap_or_default().into_iter().rev() {
            // Whoever is hidden or unreadable ends what is known.
            let Some(address) = hop.address.filter(|_| self.believes(nearest)) else { break };
            chain.addresses.push(address);
            chain.client = hop;
            nearest = address;
        }
        chain.addresses.reverse();
        chain
    }
}

// === impl Trace ===

impl Trace {
    fn of(head: &Head<'_>) -> Self {
        let span = random().max(1);
        match TraceParent::of(head) {
            Some(parent) => Self { parent: TraceParent { span, ..parent }, given: true },
            None => {
                let trace = u128::from(random()) << 64 | u128::from(random());
                let parent = TraceParent { trace: trace.max(1), span, flags: 0 };
                Self { parent, given: false }
            }
        }
    }

    /// The request's id in logs and fields: the trace id in 32 hexadecimal digits.
    pub(crate) fn id(&self) -> String {
        format!("{:032x}", self.parent.trace)
    }
}

/// A number that nobody else has: SplitMix64 from a seed of the thread's own. An id need not be
/// secret.
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish());
    }
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let state = STATE.with(|state| {
        let next = state.get().wrapping_add(STEP);
        state.set(next);
        next
    });
    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
