//! Field sections: HEADERS and CONTINUATION to requests and trailers.

use super::{
    Connection, Fault, Nuisance, Pending,
    frame::{FrameHead, flag},
    receive::{bad_protocol, bad_size},
    streams::Stream,
};
use crate::{
    ErrorCode,
    hpack::{Broken, Outcome},
    request,
};

/// A field block whose last frame has not come.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) id: u32,
    end_stream: bool,
    depends_on_itself: bool,
    block: Vec<u8>,
    frames: u32,
}

impl Assembly {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.block.capacity()
    }
}

/// A section whose block is complete.
#[derive(Debug, Clone, Copy)]
struct Section {
    id: u32,
    end_stream: bool,
    depends_on_itself: bool,
}

/// Bytes of the priority part that HEADERS may have (RFC 9113 6.2).
const PRIORITY_BYTES: usize = 5;

impl Connection {
    pub(super) fn headers(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Option<Pending>, Fault> {
        if head.stream == 0 || head.stream.is_multiple_of(2) {
            return bad_protocol("headers on a stream that no client can open");
        }
        let (block, depends_on_itself) = fragment(head, payload)?;
        let end_stream = head.has(flag::END_STREAM);
        if block.is_empty() {
            self.count(Nuisance::EmptyFrame)?;
        }
        let id = head.stream;
        if !head.has(flag::END_HEADERS) {
            let block = block.to_vec();
            let assembly = Assembly { id, end_stream, depends_on_itself, block, frames: 0 };
            self.assembly = Some(Box::new(assembly));
            return Ok(None);
        }
        self.section(Section { id, end_stream, depends_on_itself }, block)
    }

    pub(super) fn continuation(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Option<Pending>, Fault> {
        if payload.is_empty() {
            self.count(Nuisance::EmptyFrame)?;
        }
        let Some(mut assembly) = self.assembly.take() else {
            return bad_protocol("a continuation comes without a field block");
        };
        assembly.frames += 1;
        assembly.block.extend_from_slice(payload);
        let bytes_max = 2 * self.settings.head_bytes_max.max(self.settings.frame_bytes_max);
        if assembly.frames > self.settings.abuse.continuations
            || assembly.block.len() > bytes_max as usize
        {
            let detail = "a field block has too many continuations";
            return Err(Fault::Connection(ErrorCode::ENHANCE_YOUR_CALM, detail));
        }
        if !head.has(flag::END_HEADERS) {
            self.assembly = Some(assembly);
            return Ok(None);
        }
        let Assembly { id, end_stream, depends_on_itself, block, .. } = *assembly;
        self.section(Section { id, end_stream, depends_on_itself }, &block)
    }

    /// A complete block. It is decoded whatever becomes of the stream, because the dynamic table
    /// belongs to the connection (RFC 9113 4.3).
    fn section(&mut self, section: Section, block: &[u8]) -> Result<Option<Pending>, Fault> {
        let open = self.streams.find(section.id);
        if open.is_none() && section.id <= self.last_id && !self.reset.contains(section.id) {
            return if self.ended.contains(section.id) {
                let detail = "headers on a stream that is closed";
                Err(Fault::Connection(ErrorCode::STREAM_CLOSED, detail))
            } else {
                bad_protocol("a stream number is not higher than all before")
            };
        }
        let outcome = self.decoder.decode(block).map_err(|broken| match broken {
            Broken::Invalid(detail) => Fault::Connection(ErrorCode::COMPRESSION_ERROR, detail),
            Broken::Bomb => {
                Fault::Connection(ErrorCode::ENHANCE_YOUR_CALM, "a field block is a bomb")
            }
        })?;
        if section.depends_on_itself && open.is_some() {
            return Err(depends_on_itself(section.id));
        }
        match open {
            Some(slot) => self.trailers(slot, section, outcome),
            None if section.id <= self.last_id => Ok(None),
            None => self.open(section, outcome),
        }
    }

    /// A new stream.
    fn open(&mut self, section: Section, outcome: Outcome) -> Result<Option<Pending>, Fault> {
        let id = section.id;
        self.last_id = id;
        if matches!(self.goaway, super::GoAway::Final(last) if id > last) {
            // RFC 9113 6.8: ignored; the client knows that it was not taken.
            self.reset.push(id);
            return Ok(None);
        }
        if section.depends_on_itself {
            return self.refuse(id, ErrorCode::PROTOCOL_ERROR, "a stream depends on itself");
        }
        if self.streams.len() >= self.settings.streams_max as usize {
            return self.refuse(id, ErrorCode::REFUSED_STREAM, "too many streams are open");
        }
        if outcome == Outcome::TooLarge {
            self.open_stream(section);
            return Ok(Some(Pending::TooLarge { id }));
        }
        let (lines, arena) = (self.decoder.lines(), self.decoder.arena());
        let checked = match request::check(lines, arena, self.settings.extended_connect) {
            Ok(checked) => checked,
            Err(detail) => return self.refuse(id, ErrorCode::PROTOCOL_ERROR, detail),
        };
        let fields = self.decoder.lines().len() - usize::from(checked.pseudo);
        if fields > self.settings.fields_max as usize {
            self.open_stream(section);
            return Ok(Some(Pending::TooLarge { id }));
        }
        if section.end_stream && checked.content_length.is_some_and(|length| length > 0) {
            let detail = "the body does not have the length of content-length";
            return self.refuse(id, ErrorCode::PROTOCOL_ERROR, detail);
        }
        let slot = self.open_stream(section);
        let stream = self.streams.at_mut(slot);
        stream.expected = checked.content_length;
        if let Some(priority) = checked.priority {
            stream.priority = priority;
            self.prioritised = true;
        }
        if !self.early_priorities.is_empty() {
            self.apply_early_priority(slot);
        }
        self.fingerprint.finish(&checked);
        Ok(Some(Pending::Request { id, ended: section.end_stream, checked }))
    }

    #[inline]
    fn open_stream(&mut self, section: Section) -> u16 {
        let recv_window = self.initial_recv_window();
        let mut stream =
            Stream::new(section.id, Default::default(), self.peer.initial_window, recv_window);
        stream.remote_ended = section.end_stream;
        self.streams.push(stream)
    }

    /// Resets a stream that is not opened at all.
    fn refuse(
        &mut self,
        id: u32,
        code: ErrorCode,
        detail: &'static str,
    ) -> Result<Option<Pending>, Fault> {
        self.count(Nuisance::Reset)?;
        self.count(Nuisance::EarlyReset)?;
        self.write_reset(id, code)?;
        Ok(Some(Pending::Malformed { id, code, detail }))
    }

    /// A second section on a stream: the trailers, which end the request (RFC 9113 8.1).
    fn trailers(
        &mut self,
        slot: u16,
        section: Section,
        outcome: Outcome,
    ) -> Result<Option<Pending>, Fault> {
        let id = section.id;
        let malformed = |detail| Err(Fault::Stream(id, ErrorCode::PROTOCOL_ERROR, detail));
        let stream = self.streams.at(slot);
        if stream.remote_ended {
            let detail = "headers after the end of the request";
            return Err(Fault::Stream(id, ErrorCode::STREAM_CLOSED, detail));
        }
        if !section.end_stream {
            return malformed("trailers do not end the request");
        }
        if stream.expected.is_some_and(|expected| expected > 0) {
            return malformed("the body does not have the length of content-length");
        }
        if outcome == Outcome::TooLarge {
            return malformed("the trailers are too large");
        }
        if let Err(detail) = request::check_trailers(self.decoder.lines(), self.decoder.arena()) {
            return malformed(detail);
        }
        let answered = stream.answered;
        self.end_remote(slot);
        Ok((!answered).then_some(Pending::Trailers { id }))
    }
}

/// The field block fragment of HEADERS, and whether its priority part names the stream itself
/// (RFC 9113 6.2).
#[inline]
fn fragment(head: FrameHead, payload: &[u8]) -> Result<(&[u8], bool), Fault> {
    let mut rest = payload;
    let mut padding = 0;
    if head.has(flag::PADDED) {
        let Some((&first, after)) = rest.split_first() else {
            return bad_size("a padded frame is empty");
        };
        (padding, rest) = (usize::from(first), after);
    }
    let mut depends_on_itself = false;
    if head.has(flag::PRIORITY) {
        let Some((priority, after)) = rest.split_first_chunk::<PRIORITY_BYTES>() else {
            return bad_size("headers are too short for their priority");
        };
        depends_on_itself = dependency(priority) == head.stream;
        rest = after;
    }
    match rest.len().checked_sub(padding) {
        Some(length) => Ok((&rest[..length], depends_on_itself)),
        None => bad_protocol("the padding is longer than its frame"),
    }
}

/// The stream that a priority part depends on.
pub(super) const fn dependency(priority: &[u8; PRIORITY_BYTES]) -> u32 {
    let [a, b, c, d, _] = *priority;
    u32::from_be_bytes([a & 0x7f, b, c, d])
}

pub(super) const fn depends_on_itself(id: u32) -> Fault {
    Fault::Stream(id, ErrorCode::PROTOCOL_ERROR, "a stream depends on itself")
}
