//! What a link is and what is decided about it; no I/O.

pub(crate) mod code;
pub(crate) mod link;
pub(crate) mod permutation;
pub(crate) mod target;
