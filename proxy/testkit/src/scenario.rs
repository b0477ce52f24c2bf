//! Scenarios: conversations between clients, the edge and its origins, written as text.
//!
//! ```text
//! # a00001 a miss is fetched once, then served from the cache
//! spec proxy
//!
//! client c1 > GET /a
//! origin o1 < GET /a | Via present
//! origin o1 > 200 | Cache-Control: max-age=60 || hello
//! client c1 < 200 | Cache-Status contains miss || hello
//! client c1 > GET /a
//! client c1 < 200 | Cache-Status contains hit | Age: 0 || hello
//! origin o1 requests 1
//! ```
//!
//! The first line names the scenario: its letter and number, which are the file's name too, and
//! what must be true. Steps run one after the other. Each waits for what it expects and fails when
//! that does not come; nothing waits for time to pass.
//!
//! # The node
//!
//! | line | meaning |
//! |---|---|
//! | `spec proxy` | start the node with `specs/proxy.yaml` beside the scenario |
//! | `spec` and an indented block | start it with this text |
//! | `node` and an indented block | before `spec`: keys of the node file that it starts with |
//! | `apply ...` | change its configuration, written in the same two ways |
//! | `refuse ...` | the same, and the node must not take it |
//! | `advance 61s` | move its clock (`ms`, `s`, `m`, `h`, `d`) |
//! | `metric NAME{label="x"} >= 2` | the metric reaches this value; `==`, `>=`, `<=` |
//!
//! In a spec and in messages `${o1}` is the URL of origin `o1`, `${o1.addr}` its address, and
//! `${date}`, `${date-60s}`, `${date+1h}` are HTTP dates of the node's clock.
//!
//! # Messages
//!
//! `>` sends, `<` expects. A message is its first line, fields after ` | `, content after ` || `.
//!
//! | sent by | first line | added unless written |
//! |---|---|---|
//! | a client | `GET /a`, `GET /a HTTP/1.0` | `Host: example.com`, `Content-Length` with content |
//! | an origin | `200` | `Content-Length` where content is possible |
//!
//! ` | no host` and ` | no length` leave these out. With `Transfer-Encoding: chunked` the content is
//! sent in chunks. Content is the rest of the line, or `bytes 100000` (that many, always the same
//! ones), or quoted pieces `"a" "b"` with the escapes `\r \n \t \0 \" \\ \xNN`; each piece is a
//! chunk of its own.
//!
//! What is expected of a message: the first line (`*` and `2xx` are allowed), and of its fields
//! `Name: value`, `Name present`, `Name absent`, `Name contains x`, `Name starts x`, `Name lines 2`,
//! `Name >= 5` and the other comparisons of numbers; `trailer Name: value` and so on look at a field
//! that came after the content. Content is expected exactly, or ` || contains x`,
//! or not at all when there is no ` || `. Interim responses are messages of their own.
//!
//! # Clients and origins
//!
//! | line | meaning |
//! |---|---|
//! | `client c1 > ...`, `< ...` | as above; the connection is made when first needed |
//! | `client c1 >> "GET / HT"` | send these bytes |
//! | `client c1 <head 200 ...` | expect only a head now |
//! | `client c1 <body ...` | then the rest of that message |
//! | `client c1 << "raw"` | exactly these bytes come, outside any message |
//! | `client c1 broken` | the message whose head was read ends too early |
//! | `client c1 closed` | the edge closes, and nothing more comes |
//! | `client c1 close`, `end` | close the connection, or only its sending direction |
//! | `origin o1 < ...` | the next request, whole; it becomes the one that is answered |
//! | `origin o1 <head ...`, `<body ...`, `<< "raw"` | as for a client |
//! | `origin o1 broken` | the request whose head was taken ends too early |
//! | `origin o1 > ...`, `>> "..."` | answer it, or send bytes |
//! | `origin o1 close`, `reset` | end its connection |
//! | `origin o1 always 200 ...` | answer every request from now on so |
//! | `origin o1 down`, `up` | refuse connections, accept them again |
//! | `origin o1 requests 1`, `connections 1` | so many have come so far |
//!
//! `origin o1/x` keeps several requests of one origin apart: the label is given where the request
//! is taken, and used where it is answered.

pub use run::{run_dir, run_file};

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::VirtualClock;

mod expect;
mod parse;
mod run;
mod script;
#[cfg(test)]
mod tests;
mod text;

/// A node that scenarios can be run against.
pub trait Edge: Sized {
    /// Starts a node on a free port, with this spec and these keys of a node file, reading this
    /// clock.
    fn start(
        spec: &str,
        node_file: &str,
        clock: &VirtualClock,
    ) -> impl Future<Output = Result<Self, String>>;

    /// Where it serves clear-text HTTP.
    fn addr(&self) -> SocketAddr;

    /// Puts another spec in place; returns when it is served.
    fn apply(&mut self, spec: &str) -> impl Future<Output = Result<(), String>>;

    /// Its metrics in the text form of Prometheus.
    fn metrics(&mut self) -> impl Future<Output = String>;

    /// The clock was moved; returns when nothing depends on the old time any more.
    fn advanced(&mut self) -> impl Future<Output = ()> {
        async {}
    }

    /// Stops it.
    fn stop(self) -> impl Future<Output = ()>;
}

/// A scenario that failed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The scenario's file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What was expected and what came.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

impl std::error::Error for Failure {}
