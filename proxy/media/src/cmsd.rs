//! What this node says about an answer: CMSD, CTA-5006. Each hop adds one member and leaves the others alone.

use std::fmt::Write;

#[cfg(test)]
mod tests;

/// The response field of what changes from hop to hop.
pub const DYNAMIC: &str = "cmsd-dynamic";
/// The response field of what is stored with the object.
pub const STATIC: &str = "cmsd-static";

/// What a hop knows about one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// `etp`: throughput that the hop can give, kbit/s.
    pub throughput_kbps: Option<u64>,
    /// `rtt`: round trip to the client, milliseconds.
    pub round_trip_ms: Option<u64>,
    /// `rd`: time until the answer began, milliseconds.
    pub response_delay_ms: Option<u64>,
    /// `mb`: the highest bitrate that should be asked for, kbit/s.
    pub bitrate_kbps_max: Option<u64>,
    /// `du`: the answer was made under duress.
    pub duress: bool,
}

impl Dynamic {
    /// One member: the name of the hop, and what it knows. Characters that no string can hold are left out
    /// of the name.
    pub fn member(&self, name: &str) -> String {
        let kept = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
        let mut out = format!("\"{}\"", name.chars().filter(kept).collect::<String>());
        let numbers = [
            ("etp", self.throughput_kbps),
            ("mb", self.bitrate_kbps_max),
            ("rd", self.response_delay_ms),
            ("rtt", self.round_trip_ms),
        ];
        for (key, value) in numbers {
            if let Some(value) = value {
                // A String takes every write.
                let _ = write!(out, ";{key}={value}");
            }
        }
        if self.duress {
            out.push_str(";du");
        }
        out
    }
}
