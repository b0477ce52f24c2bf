//! The fleet configuration as people write it, and the node file beside it.
//!
//! What it is: the typed tree of a spec, a reader for YAML and JSON that reports every problem of a
//! document at once (each with its path, line and a hint), canonical JSON with a content hash, and the
//! JSON Schema printed from the same declarations.
//!
//! What it is not: it knows nothing of what a spec means. References between resources, addresses and
//! patterns are judged by `tidegate-snapshot`.
//!
//! **Invariant:** a spec that was read, written as JSON and read again is equal to the first.
//! **Invariant:** two specs that mean the same to the reader have the same hash, whatever the order of
//! keys, comments, or defaults spelled out.
//! **Invariant:** no input panics the reader or makes it use memory out of proportion to the input.
//!
//! Entry: [`read`] gives a [`Spec`]; [`Document`] also keeps where everything stands;
//! [`NodeConfig`] is the local node file.

mod resource;

pub mod anomaly;
pub mod cache;
pub mod canonical;
pub mod compress;
pub mod csv;
pub mod diff;
pub mod document;
pub mod fleet;
pub mod fuzz;
pub mod keys;
pub mod limit;
pub mod link;
pub mod list;
pub mod media;
pub mod node_file;
pub mod plugin;
pub mod problem;
pub mod reader;
pub mod site;
pub mod tls;
pub mod tree;
pub mod units;
pub mod upstream;
pub mod value;

#[cfg(test)]
mod tests;

pub use anomaly::{AnomalyAction, AnomalyPolicy, AnomalySignal};
pub use cache::{
    CachePolicy, HeuristicPolicy, KeyPolicy, QueryPolicy, RequestDirectives, SetCookie,
    StalePolicy, TtlPolicy,
};
pub use compress::{CompressPolicy, Encoding};
pub use diff::{Change, ChangeKind, diff};
pub use document::{Document, read};
pub use fleet::Spec;
pub use keys::{Key, KeyAlgorithm, KeyMaterial, Keyset, Secret, TokenFormat};
pub use limit::{
    Counters, Limit, LimitAlgorithm, LimitCondition, LimitFailure, LimitFallback, LimitMissing,
    LimitMode, LimitTier, LimitTiers,
};
pub use link::{LinkDomain, RedirectRule, RedirectTable};
pub use list::{List, ListKind, ListSource};
pub use media::{CountryPolicy, ManifestTokens, MediaPolicy, Pathway, RefererPolicy, SteerAction};
pub use node_file::{
    ForwardedBy, Http2Limits, Listener, Network, NetworkInvalid, NodeConfig, NodeLimits, Protocol,
    ProxyProtocol,
};
pub use plugin::{OnFailure, Plugin, PluginModule};
pub use problem::Problem;
pub use reader::key_path;
pub use site::{
    Action, Cors, FieldTest, HeaderEdits, HeaderPolicy, Hsts, Match, ProxyAction, RedirectAction,
    RespondAction, Rewrite, Route, Site, VerifyPolicy,
};
pub use tls::{Certificate, ClientCertificate, SecretText, SiteTls, TlsSettings, TlsVersion};
pub use units::{Rate, Size};
pub use upstream::{
    Balance, Breaker, Ejection, HealthCheck, RetryPolicy, Server, Upstream, UpstreamTls,
};
