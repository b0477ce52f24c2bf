//! Requests that the node makes of itself: through the same steps, into the cache, with nobody who reads.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use tidegate_http::{FieldList, ResponseHead, Scheme, StoredHead};
use tidegate_upstream::{Downstream, DownstreamGone, ResponseFraming};

use crate::{
    Edge,
    facts::ConnectionFacts,
    fetch,
    identity::Identity,
    lane::{Account, Lane},
    limit::Watched,
    lookup::Found,
    request::{self, Admitted, Context, Permitted, Received, Verified},
    route,
    slow::Slow,
};

/// What a request of the node's own brought.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// The body, as far as it was to be kept.
    pub(crate) body: Vec<u8>,
    pub(crate) bytes: u64,
}

/// Gets a target of this node as a client would, without limits, tokens and plugins, and keeps at most
/// `bytes_max` of its body. `None` when no route leads to an upstream.
pub(crate) async fn get(
    edge: &Arc<Edge>,
    scheme: Scheme,
    authority: &str,
    target: &str,
    bytes_max: usize,
) -> Option<Got> {
    let text = format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let request = StoredHead::h1(text.into(), scheme);
    let kept = request.clone();
    let head = kept.read().ok()?;
    let running = edge.node.running.load_full();
    let own: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let facts = ConnectionFacts::plain(own, own, false);
    let identity = Identity { scheme, ..Identity::of(&edge.node.trust, &facts, &head) };
    let cx = Context::new(&edge.node, &running, edge.node.clock.now(), &facts, identity);
    let (charged, watched) = (None, Watched::NONE);
    let received = Received { cx, head: &head, edits: None, charged, watched, labels: None };
    let routed = route::find(received).ok()?;
    let verified = super::enter(Verified::not_required(routed)).ok()?;
    let admitted = Admitted { permitted: Permitted { verified }, plugins: None };
    let slow = Slow { edge, request };
    let lane = Inner { got: Got::default(), bytes_max, head_sent: false };
    let lane = match request::resume(admitted).ok()? {
        Found::Hit(hit) => fetch::serve_hit(&slow, hit, lane).await.0,
        Found::Fetch(keyed, work) => {
            fetch::fetch(&slow, keyed.admitted, keyed.key, work, lane).await.0
        }
    };
    Some(lane.got)
}

/// The client's end of it.
struct Inner {
    got: Got,
    bytes_max: usize,
    head_sent: bool,
}

impl Downstream for Inner {
    async fn write_head(
        &mut self,
        head: ResponseHead,
        _framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.got.status = head.status;
        self.head_sent = true;
        Ok(())
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        self.got.bytes += data.len() as u64;
        let room = self.bytes_max.saturating_sub(self.got.body.len());
        self.got.body.extend_from_slice(&data[..data.len().min(room)]);
        Ok(())
    }

    async fn finish(&mut self, _trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        Ok(())
    }
}

impl Lane for Inner {
    fn account(&self) -> Account {
        Account { head_sent: self.head_sent, sent_bytes: self.got.bytes, ..Account::default() }
    }

    fn take_trailers(&mut self) -> Option<FieldList> {
        None
    }
}
