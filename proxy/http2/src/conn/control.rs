//! Frames that carry neither bodies nor fields: settings, windows, resets, priorities, pings.

use super::{
    Connection, EARLY_PRIORITIES_MAX, FRAME_BYTES_CAP, FRAME_BYTES_DEFAULT, Fault, Nuisance,
    Pending, Phase, TABLE_BYTES_DEFAULT, WINDOW_BYTES_MAX,
    frame::{FrameHead, flag, kind, setting},
    receive::{bad_protocol, bad_size},
    section::{dependency, depends_on_itself},
};
use crate::{ErrorCode, Priority};

type Handled = Result<Option<Pending>, Fault>;

impl Connection {
    /// RFC 9113 6.5.
    pub(super) fn settings_frame(&mut self, head: FrameHead, payload: &[u8]) -> Handled {
        if head.stream != 0 {
            return bad_protocol("settings on a stream");
        }
        self.count(Nuisance::Settings)?;
        if head.has(flag::ACK) {
            return if payload.is_empty() { self.settle() } else { bad_size(BAD_SETTINGS) };
        }
        let (entries, []) = payload.as_chunks::<6>() else { return bad_size(BAD_SETTINGS) };
        for &[n0, n1, v0, v1, v2, v3] in entries {
            let (name, value) = ([n0, n1], [v0, v1, v2, v3]);
            let (name, value) = (u16::from_be_bytes(name), u32::from_be_bytes(value));
            if self.phase == Phase::FirstSettings {
                self.fingerprint.note_setting(name, value);
            }
            self.set(name, value)?;
        }
        self.phase = Phase::Open;
        self.count(Nuisance::Reply)?;
        let ack = FrameHead { length: 0, kind: kind::SETTINGS, flags: flag::ACK, stream: 0 };
        ack.write(&mut self.ready);
        Ok(None)
    }

    /// The client goes by our settings from here on.
    fn settle(&mut self) -> Handled {
        if self.settled {
            return Ok(None);
        }
        let before = self.initial_recv_window();
        self.settled = true;
        let change = self.initial_recv_window() - before;
        self.streams.each(|stream| stream.recv_window += change);
        self.decoder.settle(self.settings.header_table_bytes as usize);
        Ok(None)
    }

    fn set(&mut self, name: u16, value: u32) -> Result<(), Fault> {
        match name {
            setting::HEADER_TABLE_SIZE => {
                // Blocks are made without the table; only that it got smaller has to be said once.
                let shrinks = !self.peer.table_shrunk && (value as usize) < TABLE_BYTES_DEFAULT;
                self.peer.table_shrunk |= shrinks;
                self.peer.table_update_due |= shrinks;
                Ok(())
            }
            setting::ENABLE_PUSH | setting::ENABLE_CONNECT_PROTOCOL if value > 1 => {
                bad_protocol("a setting is neither 0 nor 1")
            }
            setting::NO_RFC7540_PRIORITIES => self.set_priorities(value),
            setting::INITIAL_WINDOW_SIZE => self.set_initial_window(i64::from(value)),
            setting::MAX_FRAME_SIZE => {
                if !(FRAME_BYTES_DEFAULT..=FRAME_BYTES_CAP).contains(&value) {
                    return bad_protocol("the largest frame size is out of range");
                }
                self.peer.frame_bytes_max = value as usize;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// RFC 9218 2.1: 0 or 1, and never changed.
    fn set_priorities(&mut self, value: u32) -> Result<(), Fault> {
        if value > 1 {
            return bad_protocol("a setting is neither 0 nor 1");
        }
        let none = value == 1;
        match self.peer.no_rfc7540_priorities.replace(none) {
            None if self.phase == Phase::Open && none => {
                bad_protocol("the setting of priorities comes late")
            }
            Some(before) if before != none => bad_protocol("the setting of priorities changes"),
            _ => Ok(()),
        }
    }

    /// RFC 9113 6.9.2: every open stream's window changes by the difference.
    fn set_initial_window(&mut self, value: i64) -> Result<(), Fault> {
        let overflow = Fault::Connection(ErrorCode::FLOW_CONTROL_ERROR, "a window is too large");
        if value > WINDOW_BYTES_MAX {
            return Err(overflow);
        }
        let change = value - std::mem::replace(&mut self.peer.initial_window, value);
        let mut highest = 0;
        self.streams.each(|stream| {
            stream.send_window += change;
            highest = highest.max(stream.send_window);
        });
        if highest > WINDOW_BYTES_MAX { Err(overflow) } else { Ok(()) }
    }

    /// RFC 9113 6.9.
    pub(super) fn window_update(&mut self, head: FrameHead, payload: &[u8]) -> Handled {
        let Ok(bytes) = <[u8; 4]>::try_from(payload) else {
            return bad_size("a window update is not 4 bytes long");
        };
        self.count(Nuisance::WindowUpdate)?;
        let increment = i64::from(u32::from_be_bytes(bytes) & 0x7fff_ffff);
        let id = head.stream;
        let fault = |code, detail| match id {
            0 => Fault::Connection(code, detail),
            _ => Fault::Stream(id, code, detail),
        };
        if id > self.last_id || (id != 0 && id.is_multiple_of(2)) {
            return bad_protocol("a window update on a stream that is idle");
        }
        if increment == 0 {
            return Err(fault(ErrorCode::PROTOCOL_ERROR, "a window update of nothing"));
        }
        if id == 0 {
            self.fingerprint.note_window(increment as u32);
        }
        let window = match id {
            0 => &mut self.send_window,
            _ => match self.streams.by_id(id) {
                Some(stream) => &mut stream.send_window,
                // Under way when the stream was closed (RFC 9113 5.1).
                None => return Ok(None),
            },
        };
        *window += increment;
        if *window > WINDOW_BYTES_MAX {
            return Err(fault(ErrorCode::FLOW_CONTROL_ERROR, "a window is too large"));
        }
        Ok(None)
    }

    /// RFC 9113 6.4.
    pub(super) fn rst_stream(&mut self, head: FrameHead, payload: &[u8]) -> Handled {
        let id = head.stream;
        let Ok(code) = <[u8; 4]>::try_from(payload) else {
            return bad_size("a reset is not 4 bytes long");
        };
        if id == 0 || id > self.last_id || id.is_multiple_of(2) {
            return bad_protocol("a reset of a stream that is idle");
        }
        self.count(Nuisance::Reset)?;
        let Some(slot) = self.streams.find(id) else { return Ok(None) };
        let answered = self.streams.at(slot).answered;
        if !answered {
            self.count(Nuisance::EarlyReset)?;
        }
        self.ended.push(id);
        self.close(slot);
        let code = ErrorCode(u32::from_be_bytes(code));
        Ok((!answered).then_some(Pending::Reset { id, code, by_client: true }))
    }

    /// RFC 9113 6.7.
    pub(super) fn ping(&mut self, head: FrameHead, payload: &[u8]) -> Handled {
        if head.stream != 0 {
            return bad_protocol("a ping on a stream");
        }
        if payload.len() != 8 {
            return bad_size("a ping is not 8 bytes long");
        }
        self.count(Nuisance::Ping)?;
        if !head.has(flag::ACK) {
            self.count(Nuisance::Reply)?;
            let ack = FrameHead { length: 8, kind: kind::PING, flags: flag::ACK, stream: 0 };
            ack.write(&mut self.ready);
            self.ready.extend_from_slice(payload);
        }
        Ok(None)
    }

    /// RFC 9113 6.8.
    pub(super) fn goaway_frame(&mut self, head: FrameHead, payload: &[u8]) -> Handled {
        if head.stream != 0 {
            return bad_protocol("a goaway on a stream");
        }
        let Some(&[_, _, _, _, c0, c1, c2, c3]) = payload.first_chunk::<8>() else {
            return bad_size("a goaway is shorter than 8 bytes");
        };
        self.count(Nuisance::EmptyFrame)?;
        self.client_goes_away = true;
        Ok(Some(Pending::GoAway { code: ErrorCode(u32::from_be_bytes([c0, c1, c2, c3])) }))
    }

    /// RFC 9113 6.3: the old priorities are checked for form and otherwise ignored.
    pub(super) fn priority_frame(&mut self, head: FrameHead, payload: &[u8]) -> Handled {
        let id = head.stream;
        if id == 0 {
            return bad_protocol("a priority on stream 0");
        }
        self.count(Nuisance::PriorityUpdate)?;
        let Ok(priority) = payload.try_into() else {
            let detail = "a priority is not 5 bytes long";
            return Err(Fault::Stream(id, ErrorCode::FRAME_SIZE_ERROR, detail));
        };
        self.fingerprint.note_priority(id, priority);
        if dependency(priority) == id { Err(depends_on_itself(id)) } else { Ok(None) }
    }

    /// RFC 9218 7.1.
    pub(super) fn priority_update(&mut self, head: FrameHead, payload: &[u8]) -> Handled {
        if head.stream != 0 {
            return bad_protocol("a priority update on a stream");
        }
        let Some((id, value)) = payload.split_first_chunk::<4>() else {
            return bad_size("a priority update is shorter than 4 bytes");
        };
        self.count(Nuisance::PriorityUpdate)?;
        let id = u32::from_be_bytes(*id) & 0x7fff_ffff;
        if id.is_multiple_of(2) {
            return bad_protocol("a priority update for a stream that no client can open");
        }
        self.prioritised = true;
        let priority = Priority::parse(value);
        if let Some(stream) = self.streams.by_id(id) {
            stream.priority = priority;
        } else if id > self.last_id {
            self.early_priorities.retain(|(other, _)| *other != id);
            if self.early_priorities.len() == EARLY_PRIORITIES_MAX {
                self.early_priorities.pop_front();
            }
            self.early_priorities.push_back((id, priority));
        }
        Ok(None)
    }

    /// RFC 9218 7: an update that came before the request outweighs the field.
    pub(super) fn apply_early_priority(&mut self, slot: u16) {
        let stream = self.streams.at_mut(slot);
        if let Some((_, priority)) = self.early_priorities.iter().find(|(id, _)| *id == stream.id) {
            stream.priority = *priority;
        }
        let opened = stream.id;
        self.early_priorities.retain(|(id, _)| *id > opened);
    }
}

const BAD_SETTINGS: &str = "a settings frame has an impossible length";
