//! Exchanges with origins that do what a test tells them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod balance;
mod exchange;
mod faults;
mod h2;
mod hedge;
mod tape;
mod tend;
