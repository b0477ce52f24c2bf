//! A real server on a free port, real clients, real subscribers.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod access;
mod blobs;
mod counters;
mod plugins;
mod purges;
mod replicas;
mod rollouts;
mod specs;
mod stream;
mod tables;
mod world;
