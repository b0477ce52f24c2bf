//! Scenarios against a real edge.
