//! The plugin host over modules written in WAT, and over the rules that ship.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod abi;
mod attacks;
mod foreign;
mod grpc;
mod hostile;
mod matrix;
mod mutation;
mod request;
mod rules;
mod workbench;
mod world;
