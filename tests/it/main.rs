//! Tests of the whole: the rules of the code base, and `tidegate` as its users run it.

mod alone;
mod tidy;
mod up;
mod world;
