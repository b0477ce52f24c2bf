//! The store from outside: what a caller sees.

mod fills;
mod objects;
mod purges;

mod simulation;
mod support;
