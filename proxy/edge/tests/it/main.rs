//! The edge as its clients meet it: scenarios, and changes of configuration under load.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod access;
mod anomalies;
mod change;
mod compressed;
mod countries;
mod crowd;
mod disk;
mod http2;
mod limits;
mod node;
mod pipeline;
mod shared;
mod slow_reader;
mod tiers;
mod together;
mod warm;
mod websocket;
mod welcome;

use std::path::Path;

#[test]
fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    tidegate_testkit::scenario::run_dir::<node::Node>(&folder);
}
