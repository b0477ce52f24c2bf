//! What a link is and what is decided about it; no I/O.

pub(crate) mod code;
pub(crate) mod csv;
pub(crate) mod link;
pub(crate) mod password;
pub(crate) mod permutation;
pub(crate) mod qr;
pub(crate) mod rule;
pub(crate) mod target;
pub(crate) mod utm;
