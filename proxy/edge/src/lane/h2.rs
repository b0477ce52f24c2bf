//! An HTTP/2 stream whose request is in the slow lane.

use std::{future::poll_fn, io, sync::Arc, task::Poll};

use bytes::Bytes;
use tidegate_http::{FieldList, Framing, Head, Method, Refusal, ResponseHead};
use tidegate_http2::{Encoder, ErrorCode, StreamId};
use tidegate_spec::NodeLimits;
use tidegate_upstream::{Downstream, DownstreamGone, ResponseFraming};

use super::{Account, BODY_TIMEOUT, BODY_TOO_LARGE, Lane};
use crate::{
    h2::{
        block,
        shared::{Shared, Side, State},
    },
    pace::Pace,
};

/// Response bytes queued on a stream before its producer waits.
const QUEUED_BYTES_MAX: usize = 128 * 1024;

/// An HTTP/2 stream whose request is in the slow lane.
pub(crate) struct H2 {
    shared: Arc<Shared>,
    stream: StreamId,
    body_done: bool,
    body_bytes_left: u64,
    received_bytes: u64,
    receiving: Pace,
    sending: Pace,
    refusal: Option<Refusal>,
    head_only: bool,
    head_sent: bool,
    /// Response body bytes still owed, where that is known.
    owed: Option<u64>,
    /// Raw bytes both ways (RFC 8441).
    raw: bool,
    ended: bool,
    finished: bool,
    sent_bytes: u64,
}

// === impl H2 ===

impl H2 {
    pub(crate) fn new(
        shared: Arc<Shared>,
        stream: StreamId,
        head: &Head<'_>,
        limits: &NodeLimits,
        body_bytes_max: u64,
    ) -> Self {
        Self {
            shared,
            stream,
            body_done: head.body() == Framing::Empty,
            body_bytes_left: body_bytes_max,
            received_bytes: 0,
            receiving: Pace::receiving(limits),
            sending: Pace::sending(limits),
            refusal: None,
            head_only: head.method() == Method::Head,
            head_sent: false,
            owed: None,
            raw: false,
            ended: false,
            finished: false,
            sent_bytes: 0,
        }
    }

    /// Queues frames and has them written.
    fn queue(&self, frames: impl FnOnce(&mut State)) -> Result<(), DownstreamGone> {
        let mut state = self.shared.lock();
        state.mailbox(self.stream).ok_or(DownstreamGone)?;
        frames(&mut state);
        state.drive();
        Ok(())
    }

    /// Waits until the response has come so far.
    async fn wait_until(
        &mut self,
        far_enough: impl Fn(&mut State) -> bool,
    ) -> Result<(), DownstreamGone> {
        let (shared, stream) = (self.shared.clone(), self.stream);
        let mut queued = shared.lock().http2.queued_bytes(stream);
        loop {
            let step = poll_fn(|cx| {
                let mut state = shared.lock();
                let left = state.http2.queued_bytes(stream);
                if left < queued || far_enough(&mut state) {
                    return Poll::Ready(Ok((left, far_enough(&mut state))));
                }
                match state.mailbox(stream) {
                    None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                    Some(mailbox) => {
                        mailbox.wait(Side::Writing, cx);
                        Poll::Pending
                    }
                }
            });
            let (left, done) = self.sending.wait(step).await.map_err(|_| DownstreamGone)?;
            self.sending.moved(queued.saturating_sub(left));
            queued = left;
            if done {
                return Ok(());
            }
        }
    }

    async fn wait_for_room(&mut self) -> Result<(), DownstreamGone> {
        let stream = self.stream;
        let is_room = move |state: &mut State| {
            state.mailbox(stream).is_some() && state.http2.queued_bytes(stream) < QUEUED_BYTES_MAX
        };
        if is_room(&mut self.shared.lock()) { Ok(()) } else { self.wait_until(is_room).await }
    }

    async fn read_piece(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        let (shared, stream) = (self.shared.clone(), self.stream);
        let piece = poll_fn(|cx| {
            let mut state = shared.lock();
            let Some(mailbox) = state.mailbox(stream) else {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            };
            if let Some(piece) = mailbox.body.pop_front() {
                state.http2.release(stream, piece.len());
                state.drive();
                return Poll::Ready(Ok(Some(piece)));
            }
            if mailbox.ended {
                return Poll::Ready(Ok(None));
            }
            mailbox.wait(Side::Reading, cx);
            Poll::Pending
        });
        match self.receiving.wait(piece).await {
            Ok(piece) => Ok(piece),
            Err(error) => {
                if error.kind() == io::ErrorKind::TimedOut {
                    self.refusal = Some(BODY_TIMEOUT);
                }
                Err(DownstreamGone)
            }
        }
    }

    fn send_head(
        &mut self,
        head: &ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        let bodiless = self.head_only || matches!(head.status, 204 | 304);
        self.owed = match framing {
            _ if bodiless => Some(0),
            ResponseFraming::Empty { .. } => Some(0),
            ResponseFraming::Length(length) => Some(length),
            ResponseFraming::Unknown => None,
        };
        self.ended = self.owed == Some(0);
        let mut fields = Vec::with_capacity(head.fields.wire().len() + 64);
        block::of_head(head, framing, &mut fields);
        let (stream, end) = (self.stream, self.ended);
        self.queue(|state| state.http2.respond(stream, &[&fields], end))?;
        self.head_sent = true;
        Ok(())
    }

    fn count(&mut self, data: Bytes) -> Result<Bytes, DownstreamGone> {
        let length = data.len() as u64;
        self.received_bytes += length;
        self.receiving.moved(data.len());
        if length > self.body_bytes_left && !self.raw {
            self.refusal = Some(BODY_TOO_LARGE);
            return Err(DownstreamGone);
        }
        self.body_bytes_left = self.body_bytes_left.saturating_sub(length);
        Ok(data)
    }
}

impl Downstream for H2 {
    async fn read_body(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        if self.body_done {
            return Ok(None);
        }
        let piece = self.read_piece().await?;
        match piece {
            Some(data) => self.count(data).map(Some),
            None => {
                self.body_done = true;
                Ok(None)
            }
        }
    }

    fn body_done(&self) -> bool {
        self.body_done
    }

    async fn idle(&mut self) -> DownstreamGone {
        let stream = self.stream;
        poll_fn(|cx| {
            let mut state = self.shared.lock();
            match state.mailbox(stream) {
                None => Poll::Ready(DownstreamGone),
                Some(mailbox) => {
                    mailbox.wait(Side::Reading, cx);
                    Poll::Pending
                }
            }
        })
        .await
    }

    async fn write_informational(&mut self, head: &ResponseHead) -> Result<(), DownstreamGone> {
        let mut fields = Vec::with_capacity(256);
        Encoder::status(&mut fields, head.status);
        block::fields(&head.fields, &mut fields);
        self.queue(|state| state.http2.inform(self.stream, &[&fields]))
    }

    async fn write_head(
        &mut self,
        head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.send_head(&head, framing)
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        if data.is_empty() || self.head_only {
            return Ok(());
        }
        let length = data.len() as u64;
        if let Some(owed) = &mut self.owed {
            *owed = owed.checked_sub(length).ok_or(DownstreamGone)?;
            self.ended = *owed == 0;
        }
        let (stream, end) = (self.stream, self.ended);
        self.queue(|state| state.http2.send_data(stream, data, end))?;
        self.sent_bytes += length;
        self.wait_for_room().await
    }

    async fn finish(&mut self, trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        // Fewer bytes than announced: the client must see a broken transfer.
        if self.owed.is_some_and(|owed| owed > 0) {
            return Err(DownstreamGone);
        }
        let stream = self.stream;
        if !self.ended {
            let mut fields = Vec::new();
            if let Some(trailers) = &trailers {
                block::fields(trailers, &mut fields);
            }
            self.queue(|state| match trailers {
                Some(_) => state.http2.send_trailers(stream, &[&fields]),
                None => state.http2.send_data(stream, Bytes::new(), true),
            })?;
            self.ended = true;
        }
        self.finished = true;
        self.wait_until(move |state| state.mailbox(stream).is_some_and(|mailbox| mailbox.sent))
            .await
    }

    async fn write_upgrade(&mut self, mut head: ResponseHead) -> Result<(), DownstreamGone> {
        // RFC 8441 section 5: what 101 says on HTTP/1.1, 200 says here, without the handshake's
        // proof, which the stream does not need.
        head.status = 200;
        head.fields.remove("sec-websocket-accept");
        self.send_head(&head, ResponseFraming::Unknown)?;
        self.raw = true;
        self.body_done = false;
        self.receiving.without_rate();
        self.sending.without_rate();
        Ok(())
    }
}

impl Lane for H2 {
    fn account(&self) -> Account {
        Account {
            head_sent: self.head_sent,
            body_refusal: self.refusal,
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
        }
    }

    fn take_trailers(&mut self) -> Option<FieldList> {
        self.shared.lock().mailbox(self.stream)?.trailers.take()
    }
}

impl Drop for H2 {
    /// A response that is not complete breaks its stream: the client must see it.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if !self.finished && state.mailbox(self.stream).is_some() {
            state.http2.reset(self.stream, ErrorCode::INTERNAL_ERROR);
            state.drive();
        }
        state.close(self.stream);
    }
}
