//! Shared limits as several nodes count them: every cell of the accuracy matrix, on a clock of its own.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod matrix;
mod traffic;
mod world;
