//! Segmented media as an edge sees it: classes of requests, manifests, LL-HLS directives, client data.
//!
//! The crate is pure: the caller says what time it is, and nothing is read or sent. It reads HLS
//! ([RFC 8216 and draft-pantos-hls-rfc8216bis](https://datatracker.ietf.org/doc/draft-pantos-hls-rfc8216bis/))
//! and DASH (ISO/IEC 23009-1) as far as delivery needs them, CMCD (CTA-5004, both versions), and it writes
//! CMSD (CTA-5006) and content steering manifests.
//!
//! What it is not: no packager and no player; it knows nothing of codecs.
//!
//! **Invariant:** bytes from the network give a value or nothing, never a panic; every list has a limit.
//! **Invariant:** a rewritten manifest differs from the stored one in its addresses alone.
//! **Invariant:** two requests for one resource have one canonical query, whatever the player says about itself.

pub mod class;
pub mod cmcd;
pub mod cmsd;
pub mod dash;
pub mod directives;
pub mod fuzz;
pub mod hls;
pub mod policy;
pub mod rewrite;
pub mod slice;
pub mod steering;

pub use class::Class;
pub use cmcd::Cmcd;
pub use directives::{Directives, Position};
pub use policy::{Defaults, Timing};
