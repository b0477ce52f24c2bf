//! HTTP calls that plugins make while requests wait.

use std::{future::Future, pin::Pin, time::Duration};

use crate::{
    Pairs,
    grpc::{GRPC_UNAVAILABLE, GrpcCall, GrpcEvent, GrpcEvents, GrpcFuture},
};

/// A call as the plugin wrote it, checked: the pseudo fields `:method`, `:path` and `:authority`
/// are present, names are lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// Name of the plugin.
    pub plugin: String,
    /// Name of the upstream group.
    pub upstream: String,
    /// Fields, pseudo fields among them.
    pub fields: Pairs,
    /// Body.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: Pairs,
    /// Time the plugin is willing to wait; the host drops the call after it.
    pub timeout: Duration,
}

impl HttpCall {
    /// First value of a field or pseudo field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let mut fields = self.fields.iter();
        fields.find(|(key, _)| key.as_slice() == name.as_bytes()).map(|(_, value)| value.as_slice())
    }
}

/// Answer to a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status, told to the plugin as `:status`.
    pub status: u16,
    /// Fields.
    pub fields: Pairs,
    /// Body.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: Pairs,
}

/// Why a call brought no answer; the plugin sees an answer with no fields.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No such upstream.
    #[error("no upstream is named {0:?}")]
    UnknownUpstream(String),
    /// The upstream did not answer.
    #[error("the upstream did not answer: {0}")]
    Failed(String),
}

/// A call under way.
pub type CallFuture = Pin<Box<dyn Future<Output = Result<HttpAnswer, CallError>> + Send>>;

/// Carries the HTTP calls that plugins make.
pub trait Dispatcher: Send + Sync {
    /// Whether a group of this name exists now.
    fn knows(&self, upstream: &str) -> bool;

    /// Starts a call; runs on the runtime of the thread that called.
    fn call(&self, call: HttpCall) -> CallFuture;

    /// Starts a gRPC call, likewise; sends what comes back to `events`. Without one of its own, every
    /// call ends as unavailable.
    fn grpc(&self, call: GrpcCall, events: GrpcEvents) -> GrpcFuture {
        Box::pin(async move {
            let text = format!("gRPC is not spoken with {}", call.upstream);
            let _ = events.send(GrpcEvent::Closed(GRPC_UNAVAILABLE, text));
        })
    }
}

/// Knows no upstream.
#[derive(Clone, Copy, Debug)]
pub struct NoCalls;

impl Dispatcher for NoCalls {
    fn knows(&self, _upstream: &str) -> bool {
        false
    }

    fn call(&self, call: HttpCall) -> CallFuture {
        Box::pin(async move { Err(CallError::UnknownUpstream(call.upstream)) })
    }
}
