//! The state machine against raw frames, random clients and real ones.

#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

mod conformance;
mod delivery;
mod interop;
mod sending;
mod server;
mod wire;
