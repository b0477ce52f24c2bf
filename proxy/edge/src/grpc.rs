//! gRPC calls that plugins make: HTTP/2 exchanges whose bodies are messages with their length in front.

use bytes::{Buf, Bytes, BytesMut};
use tidegate_http::{FieldList, Framing, ResponseHead};
use tidegate_upstream::{Downstream, DownstreamGone, Outbound, ResponseFraming};
use tidegate_wasm::{GRPC_UNAVAILABLE, GrpcCall, GrpcEvent, GrpcEvents, Pairs};
use tokio::sync::mpsc;

/// The largest message handed to a plugin, in bytes.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Bytes in front of a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// Status of an answer that is no gRPC (`UNKNOWN`) and of one that breaks its rules (`INTERNAL`).
const UNKNOWN: u32 = 2;
const INTERNAL: u32 = 13;

/// The request of a call.
pub(crate) fn outbound(call: &GrpcCall) -> Outbound {
    let host = Bytes::copy_from_slice(call.upstream.as_bytes());
    let mut outbound = Outbound::new(http::Method::POST, host, call.path.clone());
    outbound.fields.set("content-type", "application/grpc");
    if let Some(timeout) = call.timeout {
        outbound.fields.set("grpc-timeout", format!("{}m", timeout.as_millis()));
    }
    for (name, value) in &call.metadata {
        let _ = outbound.fields.try_push(name, value);
    }
    outbound.framing = Framing::Chunked;
    outbound.wants_trailers = true;
    outbound
}

/// A plugin's end of a call.
pub(crate) struct GrpcSide {
    messages: mpsc::UnboundedReceiver<Vec<u8>>,
    events: GrpcEvents,
    received: BytesMut,
    sent_all: bool,
    /// The last event was sent.
    pub(crate) closed: bool,
}

impl GrpcSide {
    pub(crate) fn new(messages: mpsc::UnboundedReceiver<Vec<u8>>, events: GrpcEvents) -> Self {
        Self { messages, events, received: BytesMut::new(), sent_all: false, closed: false }
    }

    /// Tells the plugin how the call ended, once.
    pub(crate) fn close(&mut self, status: u32, text: &str) {
        if !std::mem::replace(&mut self.closed, true) {
            self.tell(GrpcEvent::Closed(status, text.to_owned()));
        }
    }

    fn tell(&self, event: GrpcEvent) {
        // The plugin may want to hear nothing more.
        let _ = self.events.send(event);
    }

    /// The status in trailers, or in a head that is all there is.
    fn close_by(&mut self, fields: &FieldList) -> bool {
        let Some(status) = fields.text("grpc-status").and_then(|text| text.parse().ok()) else {
            return false;
        };
        let text = fields.text("grpc-message").unwrap_or_default().to_owned();
        self.close(status, &text);
        true
    }

    /// Hands on the messages that are complete.
    fn take_messages(&mut self) -> Result<(), DownstreamGone> {
        while let Some(prefix) = self.received.first_chunk::<PREFIX_BYTES>() {
            let [compressed, length @ ..] = *prefix;
            let length = u32::from_be_bytes(length) as usize;
            if compressed != 0 || length > MESSAGE_BYTES_MAX {
                self.close(INTERNAL, "a message is compressed or too large");
                return Err(DownstreamGone);
            }
            if self.received.len() < PREFIX_BYTES + length {
                return Ok(());
            }
            self.received.advance(PREFIX_BYTES);
            let message = self.received.split_to(length);
            self.tell(GrpcEvent::Message(message.to_vec()));
        }
        Ok(())
    }
}

impl Downstream for GrpcSide {
    async fn read_body(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        let Some(message) = self.messages.recv().await else {
            self.sent_all = true;
            return Ok(None);
        };
        let mut framed = Vec::with_capacity(PREFIX_BYTES + message.len());
        framed.push(0);
        framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
        framed.extend_from_slice(&message);
        Ok(Some(framed.into()))
    }

    fn body_done(&self) -> bool {
        self.sent_all
    }

    async fn write_head(
        &mut self,
        head: ResponseHead,
        _framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        if self.close_by(&head.fields) {
            return Ok(());
        }
        if head.status != 200 {
            self.close(UNKNOWN, &format!("the upstream answered {}", head.status));
            return Err(DownstreamGone);
        }
        self.tell(GrpcEvent::Metadata(pairs(&head.fields)));
        Ok(())
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        self.received.extend_from_slice(&data);
        self.take_messages()
    }

    async fn finish(&mut self, trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        if let Some(trailers) = trailers {
            self.tell(GrpcEvent::Trailers(pairs(&trailers)));
            self.close_by(&trailers);
        }
        self.close(GRPC_UNAVAILABLE, "the answer ended without a status");
        Ok(())
    }
}

fn pairs(fields: &FieldList) -> Pairs {
    fields.iter().map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec())).collect()
}

#[cfg(test)]
mod tests;
