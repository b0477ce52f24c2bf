//! Which site and route a request belongs to, which redirect answers it, and what is known of a short link.
//!
//! What it is: lookup structures that are built once (a [`Router`], a [`redirect::Table`]) or fed by
//! a log of changes (a [`links::Table`]), and asked on every request.
//!
//! What it is not: it knows no spec, does no I/O, has no clock; what a route does is its owner's business.
//!
//! **Invariant:** a lookup allocates nothing and never panics, whatever the path or host.
//! **Invariant:** the most specific path wins, segment by segment from the left (text before parameter before
//! rest), then the order given; a route whose method or field tests fail is as if it were not there.
//! **Invariant:** [`links::Lookup::Unknown`] is only said of a code that does not exist, by a table that
//! was confirmed complete within its allowed lag.
//!
//! Entry: [`Router::build`] and [`Router::find`].

pub mod fuzz;
pub mod links;
pub mod method;
pub mod pattern;
pub mod redirect;
pub mod router;
pub mod template;
pub mod tree;

#[cfg(test)]
mod tests;

pub use method::MethodSet;
pub use pattern::{HostPattern, PathPattern, PatternInvalid};
pub use router::{FieldTest, HostTwice, Match, RouteId, Router, Rule, SiteId, SiteRules};
pub use template::{Template, TemplateInvalid};
pub use tree::{PARAMS_MAX, Params};
