//! The fleet configuration as people write it.
