//! What tells HTTP/2 clients apart: how they set up the connection and order the first request.
//!
//! `SETTINGS|WINDOW_UPDATE|PRIORITY|pseudo-header fields`, as in "Passive Fingerprinting of HTTP/2
//! Clients" (Shuster et al., Black Hat Europe 2017): settings as `id:value` in their order, the first
//! increment of the connection's window or `00`, priorities as `stream:exclusive:dependency:weight`
//! or `0`, and `m,p,a,s` as the client orders them.

use std::fmt::Write as _;

use crate::request::Checked;

/// Settings and priorities that are written down; more of them make the fingerprint no better.
const NOTED_MAX: usize = 16;

/// What the client has sent before its first request.
#[derive(Debug, Default)]
pub(super) struct Fingerprint {
    settings: String,
    settings_noted: usize,
    window: u32,
    priorities: String,
    priorities_noted: usize,
    /// The whole, from the first request on.
    text: Option<Box<str>>,
}

impl Fingerprint {
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Settings of the first frame of them.
    pub(super) fn note_setting(&mut self, name: u16, value: u32) {
        if self.settings_noted < NOTED_MAX && self.text.is_none() {
            let between = if self.settings_noted == 0 { "" } else { ";" };
            // Writing to a String cannot fail.
            let _ = write!(self.settings, "{between}{name}:{value}");
            self.settings_noted += 1;
        }
    }

    pub(super) fn note_window(&mut self, increment: u32) {
        if self.window == 0 && self.text.is_none() {
            self.window = increment;
        }
    }

    /// RFC 7540 section 6.3: the weight on the wire is one less than it means.
    pub(super) fn note_priority(&mut self, stream: u32, priority: &[u8; 5]) {
        if self.priorities_noted < NOTED_MAX && self.text.is_none() {
            let [d0, d1, d2, d3, weight] = *priority;
            let dependency = u32::from_be_bytes([d0, d1, d2, d3]);
            let (exclusive, on) = (dependency >> 31, dependency & 0x7fff_ffff);
            let between = if self.priorities_noted == 0 { "" } else { "," };
            let weight = u16::from(weight) + 1;
            let _ = write!(self.priorities, "{between}{stream}:{exclusive}:{on}:{weight}");
            self.priorities_noted += 1;
        }
    }

    /// The first request has come.
    pub(super) fn finish(&mut self, request: &Checked) {
        if self.text.is_some() {
            return;
        }
        let fields = [
            (Some(request.method), "m"),
            (request.path, "p"),
            (request.authority, "a"),
            (request.scheme, "s"),
        ];
        let mut order: Vec<(u8, &str)> =
            fields.into_iter().filter_map(|(at, letter)| Some((at?, letter))).collect();
        order.sort_unstable();
        let order: Vec<&str> = order.into_iter().map(|(_, letter)| letter).collect();
        let window = match self.window {
            0 => "00".to_owned(),
            window => window.to_string(),
        };
        let priorities = match self.priorities.as_str() {
            "" => "0",
            priorities => priorities,
        };
        let text = format!("{}|{window}|{priorities}|{}", self.settings, order.join(","));
        *self = Self { text: Some(text.into()), ..Self::default() };
    }
}
