//! The proxy-wasm host: loads plugins and runs their callbacks over a request.
//!
//! It speaks proxy-wasm 0.1.0, 0.2.0 and 0.2.1 and the WASI functions that modules built with the
//! Rust, Go, TinyGo, AssemblyScript and C++ SDKs import. It is not an HTTP server and knows no
//! connection: what a plugin sees of a request comes through the trait [`Exchange`], and the calls
//! it makes go out through the trait [`Dispatcher`].
//!
//! **Invariant:** a module never takes the process down. It runs under a time limit, a memory cap
//! and a log rate; an instance that trapped is dropped and never entered again.
//!
//! **Invariant:** a plugin's callback never waits. Answers of the outside world arrive in a later
//! callback, on the instance that asked, and only while the asking request still lives.
//!
//! **Invariant:** an ordinary callback takes one uncontended lock and allocates nothing on the
//! host's side.
//!
//! Entry: [`Host::new`], [`Host::load`], [`Chain::begin`].

mod abi;
mod chain;
mod code;
mod common;
mod compiler;
mod config;
mod deadline;
mod dispatch;
mod error;
mod exchange;
pub mod fuzz;
mod grpc;
mod host;
mod instance;
mod keeper;
mod lists;
mod loan;
mod mailbox;
mod memory;
mod metric;
mod pairs;
mod plugin;
mod random;
mod record;
mod shared;
mod state;
mod status;
mod stream;
mod verdict;
pub mod workbench;

pub use chain::{Chain, RequestContext};
pub use config::{
    Clock, HostConfig, LimitsConfig, LogLevel, LogSink, OnFailure, PluginConfig, Signature,
};
pub use dispatch::{CallError, CallFuture, Dispatcher, HttpAnswer, HttpCall, NoCalls};
pub use error::{HostError, LoadError};
pub use exchange::{Buffer, Exchange, Map, Value};
pub use grpc::{GRPC_DEADLINE, GRPC_UNAVAILABLE, GrpcCall, GrpcEvent, GrpcEvents, GrpcFuture};
pub use host::Host;
pub use metric::{MetricKind, MetricValue, Sample};
pub use plugin::{Phases, Plugin, PluginState, PluginStatus};
pub use verdict::{LocalResponse, Pairs, Verdict};
