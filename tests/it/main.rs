//! Tests of the whole: the rules of the code base, and `tidegate` as its users run it.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod alone;
mod limits;
mod tidy;
mod up;
mod upgrade;
mod world;
