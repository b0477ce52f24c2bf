//! The session object through which Pingora's proxy sees the client.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::custom::server::Session;
use pingora_core::protocols::http::custom::{CustomMessageWrite, is_informational_except_101};
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_error::{BError, Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use tidegate_http::{FieldList, Framing};

use crate::convert;
use crate::downstream::{Downstream, DownstreamGone, ResponseFraming};
use crate::outcome::Stage;
use crate::plan::Plan;
use replay::Replay;

mod replay;

/// The client's side of an exchange as a Pingora session.
///
/// Pingora calls `response_duplex_vec` with what came from the server, and `read_body_or_idle`
/// for what the client sends; everything else of the trait is bookkeeping. The request head it
/// shows is bare: the proxy puts the real one in place, once, for the version at hand.
pub(crate) struct ClientSide<D: Downstream> {
    bare: RequestHeader,
    downstream: Option<D>,
    slot: Slot<D>,
    plan: Arc<Plan>,
    replay: Replay,
    upgrade: Upgrade,
    interims: u32,
    /// Body bytes the response head promised and that are still to come.
    missing: Option<u64>,
    body_bytes_read: usize,
    body_bytes_sent: usize,
}

/// Interim responses before the final one; more come from no honest server.
const INTERIMS_MAX: u32 = 32;

/// Where the downstream is put when the session ends, however it ends.
pub(crate) type Slot<D> = Arc<Mutex<Option<D>>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    No,
    Open,
    ClientDone,
}

impl<D: Downstream> ClientSide<D> {
    /// The session for one exchange, and where its downstream will be found afterwards.
    pub(crate) fn new(downstream: D, plan: Arc<Plan>) -> (Self, Slot<D>) {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = plan.outbound.method.clone();
        let slot = Slot::default();
        let session = Self {
            bare: RequestHeader::from(parts),
            downstream: Some(downstream),
            slot: Arc::clone(&slot),
            plan,
            replay: Replay::default(),
            upgrade: Upgrade::No,
            interims: 0,
            missing: None,
            body_bytes_read: 0,
            body_bytes_sent: 0,
        };
        (session, slot)
    }

    async fn relay(&mut self, task: HttpTask) -> Result<bool> {
        match task {
            HttpTask::Header(head, end) => self.relay_head(&head, end).await,
            HttpTask::Body(data, end) | HttpTask::UpgradedBody(data, end) => {
                self.relay_body(data.unwrap_or_default()).await?;
                self.finish_if(end, None).await
            }
            HttpTask::Trailer(map) => {
                let trailers = map.map(|map| convert::trailers(&map));
                self.finish_if(true, trailers.filter(|t| !t.is_empty())).await
            }
            HttpTask::Done => self.finish_if(true, None).await,
            HttpTask::Failed(error) => Err(error),
        }
    }

    async fn relay_head(&mut self, head: &ResponseHeader, end: bool) -> Result<bool> {
        let status = head.status.as_u16();
        if is_informational_except_101(u32::from(status)) {
            self.interims += 1;
            if self.interims > INTERIMS_MAX {
                return Err(refuse("interim_flood"));
            }
            let interim = convert::interim(head);
            let written = self.side()?.write_informational(&interim).await;
            return self.taken(written).map(|()| false);
        }
        self.head_read(status);
        if status == 101 {
            return self.switch(head).await;
        }
        let bodiless = self.plan.outbound.method == http::Method::HEAD;
        let (head, framing) = convert::response(head, end, bodiless).map_err(refuse)?;
        self.missing = match framing {
            ResponseFraming::Empty { .. } => Some(0),
            ResponseFraming::Length(length) => Some(length),
            ResponseFraming::Unknown => None,
        };
        self.plan.progress().head_sent = true;
        let written = self.side()?.write_head(head, framing).await;
        self.taken(written)?;
        self.finish_if(end, None).await
    }

    async fn switch(&mut self, head: &ResponseHeader) -> Result<bool> {
        if self.plan.outbound.upgrade.is_none() {
            return Err(refuse("unasked_upgrade"));
        }
        self.plan.progress().head_sent = true;
        self.upgrade = Upgrade::Open;
        let written = self.side()?.write_upgrade(convert::upgrade(head)).await;
        self.taken(written).map(|()| false)
    }

    async fn relay_body(&mut self, data: Bytes) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let len = data.len();
        if let Some(missing) = &mut self.missing {
            *missing = missing.checked_sub(len as u64).ok_or_else(|| refuse("body_too_long"))?;
        }
        self.body_bytes_sent += len;
        self.plan.progress().trace.body_bytes += len as u64;
        let written = self.side()?.write_body(data).await;
        self.taken(written)
    }

    /// Ends the response when `end` says so; gives `end` back.
    async fn finish_if(&mut self, end: bool, trailers: Option<FieldList>) -> Result<bool> {
        if !end || self.plan.progress().finished {
            return Ok(end);
        }
        // A head that never came, or a promise not kept, is not an end.
        if !self.plan.progress().head_sent || self.missing.is_some_and(|missing| missing > 0) {
            return Err(refuse("early_end"));
        }
        let written = self.side()?.finish(trailers).await;
        self.taken(written)?;
        self.plan.progress().finished = true;
        if self.upgrade == Upgrade::Open {
            // The server closed: nothing the client still sends can reach it.
            self.upgrade = Upgrade::ClientDone;
        }
        Ok(true)
    }

    fn head_read(&self, status: u16) {
        let elapsed_us = self.plan.elapsed_us();
        let mut progress = self.plan.progress();
        progress.head_read = true;
        progress.status = status;
        progress.trace.first_byte_us = Some(elapsed_us);
    }

    fn side(&mut self) -> Result<&mut D> {
        self.downstream.as_mut().ok_or_else(|| Error::new_down(ErrorType::ConnectionClosed))
    }

    fn taken(&self, result: Result<(), DownstreamGone>) -> Result<()> {
        result.map_err(|DownstreamGone| self.gone())
    }

    fn gone(&self) -> BError {
        self.plan.progress().fault = Some((Stage::Client, "gone"));
        Error::new_down(ErrorType::ConnectionClosed)
    }

    /// Recorded here, since Pingora blames the client for whatever this side reports.
    fn stalled(&self) -> BError {
        let mut progress = self.plan.progress();
        let stage = if progress.head_sent { Stage::Body } else { Stage::FirstByte };
        progress.fault = Some((stage, "timeout"));
        Error::new_up(ErrorType::ReadTimedout)
    }

    async fn read(&mut self) -> Result<Option<Bytes>> {
        let read = self.side()?.read_body().await;
        let piece = read.map_err(|DownstreamGone| self.gone())?;
        match &piece {
            Some(data) => {
                self.body_bytes_read += data.len();
                self.keep(data);
            }
            None if self.upgrade == Upgrade::Open => self.upgrade = Upgrade::ClientDone,
            None => self.replay.end(),
        }
        Ok(piece)
    }

    fn has_no_body(&self) -> bool {
        matches!(self.plan.outbound.framing, Framing::Empty | Framing::Length(0))
    }

    fn keep(&mut self, data: &Bytes) {
        if self.upgrade == Upgrade::No {
            self.replay.keep(data);
        }
    }

    /// Waits for the client to go away, or for the response to stall.
    async fn wait(&mut self) -> BError {
        let stall = self.stall_after();
        let Ok(side) = self.side() else { return Error::new_down(ErrorType::ConnectionClosed) };
        let DownstreamGone = match stall {
            None => side.idle().await,
            Some(after) => tokio::select! {
                gone = side.idle() => gone,
                () = tokio::time::sleep(after) => return self.stalled(),
            },
        };
        self.gone()
    }

    /// How long the next piece of the response may take, when that is less than what the
    /// connection's own read timeout allows. The wait begins anew with every piece.
    fn stall_after(&self) -> Option<Duration> {
        let timeouts = &self.plan.group.config().timeouts;
        let own = self.plan.outbound.first_byte_timeout;
        // The connection of a request that may switch protocols has no read timeout of its own.
        let unguarded = self.plan.outbound.upgrade.is_some();
        if self.upgrade != Upgrade::No
            || !unguarded && own.is_none() && timeouts.between_bytes == timeouts.first_byte
        {
            return None;
        }
        let head_read = self.plan.progress().head_read;
        let first_byte = own.map_or(timeouts.first_byte, |own| own.min(timeouts.first_byte));
        let limit = if head_read { timeouts.between_bytes } else { first_byte };
        let pingora_waits = timeouts.between_bytes.max(timeouts.first_byte);
        (unguarded || limit < pingora_waits).then_some(limit)
    }
}

impl<D: Downstream> Drop for ClientSide<D> {
    fn drop(&mut self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = self.downstream.take();
    }
}

fn refuse(word: &'static str) -> BError {
    Error::new_up(ErrorType::Custom(word))
}

/// An entry point that only Pingora's own answers use; there are none here.
fn own_answer<T>() -> Result<T> {
    Err(Error::new_in(ErrorType::Custom("own_answer")))
}

#[async_trait]
impl<D: Downstream> Session for ClientSide<D> {
    fn req_header(&self) -> &RequestHeader {
        &self.bare
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.bare
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        self.read().await
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        Ok(())
    }

    async fn write_response_header(&mut self, _: Box<ResponseHeader>, _: bool) -> Result<()> {
        own_answer()
    }

    async fn write_response_header_ref(&mut self, _: &ResponseHeader, _: bool) -> Result<()> {
        own_answer()
    }

    async fn write_body(&mut self, _: Bytes, _: bool) -> Result<()> {
        own_answer()
    }

    async fn write_trailers(&mut self, _: HeaderMap) -> Result<()> {
        own_answer()
    }

    async fn response_duplex_vec(&mut self, mut tasks: Vec<HttpTask>) -> Result<bool> {
        // A fault that is already at hand must not cost the caller its chance to answer.
        if !self.plan.progress().head_sent
            && let Some(at) = tasks.iter().position(|task| matches!(task, HttpTask::Failed(_)))
            && let HttpTask::Failed(error) = tasks.swap_remove(at)
        {
            return Err(error);
        }
        let mut end = false;
        for task in tasks {
            end = self.relay(task).await?;
        }
        if !end {
            let written = self.side()?.flush().await;
            self.taken(written)?;
        }
        Ok(end)
    }

    fn set_read_timeout(&mut self, _: Option<Duration>) {}

    fn get_read_timeout(&self) -> Option<Duration> {
        None
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) {}

    fn get_write_timeout(&self) -> Option<Duration> {
        None
    }

    fn set_total_drain_timeout(&mut self, _: Option<Duration>) {}

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        None
    }

    fn request_summary(&self) -> String {
        String::new()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        None
    }

    async fn shutdown(&mut self, _: u32, _: &str) {}

    fn is_body_done(&mut self) -> bool {
        match self.upgrade {
            // Bytes that follow a request to switch protocols belong to what comes after it.
            Upgrade::No if self.has_no_body() => true,
            Upgrade::No => self.downstream.as_ref().is_none_or(Downstream::body_done),
            Upgrade::Open => false,
            Upgrade::ClientDone => true,
        }
    }

    async fn finish(&mut self) -> Result<()> {
        let end = self.upgrade != Upgrade::No;
        self.finish_if(end, None).await.map(drop)
    }

    fn is_body_empty(&mut self) -> bool {
        self.has_no_body()
    }

    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if self.plan.progress().finished && self.upgrade == Upgrade::No {
            // Answered before the request was complete: nobody waits for the rest of it, and the
            // connection to the server cannot be used again (RFC 9112 section 9.5).
            return Err(Error::new_in(ErrorType::Custom("answered_early")));
        }
        if no_body_expected { Err(self.wait().await) } else { self.read().await }
    }

    fn body_bytes_sent(&self) -> usize {
        self.body_bytes_sent
    }

    fn body_bytes_read(&self) -> usize {
        self.body_bytes_read
    }

    fn digest(&self) -> Option<&Digest> {
        None
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        None
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        None
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        None
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        Bytes::new()
    }

    fn enable_retry_buffering(&mut self) {}

    fn retry_buffer_truncated(&self) -> bool {
        self.replay.is_truncated()
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        self.replay.again()
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }

    fn is_upgrade_req(&self) -> bool {
        self.plan.outbound.upgrade.is_some()
    }

    fn was_upgraded(&self) -> bool {
        self.upgrade != Upgrade::No
    }
}
