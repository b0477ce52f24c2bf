//! The server side of HTTP/2 as a state machine without I/O: RFC 9113, field compression by
//! RFC 7541, priorities by RFC 9218, extended CONNECT by RFC 8441.
//!
//! The owner of a connection feeds it the bytes that were read ([`Connection::feed`]), answers the
//! requests it is handed, and writes what [`Connection::write`] collects. A request that can be
//! answered at once costs no allocation: its frames go straight to the sink
//! ([`Connection::answer`]).
//!
//! ```text
//! input -> feed -> Event::Request -> H2Layout    -> ... -> answer(stream, blocks, body, out)   fast
//!                                                        -> respond, send_data, ...             slow
//!                  Event::Data    -> body -> release
//!          write(out, budget) -> frames in the order of their priority; progress() -> who may go on
//! ```
//!
//! What it is not: no sockets, no timers, no routing; `now_us` is an argument and only measures
//! abuse. Timeouts are the owner's.
//!
//! **Invariant:** bytes from the network never panic; a broken rule ends the stream or the connection
//! with the code that the standard names.
//! **Invariant:** no frame is written that exceeds the client's windows or frame size.
//! **Invariant:** memory is bounded by the settings and by what the owner queues.

mod conn;
mod encoder;
mod error_code;
mod event;
mod fields;
pub mod fuzz;
mod hpack;
mod priority;
mod request;
mod settings;
mod sink;

pub use conn::Connection;
pub use encoder::Encoder;
pub use error_code::ErrorCode;
pub use event::{Event, Fed, Progress, Request, StreamId};
pub use fields::FieldsIter;
pub use priority::Priority;
pub use settings::{AbuseLimits, Settings};
pub use sink::Sink;

/// The client's connection preface (RFC 9113 3.4), which a listener that speaks both versions
/// without TLS looks for.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
