//! Rate limits: bounded tables of token buckets.
