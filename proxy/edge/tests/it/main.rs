//! The edge as its clients meet it: scenarios, and changes of configuration under load.

mod change;
mod node;

use std::path::Path;

#[test]
fn scenarios() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    tidegate_testkit::scenario::run_dir::<node::Node>(&folder);
}
