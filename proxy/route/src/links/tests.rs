//! Tests of the link table.
