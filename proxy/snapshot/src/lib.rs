//! A spec compiled into what an edge runs.
