//! Exchanges with origins that do what a test tells them.

mod balance;
mod exchange;
mod faults;
mod h2;
mod tape;
mod tend;
