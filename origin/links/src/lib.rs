//! Short links.
