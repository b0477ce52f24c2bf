//! The cache tiers and the fills.
