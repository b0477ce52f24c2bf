//! Input: the preface, frames one by one, and bodies in the pieces they arrive in.

use super::{
    Connection, Fault, Nuisance, Pending, Phase, Step, WINDOW_BYTES_MAX,
    frame::{FrameHead, HEAD_BYTES, flag, kind},
};
use crate::{ErrorCode, PREFACE};

/// A DATA frame on its way in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    id: u32,
    left: usize,
    padding: usize,
    end: bool,
}

pub(super) const fn bad_protocol<T>(detail: &'static str) -> Result<T, Fault> {
    Err(Fault::Connection(ErrorCode::PROTOCOL_ERROR, detail))
}

pub(super) const fn bad_size<T>(detail: &'static str) -> Result<T, Fault> {
    Err(Fault::Connection(ErrorCode::FRAME_SIZE_ERROR, detail))
}

impl Connection {
    /// One step, with whatever it breaks turned into what it costs.
    #[inline]
    pub(super) fn step(&mut self, input: &[u8]) -> Step {
        match self.advance(input) {
            Ok(step) => step,
            Err(Fault::Connection(code, detail)) => {
                Step::Event(input.len(), self.fail(code, detail))
            }
            // `advance` resolves the faults of streams.
            Err(Fault::Stream(..)) => Step::More,
        }
    }

    fn advance(&mut self, input: &[u8]) -> Result<Step, Fault> {
        if input.is_empty() {
            return Ok(Step::More);
        }
        match (self.phase, self.body) {
            (Phase::Open, Some(body)) => Ok(self.piece(body, input)),
            (Phase::Open | Phase::FirstSettings, _) => self.frame(input),
            (Phase::Preface(seen), _) => self.preface(seen, input),
            (Phase::Failed, _) => Ok(Step::Done(input.len())),
        }
    }

    fn preface(&mut self, seen: usize, input: &[u8]) -> Result<Step, Fault> {
        let wanted = &PREFACE[seen..];
        let length = wanted.len().min(input.len());
        if input[..length] != wanted[..length] {
            return bad_protocol("the connection preface is not that of HTTP/2");
        }
        self.phase = match seen + length {
            seen if seen < PREFACE.len() => Phase::Preface(seen),
            _ => Phase::FirstSettings,
        };
        Ok(Step::Done(length))
    }

    fn frame(&mut self, input: &[u8]) -> Result<Step, Fault> {
        let Some(head) = FrameHead::read(input) else { return Ok(Step::More) };
        self.in_order(head)?;
        let rest = &input[HEAD_BYTES..];
        if head.kind == kind::DATA {
            return self.data(head, rest);
        }
        let Some(payload) = rest.get(..head.length) else { return Ok(Step::More) };
        let length = HEAD_BYTES + head.length;
        let pending = match self.whole_frame(head, payload) {
            Err(Fault::Stream(id, code, detail)) => self.fail_stream(id, code, detail)?,
            other => other?,
        };
        Ok(pending.map_or(Step::Done(length), |pending| Step::Event(length, pending)))
    }

    /// What a frame's head tells before its payload is there.
    #[inline]
    fn in_order(&self, head: FrameHead) -> Result<(), Fault> {
        if head.length > self.settings.frame_bytes_max as usize {
            return bad_size("a frame exceeds the largest size");
        }
        // RFC 9113 3.4: the preface ends with SETTINGS.
        if self.phase == Phase::FirstSettings
            && (head.kind != kind::SETTINGS || head.has(flag::ACK))
        {
            return bad_protocol("the first frame is not settings");
        }
        // RFC 9113 4.3: nothing may come between the frames of a field block.
        match &self.assembly {
            Some(assembly) if head.kind != kind::CONTINUATION || head.stream != assembly.id => {
                bad_protocol("a frame comes in the middle of a field block")
            }
            None if head.kind == kind::CONTINUATION => {
                bad_protocol("a continuation comes without a field block")
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn whole_frame(&mut self, head: FrameHead, payload: &[u8]) -> Result<Option<Pending>, Fault> {
        match head.kind {
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::WINDOW_UPDATE => self.window_update(head, payload),
            kind::RST_STREAM => self.rst_stream(head, payload),
            kind::SETTINGS => self.settings_frame(head, payload),
            kind::PING => self.ping(head, payload),
            kind::PRIORITY => self.priority_frame(head, payload),
            kind::PRIORITY_UPDATE => self.priority_update(head, payload),
            kind::GOAWAY => self.goaway_frame(head, payload),
            kind::PUSH_PROMISE => bad_protocol("a client cannot push"),
            // RFC 9113 5.5: unknown frames are ignored.
            _ => self.count(Nuisance::EmptyFrame).map(|()| None),
        }
    }

    /// The head of a DATA frame: everything about it is judged before a byte is handed over.
    fn data(&mut self, head: FrameHead, rest: &[u8]) -> Result<Step, Fault> {
        if head.stream == 0 {
            return bad_protocol("data on stream 0");
        }
        let (prefix, padding) = if head.has(flag::PADDED) {
            let Some(&padding) = rest.first().filter(|_| head.length > 0) else {
                return if head.length == 0 {
                    bad_size("a padded frame is empty")
                } else {
                    Ok(Step::More)
                };
            };
            (1, usize::from(padding))
        } else {
            (0, 0)
        };
        let Some(left) = head.length.checked_sub(prefix + padding) else {
            return bad_protocol("the padding is longer than its frame");
        };
        // RFC 9113 6.9.1: the whole payload counts, on whatever stream.
        self.recv_window -= head.length as i64;
        if self.recv_window < 0 {
            return Err(Fault::Connection(
                ErrorCode::FLOW_CONTROL_ERROR,
                "data exceeds the connection's window",
            ));
        }
        self.release_connection((prefix + padding) as u32);
        let end = head.has(flag::END_STREAM);
        self.body = Some(Body { id: head.stream, left, padding, end });
        let length = HEAD_BYTES + prefix;
        match self.admit(head, left, end) {
            Ok(wanted) => {
                self.drop_empty_body();
                let pending = (left == 0 && end && wanted).then_some(Pending::Data {
                    id: head.stream,
                    data: 0..0,
                    end,
                });
                Ok(pending.map_or(Step::Done(length), |pending| Step::Event(length, pending)))
            }
            Err(Fault::Stream(id, code, detail)) => {
                let pending = self.fail_stream(id, code, detail)?;
                self.drop_empty_body();
                Ok(pending.map_or(Step::Done(length), |pending| Step::Event(length, pending)))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Charges the frame to its stream; whether anybody wants its bytes.
    fn admit(&mut self, head: FrameHead, left: usize, end: bool) -> Result<bool, Fault> {
        let id = head.stream;
        let closed = |detail| Err(Fault::Stream(id, ErrorCode::STREAM_CLOSED, detail));
        if left == 0 && !end {
            self.count(Nuisance::EmptyFrame)?;
        }
        let Some(slot) = self.streams.find(id) else {
            return match id {
                _ if id > self.last_id || id.is_multiple_of(2) => {
                    bad_protocol("data on a stream that is idle")
                }
                // Under way when the reset was sent.
                _ if self.reset.contains(id) => Ok(false),
                _ => closed("data on a stream that is closed"),
            };
        };
        let initial = self.initial_recv_window();
        let stream = self.streams.at_mut(slot);
        if stream.remote_ended {
            return closed("data after the end of the request");
        }
        stream.recv_window -= head.length as i64;
        if stream.recv_window < 0 {
            let detail = "data exceeds the stream's window";
            return Err(Fault::Stream(id, ErrorCode::FLOW_CONTROL_ERROR, detail));
        }
        stream.unannounced += (head.length - left) as u32;
        if let Some(expected) = &mut stream.expected {
            // RFC 9113 8.1.1.
            let rest = expected.checked_sub(left as u64).filter(|rest| !end || *rest == 0);
            let Some(rest) = rest else {
                let detail = "the body does not have the length of content-length";
                return Err(Fault::Stream(id, ErrorCode::PROTOCOL_ERROR, detail));
            };
            *expected = rest;
        }
        let answered = stream.answered;
        let wasted = answered && stream.recv_window < initial / 2;
        if end {
            self.end_remote(slot);
        } else if wasted {
            self.stop_upload(slot);
        }
        Ok(!answered)
    }

    fn drop_empty_body(&mut self) {
        self.body = self.body.filter(|body| body.left + body.padding > 0);
    }

    /// What has arrived of a DATA frame's payload.
    fn piece(&mut self, mut body: Body, input: &[u8]) -> Step {
        let taken = body.left.min(input.len());
        let skipped = body.padding.min(input.len() - taken);
        body.left -= taken;
        body.padding -= skipped;
        self.body = Some(body);
        self.drop_empty_body();
        let length = taken + skipped;
        // It may never have been open, and the owner may have ended it since the frame began.
        let stream = self.streams.by_id(body.id).filter(|stream| !stream.answered);
        match stream {
            Some(stream) if taken > 0 => {
                stream.unreleased += taken as u32;
                let end = body.end && body.left == 0;
                Step::Event(length, Pending::Data { id: body.id, data: 0..taken, end })
            }
            _ => {
                self.release_connection(taken as u32);
                Step::Done(length)
            }
        }
    }

    /// The client's side of a stream has ended.
    pub(super) fn end_remote(&mut self, slot: u16) {
        let stream = self.streams.at_mut(slot);
        stream.remote_ended = true;
        if stream.answered {
            let id = stream.id;
            self.ended.push(id);
            self.close(slot);
        }
    }

    /// What a client may send on a new stream. Until it has acknowledged our settings, it may still
    /// go by the default.
    pub(super) fn initial_recv_window(&self) -> i64 {
        let ours = self.settings.initial_stream_window_bytes;
        let least = if self.settled { 0 } else { super::WINDOW_BYTES_DEFAULT };
        i64::from(ours.max(least)).min(WINDOW_BYTES_MAX)
    }
}
