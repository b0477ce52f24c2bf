//! The rules of HTTP caching as small pure functions: key, storability, freshness, reuse, validation,
//! conditional requests, ranges, invalidation (RFC 9111, 9110 §13-14, 5861, 8246, 9211, 9213, 9875).
//!
//! It is not a cache: it keeps nothing, reads no clock and opens no socket. The store keeps what these
//! functions decide.
//!
//! **Invariant:** instants are unix milliseconds given by the caller (`_ms`), HTTP dates are unix seconds
//! (`_s`); no function asks for the time.
//! **Invariant:** every decision carries a [`Reason`], the same word in `Cache-Status`, log and metric.
//! **Invariant:** a key of an ordinary request is computed without allocation.
//! **Invariant:** without a policy that says otherwise the behaviour is that of the standard.
//!
//! Entry: [`Policy`]; then [`Key::of`], [`decide_store`], [`evaluate`].

mod conditional;
mod directive;
mod explain;
mod extent;
mod freshness;
pub mod fuzz;
mod invalidate;
mod key;
mod meta;
mod policy;
mod query;
mod range;
mod reason;
mod reuse;
mod status;
mod storable;
mod tag;
mod targeted;
#[cfg(test)]
mod testing;
mod update;
mod validate;
mod vary;

pub use conditional::{Precondition, preconditions};
pub use directive::{RequestDirectives, ResponseDirectives};
pub use explain::{Explanation, explain};
pub use extent::Extent;
pub use freshness::{AgeSums, Lifetime, LifetimeSource};
pub use invalidate::{Invalidation, invalidations, same_origin};
pub use key::{Key, KeySeed, Target};
pub use meta::{Meta, Validators};
pub use policy::{
    Heuristic, KeyPart, Policy, QueryPolicy, RequestTrust, SetCookiePolicy, Stale, Ttl,
};
pub use range::{ByteRange, OneRange, RANGES_MAX, RangePlan, multipart_boundary, range_plan};
pub use reason::Reason;
pub use reuse::{Evaluation, Verdict, evaluate, may_serve_on_error};
pub use status::{CacheStatus, Forward};
pub use storable::{Asked, Decision, Plan, decide_store, is_understood};
pub use tag::{TAGS_MAX, TagId, tags_of};
pub use update::{HeadFreshening, freshen, head_freshening};
pub use validate::{Validation, validates, validation_fields};
pub use vary::{VARY_FIELDS_MAX, Vary};
