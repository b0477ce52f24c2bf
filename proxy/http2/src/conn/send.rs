//! Output of the owner: heads at once, bodies queued or, where nothing stands in the way, straight to the
//! sink.

use bytes::Bytes;

use super::{
    Connection,
    frame::{FrameHead, flag, kind, write_words},
};
use crate::{ErrorCode, Progress, Sink, StreamId};

/// A body up to this size may go past the queue; larger ones take turns.
const DIRECT_BYTES_MAX: usize = 64 * 1024;
/// A dynamic table size update to 0 (RFC 7541 6.3).
const TABLE_UPDATE: &[u8] = &[0x20];

impl Connection {
    /// Answers a request completely with one field block, given in pieces, and a body. When the
    /// windows allow and nothing more urgent waits, the frames go straight to `out` (behind
    /// whatever control frames are queued); otherwise they are queued. Returns whether all of it
    /// went to `out`; only otherwise the stream will be told of by [`Self::progress`].
    ///
    /// On a stream that is not open, or that has an answer, nothing happens, as with every method
    /// below.
    pub fn answer(
        &mut self,
        stream: StreamId,
        block: &[&[u8]],
        body: &Bytes,
        out: &mut impl Sink,
    ) -> bool {
        let Some(slot) = self.unanswered(stream) else { return true };
        if !self.may_go_direct(slot, body.len()) {
            self.respond(stream, block, body.is_empty());
            if !body.is_empty() {
                self.send_data(stream, body.clone(), true);
            }
            return false;
        }
        self.flush_ready(out);
        let flags = if body.is_empty() { flag::END_STREAM } else { 0 };
        self.write_block(out.bytes(), stream.0, flags, block);
        self.write_direct(slot, body, out);
        self.end_local(slot);
        true
    }

    /// Queues a final response head; `end` when no body and no trailers follow.
    pub fn respond(&mut self, stream: StreamId, block: &[&[u8]], end: bool) {
        let Some(slot) = self.unanswered(stream) else { return };
        self.streams.at_mut(slot).headed = true;
        let mut ready = std::mem::take(&mut self.ready);
        let flags = if end { flag::END_STREAM } else { 0 };
        self.write_block(&mut ready, stream.0, flags, block);
        self.ready = ready;
        if end {
            self.finish(slot);
        }
    }

    /// Queues an informational response head (1xx).
    pub fn inform(&mut self, stream: StreamId, block: &[&[u8]]) {
        if self.unanswered(stream).is_some() {
            let mut ready = std::mem::take(&mut self.ready);
            self.write_block(&mut ready, stream.0, 0, block);
            self.ready = ready;
        }
    }

    /// Queues a piece of a response body; `end` when it is the last and no trailers follow.
    pub fn send_data(&mut self, stream: StreamId, data: Bytes, end: bool) {
        let Some(slot) = self.answering(stream) else { return };
        let turn = self.turn;
        let state = self.streams.at_mut(slot);
        state.end_queued = end;
        state.told = false;
        if !data.is_empty() {
            if state.queued_bytes == 0 {
                state.served = turn;
                self.sendable.push(slot);
            }
            state.queued_bytes += data.len();
            state.queue.push_back(data);
        } else if end && state.queued_bytes == 0 {
            // Nothing is left to carry the end: a frame without bytes needs no window.
            let head = FrameHead {
                length: 0,
                kind: kind::DATA,
                flags: flag::END_STREAM,
                stream: stream.0,
            };
            head.write(&mut self.ready);
            self.finish(slot);
        }
    }

    /// Queues the trailers, which end the response.
    pub fn send_trailers(&mut self, stream: StreamId, block: &[&[u8]]) {
        let Some(slot) = self.answering(stream) else { return };
        let state = self.streams.at_mut(slot);
        state.end_queued = true;
        if state.queued_bytes > 0 {
            state.trailers = Some(block.concat().into());
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        self.write_block(&mut ready, stream.0, flag::END_STREAM, block);
        self.ready = ready;
        self.finish(slot);
    }

    /// Body bytes queued and not yet handed to a sink. Stop queueing at a bound of your own and go
    /// on at [`Progress::Writable`].
    pub fn queued_bytes(&self, stream: StreamId) -> usize {
        self.streams.find(stream.0).map_or(0, |slot| self.streams.at(slot).queued_bytes)
    }

    /// Whether the response on the stream can still be sent: false once its end was handed over,
    /// and after a reset by whichever side.
    pub fn is_open(&self, stream: StreamId) -> bool {
        self.streams.find(stream.0).is_some_and(|slot| !self.streams.at(slot).answered)
    }

    /// Ends a stream early (RST_STREAM); what is queued for it is dropped.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        if let Some(slot) = self.streams.find(stream.0) {
            write_words(&mut self.ready, kind::RST_STREAM, stream.0, [code.0]);
            self.reset.push(stream.0);
            self.close(slot);
        }
    }

    /// Tells that `bytes` of the stream's request body have been taken, so that the client may send
    /// as many again.
    pub fn release(&mut self, stream: StreamId, bytes: usize) {
        let initial = self.settings.initial_stream_window_bytes;
        let Some(state) = self.streams.by_id(stream.0) else { return };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(state.unreleased);
        state.unreleased -= bytes;
        state.unannounced += bytes;
        let due = state.unannounced >= (initial / 2).max(1);
        if due && !state.remote_ended && !state.answered {
            let bytes = std::mem::take(&mut state.unannounced);
            state.recv_window += i64::from(bytes);
            write_words(&mut self.ready, kind::WINDOW_UPDATE, stream.0, [bytes]);
        }
        self.release_connection(bytes);
    }

    /// The stream, if it is open and has no final response head.
    #[inline]
    fn unanswered(&self, stream: StreamId) -> Option<u16> {
        self.streams.find(stream.0).filter(|slot| !self.streams.at(*slot).headed)
    }

    /// The stream, if its response has begun and not ended.
    fn answering(&self, stream: StreamId) -> Option<u16> {
        let slot = self.streams.find(stream.0)?;
        let state = self.streams.at(slot);
        (state.headed && !state.end_queued).then_some(slot)
    }

    /// Whether a body fits the windows and nothing more urgent waits that could be sent.
    #[inline]
    fn may_go_direct(&self, slot: u16, length: usize) -> bool {
        if length == 0 {
            return true;
        }
        let stream = self.streams.at(slot);
        let window = self.send_window.min(stream.send_window);
        length <= DIRECT_BYTES_MAX
            && length as i64 <= window
            && !self.sendable.iter().any(|other| {
                let other = self.streams.at(*other);
                other.send_window > 0 && other.priority.urgency < stream.priority.urgency
            })
    }

    /// A whole body in frames, END_STREAM on the last.
    fn write_direct(&mut self, slot: u16, body: &Bytes, out: &mut impl Sink) {
        let length_max = self.peer.frame_bytes_max.min(super::schedule::QUANTUM_BYTES);
        let stream = self.streams.at_mut(slot);
        stream.headed = true;
        stream.send_window -= body.len() as i64;
        self.send_window -= body.len() as i64;
        let mut at = 0;
        while at < body.len() {
            let length = length_max.min(body.len() - at);
            let last = at + length == body.len();
            let flags = if last { flag::END_STREAM } else { 0 };
            FrameHead { length, kind: kind::DATA, flags, stream: stream.id }.write(out.bytes());
            if length == body.len() {
                out.body(body);
            } else {
                out.body(&body.slice(at..at + length));
            }
            at += length;
            self.abuse.earn();
        }
    }

    /// Hands over control frames and heads.
    #[inline]
    pub(super) fn flush_ready(&mut self, out: &mut impl Sink) -> usize {
        if self.ready.is_empty() {
            return 0;
        }
        let length = self.ready.len();
        out.bytes().extend_from_slice(&self.ready);
        if self.ready.capacity() > super::READY_BYTES_KEPT {
            self.ready = Vec::new();
        }
        self.ready.clear();
        self.abuse.replied();
        length
    }

    /// A field block as HEADERS and, where it exceeds the client's frame size, CONTINUATION.
    pub(super) fn write_block(
        &mut self,
        out: &mut Vec<u8>,
        stream: u32,
        flags: u8,
        block: &[&[u8]],
    ) {
        let update = std::mem::take(&mut self.peer.table_update_due);
        let update = if update { TABLE_UPDATE } else { &[] };
        let length = update.len() + block.iter().map(|piece| piece.len()).sum::<usize>();
        if length > self.peer.frame_bytes_max {
            let block = [update, &block.concat()].concat();
            return split_block(out, stream, flags, &block, self.peer.frame_bytes_max);
        }
        let flags = flags | flag::END_HEADERS;
        FrameHead { length, kind: kind::HEADERS, flags, stream }.write(out);
        out.extend_from_slice(update);
        for piece in block {
            out.extend_from_slice(piece);
        }
    }

    /// The end of the response is queued where nothing can stop it.
    fn finish(&mut self, slot: u16) {
        let stream = StreamId(self.streams.at(slot).id);
        self.end_local(slot);
        self.progress.push_back(Progress::Sent(stream));
    }

    /// Our side of a stream has ended.
    pub(super) fn end_local(&mut self, slot: u16) {
        let stream = self.streams.at_mut(slot);
        stream.end_queued = true;
        if stream.remote_ended {
            let id = stream.id;
            self.ended.push(id);
            self.close(slot);
            return;
        }
        stream.answered = true;
        stream.answered_us = self.now_us;
        // What the owner did not take, nobody will.
        let unreleased = std::mem::take(&mut stream.unreleased);
        self.release_connection(unreleased);
    }
}

fn split_block(out: &mut Vec<u8>, stream: u32, flags: u8, block: &[u8], frame_bytes_max: usize) {
    let count = block.len().div_ceil(frame_bytes_max);
    for (index, fragment) in block.chunks(frame_bytes_max).enumerate() {
        let end = if index + 1 == count { flag::END_HEADERS } else { 0 };
        let (kind, flags) =
            if index == 0 { (kind::HEADERS, flags | end) } else { (kind::CONTINUATION, end) };
        FrameHead { length: fragment.len(), kind, flags, stream }.write(out);
        out.extend_from_slice(fragment);
    }
}
