//! gRPC calls that plugins make: one message each way, or streams.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::sync::mpsc;

use crate::Pairs;

/// Status of a call whose upstream could not be reached (`UNAVAILABLE`).
pub const GRPC_UNAVAILABLE: u32 = 14;
/// Status of a call that took too long (`DEADLINE_EXCEEDED`).
pub const GRPC_DEADLINE: u32 = 4;

/// A call as the plugin wrote it.
#[derive(Debug)]
pub struct GrpcCall {
    /// Name of the plugin.
    pub plugin: String,
    /// Name of the upstream group.
    pub upstream: String,
    /// `/service/method`
    pub path: String,
    /// Metadata; names are lower case.
    pub metadata: Pairs,
    /// Messages to send; the channel's end is the end of the stream.
    pub messages: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Time for the whole call; none for streams.
    pub timeout: Option<Duration>,
}

/// What comes back of a call. [`GrpcEvent::Closed`] is the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrpcEvent {
    /// Initial metadata.
    Metadata(Pairs),
    /// A message.
    Message(Vec<u8>),
    /// Trailing metadata.
    Trailers(Pairs),
    /// The end: status and text.
    Closed(u32, String),
}

/// Where events of a call go.
pub type GrpcEvents = mpsc::UnboundedSender<GrpcEvent>;

/// A call under way.
pub type GrpcFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Kind of a call, as the ABI has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One message each way: the plugin hears of the answer, or of the failure.
    Unary,
    Stream,
}

/// A call that a module has open.
pub(crate) struct Open {
    pub(crate) context: u32,
    pub(crate) kind: Kind,
    /// None when the module has said its last word.
    pub(crate) messages: Option<mpsc::UnboundedSender<Vec<u8>>>,
    pub(crate) task: tokio::task::AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}
