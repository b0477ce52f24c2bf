//! An exchange whose answer is wanted whole: questions that the edge itself asks.

use bytes::{Bytes, BytesMut};
use tidegate_http::{FieldList, ResponseHead};
use tidegate_upstream::{Downstream, DownstreamGone, ResponseFraming};

/// Takes a whole answer of limited size into memory.
pub(crate) struct Collect {
    request_body: Option<Bytes>,
    bytes_max: usize,
    pub(crate) head: Option<ResponseHead>,
    pub(crate) body: BytesMut,
    pub(crate) complete: bool,
}

impl Collect {
    /// For a request with this body and an answer of at most `bytes_max` bytes.
    pub(crate) fn new(request_body: Bytes, bytes_max: usize) -> Self {
        Self {
            request_body: Some(request_body).filter(|body| !body.is_empty()),
            bytes_max,
            head: None,
            body: BytesMut::new(),
            complete: false,
        }
    }
}

impl Downstream for Collect {
    async fn read_body(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        Ok(self.request_body.take())
    }

    fn body_done(&self) -> bool {
        self.request_body.is_none()
    }

    async fn write_head(
        &mut self,
        head: ResponseHead,
        _framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.head = Some(head);
        Ok(())
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        if self.body.len() + data.len() > self.bytes_max {
            return Err(DownstreamGone);
        }
        self.body.extend_from_slice(&data);
        Ok(())
    }

    async fn finish(&mut self, _trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        self.complete = true;
        Ok(())
    }
}
