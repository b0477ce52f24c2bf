//! How an exchange ended.

use std::sync::Arc;

/// How an exchange ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The response was delivered completely.
    Delivered(Delivery),
    /// It was not; see [`Fault::head_sent`] for what the client has seen.
    Failed(Fault),
}

/// A response delivered completely.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The status of the final response.
    pub status: u16,
    /// The server that gave it, as configured.
    pub server: Arc<str>,
    /// How it went.
    pub trace: Trace,
}

/// An exchange that did not end with a complete response.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where it broke.
    pub stage: Stage,
    /// One word for telemetry.
    pub reason: &'static str,
    /// Whether a final response head was written: when not, nothing but interim responses was,
    /// and the caller may still answer; when so, the caller must break the connection.
    pub head_sent: bool,
    /// The server tried last, when one was chosen.
    pub server: Option<Arc<str>>,
    /// How it went.
    pub trace: Trace,
}

/// Where an exchange broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// No server could be chosen: none is known, none is healthy, or the group is full.
    Choose,
    /// No connection came about.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The request could not be sent.
    Send,
    /// No response head came, in time or at all.
    FirstByte,
    /// The response head is not acceptable HTTP.
    Head,
    /// The response ended early or broke.
    Body,
    /// The client's side went away, or its request body was broken.
    Client,
    /// A fault of this program.
    Internal,
}

/// How an exchange went; times in microseconds since its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Servers tried, counting the first.
    pub attempts: u32,
    /// The last connection came from the pool.
    pub reused: bool,
    /// When the last connection was ready.
    pub connected_us: Option<u64>,
    /// When the final response head was read.
    pub first_byte_us: Option<u64>,
    /// When the exchange ended.
    pub total_us: u64,
    /// Response body bytes written downstream.
    pub body_bytes: u64,
}

impl Outcome {
    /// How it went.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        match self {
            Self::Delivered(delivery) => &delivery.trace,
            Self::Failed(fault) => &fault.trace,
        }
    }
}

impl Fault {
    /// The status that tells the client, when it can still be told (RFC 9110 section 15.6).
    #[must_use]
    pub fn status(&self) -> u16 {
        match (self.stage, self.reason) {
            (Stage::Choose, _) => 503,
            (_, "timeout") => 504,
            (Stage::Client, _) => 400,
            (Stage::Internal, _) => 500,
            _ => 502,
        }
    }
}

impl Stage {
    /// The word used in telemetry.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Choose => "choose",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Send => "send",
            Self::FirstByte => "first_byte",
            Self::Head => "head",
            Self::Body => "body",
            Self::Client => "client",
            Self::Internal => "internal",
        }
    }
}
