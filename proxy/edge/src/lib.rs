//! The edge node: connections, the request's steps, admin pages, and the way configurations come in.
//!
//! It makes no decision of its own that a pure crate could make: parsing is `tidegate-http`'s,
//! routing `tidegate-route`'s, limits, tokens and caching rules each their crate's. It owns the
//! order of the steps (`request.rs`), the two lanes, and the moment at which bytes go in and out.
//!
//! **Invariant:** a request sees one configuration, from its head to its record.
//! **Invariant:** bytes from the network never panic a worker; a fault becomes a response only in `rescue.rs`.
//! **Invariant:** after a response head was sent, a fault breaks the connection; it never looks like an end.
//! **Invariant:** a configuration that cannot be used as a whole changes nothing.
//!
//! Entry: [`Edge::start`].

mod access;
mod action;
mod admin;
mod admit;
mod answer;
mod caps;
mod certificates;
mod clock;
mod collect;
mod compress;
mod config;
mod conn;
mod cors;
mod countries;
mod date;
mod dispatch;
mod dress;
mod dressed;
mod facts;
mod feed;
mod fetch;
mod fill;
mod grpc;
mod h2;
mod handover;
mod hit;
mod identity;
mod input;
mod lane;
mod limit;
mod link;
mod listen;
mod lookup;
mod media;
mod node;
mod out;
mod outbound;
mod pace;
mod partial;
mod peer;
mod proof;
mod record;
mod redirect;
mod request;
mod rescue;
mod route;
mod running;
mod single_flight;
mod slow;
mod socket;
mod source;
mod start;
mod systems;
mod tier;
mod variables;
mod verify;
mod view;
mod welcome;

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use async_trait::async_trait;
use pingora_core::{
    apps::ServerApp,
    protocols::{Stream, l4::socket::SocketAddr},
    server::ShutdownWatch,
};
use tidegate_control_client::Subscription;

pub use clock::{Clock, Now};
pub use config::{EdgeConfig, Source};
pub use listen::Bound;
pub use running::Modules;
pub use start::{Handle, Hurry, StartError};

use crate::facts::ConnectionFacts;

/// Where an address is not known.
const UNKNOWN_ADDRESS: std::net::SocketAddr =
    std::net::SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0));

/// A node of the data plane.
pub struct Edge {
    pub(crate) node: node::Node,
    draining: AtomicBool,
    pub(crate) caps: Arc<caps::Caps>,
    /// Another process serves in place of this one.
    handed_over: AtomicBool,
    drain_until: Mutex<Option<std::time::Instant>>,
    subscription: Mutex<Option<Subscription>>,
    /// Calls to the control plane, where there is one.
    pub(crate) control_plane: OnceLock<tidegate_control_client::Client>,
}

impl Edge {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed_over.load(Relaxed)
    }

    pub(crate) fn control_plane_status(&self) -> serde_json::Value {
        let held = self.subscription.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_ref().map(Subscription::status) {
            None => serde_json::Value::Null,
            Some(status) => serde_json::json!({
                "connected": status.connected,
                "active_revision": status.active.map(|(revision, _)| revision),
                "purge_seq": status.purge_seq,
                "tables": status.tables,
            }),
        }
    }
}

#[async_trait]
impl ServerApp for Edge {
    async fn process_new(
        self: &Arc<Self>,
        session: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let digest = session.get_socket_digest();
        let address = |address: Option<&SocketAddr>| {
            address.and_then(|address| address.as_inet().copied()).unwrap_or(UNKNOWN_ADDRESS)
        };
        let client = address(digest.as_deref().and_then(|digest| digest.peer_addr()));
        let local = address(digest.as_deref().and_then(|digest| digest.local_addr()));
        conn::run(self, session, ConnectionFacts::plain(client, local, true), shutdown).await;
        None
    }
}
