//! Which body goes next (RFC 9218 10).
//!
//! By urgency; within one, streams that are not incremental one after the other in the order of
//! their numbers, then incremental ones in turn, a frame each. A client that never said anything of
//! priorities did not ask for one answer after the other, and its streams all take turns. Every
//! sixteenth frame goes to whoever waited longest, so that nobody starves.

use bytes::{Buf, Bytes};

use super::{
    Connection,
    frame::{FrameHead, flag, kind},
    streams::Stream,
};
use crate::{Progress, Sink, StreamId};

/// Bytes of the largest DATA frame: what a stream gets before another has its turn.
pub(super) const QUANTUM_BYTES: usize = 16_384;
/// Every so many frames the longest wait counts more than urgency.
const FAIR_FRAMES: u64 = 16;
/// Queued bytes below which the owner is told that it may queue more.
const QUEUE_LOW_BYTES: usize = 64 * 1024;

impl Connection {
    /// Hands queued frames to `out` until about `budget_bytes` were handed over, nothing is queued,
    /// or no window is open: control frames and heads first, then bodies by priority. Returns
    /// whether more could be written at once.
    pub fn write(&mut self, out: &mut impl Sink, budget_bytes: usize) -> bool {
        let mut written = self.flush_ready(out);
        while written < budget_bytes {
            let Some(slot) = self.pick() else { break };
            written += self.write_frame(slot, out);
        }
        // What was queued in between by the end of a stream.
        self.flush_ready(out);
        self.wants_write()
    }

    /// Whether [`Self::write`] would hand anything over.
    pub fn wants_write(&self) -> bool {
        !self.ready.is_empty() || self.pick().is_some()
    }

    /// What the last writes brought about, one at a time; for streams whose response was queued.
    /// To be asked after every write, until there is no more.
    pub fn progress(&mut self) -> Option<Progress> {
        self.progress.pop_front()
    }

    /// The stream whose turn it is, among those that have bytes and an open window.
    fn pick(&self) -> Option<u16> {
        if self.send_window <= 0 || self.sendable.is_empty() {
            return None;
        }
        let fair = self.turn % FAIR_FRAMES == FAIR_FRAMES - 1;
        let open = self.sendable.iter().filter(|slot| self.streams.at(**slot).send_window > 0);
        open.min_by_key(|slot| self.rank(self.streams.at(**slot), fair)).copied()
    }

    fn rank(&self, stream: &Stream, fair: bool) -> (u8, bool, u64) {
        if fair {
            return (0, false, stream.served);
        }
        if stream.priority.incremental || !self.prioritised {
            (stream.priority.urgency, true, stream.served)
        } else {
            (stream.priority.urgency, false, u64::from(stream.id))
        }
    }

    /// One DATA frame of a stream, and its trailers when they follow; the bytes handed over.
    fn write_frame(&mut self, slot: u16, out: &mut impl Sink) -> usize {
        let window = self.send_window.min(self.streams.at(slot).send_window);
        let most = self.peer.frame_bytes_max.min(QUANTUM_BYTES).min(window as usize);
        self.turn += 1;
        let stream = self.streams.at_mut(slot);
        let length = most.min(stream.queued_bytes);
        let last = length == stream.queued_bytes;
        let ends = last && stream.end_queued && stream.trailers.is_none();
        let flags = if ends { flag::END_STREAM } else { 0 };
        stream.served = self.turn;
        stream.send_window -= length as i64;
        stream.queued_bytes -= length;
        self.send_window -= length as i64;
        self.abuse.earn();
        FrameHead { length, kind: kind::DATA, flags, stream: stream.id }.write(out.bytes());
        take(stream, length, out);
        self.after_frame(slot, last, out);
        length
    }

    fn after_frame(&mut self, slot: u16, last: bool, out: &mut impl Sink) {
        if last {
            self.sendable.retain(|other| *other != slot);
        }
        let stream = self.streams.at_mut(slot);
        let id = StreamId(stream.id);
        if last && stream.end_queued {
            if let Some(block) = stream.trailers.take() {
                self.write_block(out.bytes(), id.0, flag::END_STREAM, &[&block]);
            }
            self.end_local(slot);
            self.progress.push_back(Progress::Sent(id));
        } else if !stream.end_queued && !stream.told && stream.queued_bytes < QUEUE_LOW_BYTES {
            stream.told = true;
            self.progress.push_back(Progress::Writable(id));
        }
    }
}

/// Moves `length` bytes from a stream's queue to the sink.
fn take(stream: &mut Stream, mut length: usize, out: &mut impl Sink) {
    while let Some(front) = stream.queue.front_mut() {
        if front.len() > length {
            if length > 0 {
                let piece: Bytes = front.split_to(length);
                out.body(&piece);
            }
            return;
        }
        length -= front.remaining();
        if let Some(piece) = stream.queue.pop_front() {
            out.body(&piece);
        }
    }
}
