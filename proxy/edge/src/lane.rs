//! The slow lane's end of a connection: request body in, response out.
//!
//! A [`Lane`] is a [`Downstream`] of which the edge also knows whether anything was sent, so that
//! it can still answer after a fault. HTTP/1 is [`H1`], HTTP/2 [`H2`].

mod h1;
mod h2;
mod request_body;

use std::future::Future;

use bytes::Bytes;
use tidegate_http::{FieldList, Refusal, ResponseHead};
use tidegate_upstream::{Downstream, DownstreamGone, ResponseFraming};

pub(crate) use h1::{H1, close_gently, write_connection};
pub(crate) use h2::H2;

/// The client's end of one request.
pub(crate) trait Lane: Downstream {
    /// Whether the final response head has been written.
    fn head_sent(&self) -> bool;

    /// Why the request body could not be read, when it was the client's fault.
    fn body_refusal(&self) -> Option<Refusal>;

    /// Response body bytes written so far.
    fn sent_bytes(&self) -> u64;

    /// Request body bytes read so far.
    fn received_bytes(&self) -> u64;

    /// Sends a whole answer.
    fn answer(
        &mut self,
        head: ResponseHead,
        body: Bytes,
    ) -> impl Future<Output = Result<(), DownstreamGone>> + Send {
        async move {
            self.write_head(head, ResponseFraming::Length(body.len() as u64)).await?;
            if !body.is_empty() {
                self.write_body(body).await?;
            }
            self.finish(None::<FieldList>).await
        }
    }
}

pub(crate) const BODY_TOO_LARGE: Refusal = Refusal {
    status: 413,
    reason: "body_too_large",
    detail: "the request body is larger than this route takes",
};

const BODY_TIMEOUT: Refusal =
    Refusal { status: 408, reason: "body_timeout", detail: "the request body arrived too slowly" };
