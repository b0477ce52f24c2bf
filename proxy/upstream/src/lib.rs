//! Upstreams: servers in groups, how one is chosen, and the exchange of one request with it.
//!
//! The crate keeps the running state of every group (servers, connection pools, health,
//! ejections, budgets) and carries one request at a time to a server and its response back to a
//! [`Downstream`]. The exchange itself is Pingora's `HttpProxy`, reached through a session object
//! of ours, so that upstream HTTP/1, HTTP/2, TLS and pooling are Pingora's and every byte towards
//! the client is written by the caller's codec.
//!
//! It is not a cache, and it writes no answer of its own: a fault comes back as a value, and what
//! the client then sees is the caller's decision.
//!
//! **Invariant:** before a final response head was written, a failed exchange has written nothing
//! but interim responses downstream; after it, an exchange that did not complete never calls
//! `finish`.
//!
//! **Invariant:** a request is sent a second time only when it is idempotent, its body can be
//! replayed whole, and no byte of a final response went downstream.
//!
//! **Invariant:** every exchange gives its `Downstream` back, however it ends.
//!
//! Entry type: [`Upstreams`]; a node also runs [`Upstreams::tend`], which looks names up again and
//! checks servers.

pub mod config;

pub use clock::Clock;
pub use config::GroupConfig;
pub use downstream::{Downstream, DownstreamGone, ResponseFraming};
pub use group::{Group, GroupStats, ServerStats};
pub use outbound::Outbound;
pub use outcome::{Delivery, Fault, Outcome, Stage, Trace};
pub use upstreams::{Upstreams, UpstreamsConfig};

mod clock;
mod convert;
mod downstream;
mod fault;
mod group;
mod hedge;
mod metrics;
mod outbound;
mod outcome;
mod plan;
mod proxy;
mod session;
mod tend;
mod upstreams;
