//! HTTP as bytes and rules, without I/O: request heads, field lists, framing, structured fields,
//! dates and problem details.
//!
//! A listener hands the bytes it has read to [`parse_head`] and gets a [`Head`] that borrows them:
//! already checked against the framing rules of RFC 9112 and normalised by RFC 3986, so that no
//! later step looks at raw bytes again. HTTP/2 enters through [`H2Layout`] with the same checks.
//!
//! What it is not: no sockets, no clock, no routing, no caching decisions.
//!
//! **Invariant:** bytes from the network never panic; they give a value or a [`Refusal`].
//! **Invariant:** a [`Head`] exists only for a request whose length every recipient computes alike.
//! **Invariant:** a [`FieldList`] never renders a line that another parser could split in two.
//! **Invariant:** the ordinary request is parsed without an allocation.

pub mod chunked;
mod content_coding;
pub mod date;
mod field_list;
mod fields;
pub mod forwarded;
pub mod fuzz;
mod head;
mod hop;
mod host;
mod known;
mod method;
pub mod problem;
pub mod proxy_protocol;
mod refusal;
mod response;
pub mod sf;
mod target;
mod trace;

pub use content_coding::ContentCoding;
pub use field_list::{FieldInvalid, FieldList};
pub use fields::{Field, Fields};
pub use head::{
    Framing, H2Layout, H2Parts, Head, HeadLimits, StoredHead, head_from_h2, head_may_end,
    parse_head,
};
pub use hop::{is_hop_by_hop, strip_hop_by_hop, tokens};
pub use host::{Authority, parse_authority};
pub use known::Known;
pub use method::{Method, Scheme, Version};
pub use problem::problem;
pub use refusal::Refusal;
pub use response::{ResponseBody, ResponseHead, parse_response, reason_phrase, write_status_line};
pub use target::{normalise_path, percent_decode};
pub use trace::TraceParent;
