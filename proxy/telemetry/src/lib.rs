//! One table of metric names, outcomes and reasons, used by code, access log, `/metrics` and docs.
//!
//! [`Counter`], [`Gauge`], [`Phase`] and [`Reason`] are the table; a value of them is the handle:
//! `Counter::RequestsTotal.inc()`. Counting is a load and a store in memory that belongs to the
//! calling thread; [`prometheus_text`] sums the threads up when somebody asks. [`AccessRecord`] is
//! one finished request, [`AccessLog`] writes such records as JSON lines from a thread of its own.
//!
//! What it is not: no tracing, no HTTP endpoint, no clock.
//!
//! **Invariant:** a metric or a label value that is not in the table cannot be named in code.
//! **Invariant:** counting and logging never wait: a full log queue drops the record and counts it.
//! **Invariant:** query strings, cookies and credentials are no part of an access record.

mod access;
mod metrics;
mod shard;
mod table;

pub use access::{AccessLog, AccessRecord, AccessSettings, AccessTarget};
pub use metrics::{Samples, Source, metrics_markdown, prometheus_text, register_source};
pub use table::{ConnectionFault, Counter, Gauge, Phase, Reason, StatusClass};
