//! The control plane's HTTP server: the admin API, the watch stream, the rollouts and a page.
//!
//! It validates with the very compiler that edges run, keeps everything in
//! `tidegate-control-store`, and pushes. It holds nothing in memory that a restart may not lose, so
//! that several of it may run on one PostgreSQL.
//!
//! **Invariant:** a spec with a problem changes nothing.
//! **Invariant:** every path but `/healthz` is refused without credentials; which permission a path
//! needs is in one table, and a path that is not in it is refused.
//! **Invariant:** a slow subscriber costs a bounded queue and is brought up to date from the store.
//! **Invariant:** every change and every refusal of one is in the audit log.
//!
//! Entry type: [`Server`].

mod access;
mod admin;
mod anomalies;
mod app;
mod blobs;
mod config;
mod counters;
mod diff;
mod faults;
mod feed;
mod metrics;
mod nodes;
mod office;
mod page;
mod plugins;
mod purges;
mod rls;
mod rollouts;
mod routes;
mod server;
mod specs;
mod tables;
#[cfg(test)]
mod tests;
mod tokens;
mod watch;

pub use config::{PluginCheck, PluginChecker, ServerConfig, StaticToken};
pub use server::{Handle, Server, ServerError};
pub use tokens::token_read;
