//! `tidegate`: the composition root.
fn main() {}
