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
    /// What has become of the exchange so far.
    fn account(&self) -> Account;

    /// The request's trailers, once its body has been read to the end; given once. None where
    /// there are none, or none that may come late (RFC 9110 section 6.5.1).
    fn take_trailers(&mut self) -> Option<FieldList>;

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

/// What has become of an exchange so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    /// Whether the final response head has been written.
    pub(crate) head_sent: bool,
    /// Why the request body could not be read, when it was the client's fault.
    pub(crate) body_refusal: Option<Refusal>,
    /// Response body bytes written.
    pub(crate) sent_bytes: u64,
    /// Request body bytes read.
    pub(crate) received_bytes: u64,
}

pub(crate) const BODY_TOO_LARGE: Refusal = Refusal {
    status: 413,
    reason: "body_too_large",
    detail: "the request body is larger than this route takes",
};

const BODY_TIMEOUT: Refusal =
    Refusal { status: 408, reason: "body_timeout", detail: "the request body arrived too slowly" };
