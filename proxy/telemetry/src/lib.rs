//! One table of metric names, outcomes and reasons.
