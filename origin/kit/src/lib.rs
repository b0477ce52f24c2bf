//! What every origin service stands on: one shape for a context, one way to answer, to fail, to page,
//! to repeat safely, to be cached and to be seen from outside.
//!
//! It knows no domain: no table of a context, no route of a context. A context hands over a [`Service`];
//! whoever boots the process folds a list of them and calls [`serve::Server`].
//!
//! **Invariant:** a fault of class 5xx carries no text of its cause to the client ([`fault`]).
//! **Invariant:** an idempotency row is written in the transaction of the effect it stands for
//! ([`idempotency`]).
//! **Invariant:** cache headers are chosen through [`caching::Caching`] alone, so that what an edge may
//! keep is decided in one vocabulary.
//! **Invariant:** time comes from [`Clock`], never from the system directly.
//!
//! The entry type is [`Service`]; [`Cx`] is what it is built from.

pub mod auth;
pub mod caching;
pub mod clock;
pub mod extract;
pub mod fault;
pub mod idempotency;
pub mod metrics;
pub mod pages;
pub mod random;
pub mod serve;
pub mod service;
pub mod settings;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;

#[cfg(test)]
mod tests;

pub use clock::{Clock, Micros, Moment};
pub use fault::{Fault, Violation};
pub use service::{Cx, Service, Task};
pub use settings::Settings;
