//! The store from outside: what a caller sees.

mod fills;
mod objects;
mod purges;

mod simulation;
pub(crate) mod support;
