//! A spec compiled into what an edge runs.
//!
//! [`compile`] resolves every reference, reads every pattern, address and number, and gives either a
//! [`Snapshot`] in which nothing is left to fail, or every problem of the spec at once, each with its
//! place. The control plane validates with this crate: what validates is what runs.
//!
//! What it is not: it opens no file and no connection. Modules, key files and tables come by other ways.
//!
//! **Invariant:** a snapshot is never changed; a request keeps the one it began with.
//! **Invariant:** every index in a snapshot points into that snapshot.
//! **Invariant:** compiling the same spec twice gives snapshots that behave alike.
//!
//! Entry: [`compile`], or [`compile_text`] for a document as people write it.

mod certificate;
mod compile;
mod compress;
mod cors;
mod describe;
mod edits;
pub mod fuzz;
mod material;
mod rewrite;
mod snapshot;

#[cfg(test)]
mod tests;

pub use certificate::{
    Certificate, CertificateError, ClientAuthority, KeyKind, PrivateKey, PrivateKeyForm,
};
pub use compile::{certificates, compile, compile_text, compile_with};
pub use compress::Compress;
pub use cors::Cors;
pub use edits::{Edits, Facts, HeaderPolicy, Part, UnknownVariable, Value, Variable};
pub use material::Material;
pub use rewrite::Rewrite;
pub use snapshot::{
    Access, Action, Anomaly, KeysetIndex, LimitIndex, LinkDomain, LinkDomainIndex, Media, Plugin,
    PluginIndex, RedirectsIndex, Respond, Route, Site, Snapshot, Steer, TicketSecret, TlsPolicy,
    UpstreamIndex, WATCHED_PER_ROUTE_MAX,
};
pub use tidegate_spec::Problem;
