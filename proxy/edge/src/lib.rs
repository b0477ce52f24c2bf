//! The edge node.
