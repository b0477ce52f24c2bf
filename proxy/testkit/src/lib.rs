//! Test equipment: an origin that does what a test tells it, a client that sends raw bytes, a clock
//! that a test moves, and the runner of scenarios, which are conversations written as text.
//!
//! It knows HTTP/1.1 only as far as a test needs it, and on purpose with code of its own: a parser
//! shared with the program under test would share its mistakes. It depends on nothing of the
//! program; whatever can be started and reached over TCP can be tested through [`Edge`].
//!
//! **Invariant:** nothing here waits for time to pass; every wait is for an event and ends with a
//! failure after [`WAIT_MAX`].
//!
//! Entry types: [`Origin`], [`Client`], [`scenario`] and, for fuzz bodies, [`fuzz::Smoke`].

pub mod crowd;
pub mod fuzz;
pub mod scenario;

pub use client::Client;
pub use clock::VirtualClock;
pub use message::{Broken, Fields, Message};
pub use origin::{Origin, Received};
pub use scenario::Edge;

use std::time::Duration;

mod client;
mod clock;
mod message;
mod origin;

/// The longest wait for anything; reached only when a test fails.
pub const WAIT_MAX: Duration = Duration::from_secs(10);
