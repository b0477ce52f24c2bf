//! Who stands out: sketches of the traffic, what is usual, and what is to be done about the rest.
//!
//! ```text
//! worker: Sketch, Tallies ──▶ drained every bucket ──▶ Window ─┐ of all workers, or of all nodes
//!                                                    Window ─┴▶ Decay ──▶ Watch ──▶ Found, Event
//! ```
//!
//! A [`Sketch`] is Space-Saving (Metwally, Agrawal, El Abbadi: Efficient computation of frequent and top-k
//! elements in data streams, ICDT 2005) in lines of eight places, so that counting is one line of memory whatever the
//! number of keys. HeavyKeeper (USENIX ATC 2018) ranks better at the same size, but it may count too little without
//! saying how much; here every count carries its own error, and a client is only ever called anomalous by what it did for
//! certain. Two windows merge as in Agarwal et al., Mergeable summaries (PODS 2012): bounds add.
//!
//! A [`Watch`] compares a client with the others under the same limit (how far its rate is above that of one in a
//! hundred, in units of the tail that the others have) and with its own past; a [`RouteWatch`] a route with its own past:
//! the distance from median or exponentially weighted mean, whichever is higher, in units of the median absolute
//! deviation (Iglewicz and Hoaglin, How to detect and handle outliers, 1993), with floors for what hardly ever
//! differs. What is anomalous teaches nothing: otherwise an attack would become usual by lasting.

mod decay;
mod distinct;
mod route;
mod series;
mod sketch;
mod watch;

pub use decay::{Decay, Seen};
pub use distinct::Distinct;
pub use route::{RouteBucket, RouteFound, RouteWatch};
pub use sketch::{Heavy, LINES_DEFAULT, Sketch, Window};
pub use watch::{
    Action, Bucket, CLIENTS_FOUND_MAX, Event, Found, Settings, Signal, Stage, Usual, Watch, Why,
};

/// How long a bucket is, microseconds: sketches are drained, and decisions made, once in a bucket.
pub const BUCKET_US: u64 = 2_000_000;
