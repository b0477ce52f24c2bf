//! The plugin host over modules written in WAT, and over the rules that ship.

mod abi;
mod hostile;
mod request;
mod rules;
mod world;
