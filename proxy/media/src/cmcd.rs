//! What players say about themselves: CMCD, CTA-5004, versions 1 and 2.
//!
//! It comes as the query parameter `CMCD` or as four request fields. Version 2 writes several values as inner
//! lists; the first of them counts here.

use tidegate_http::sf::{Bare, Dictionary, Member, parse_dictionary};
use tidegate_http::{Fields, percent_decode};

#[cfg(test)]
mod tests;

/// The query parameter.
pub const PARAMETER: &str = "CMCD";
/// The request fields.
pub const FIELDS: [&str; 4] = ["cmcd-object", "cmcd-request", "cmcd-session", "cmcd-status"];
/// Longest value that is read, bytes.
pub const BYTES_MAX: usize = 4096;
/// Longest text that is kept, bytes.
const TEXT_BYTES_MAX: usize = 128;
/// Longest address of a next object, bytes.
const ADDRESS_BYTES_MAX: usize = 1024;

/// What a player said with one request. Times in milliseconds, rates in kbit/s, as the standard has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cmcd {
    /// `sid`: the session.
    pub session: Option<String>,
    /// `cid`: the content.
    pub content: Option<String>,
    /// `bl`: media in the buffer.
    pub buffer_ms: Option<u64>,
    /// `br`: bitrate of the object.
    pub bitrate_kbps: Option<u64>,
    /// `mtp`: measured throughput.
    pub throughput_kbps: Option<u64>,
    /// `rtp`: the most throughput that is of use.
    pub wanted_kbps: Option<u64>,
    /// `dl`: until the buffer would run empty.
    pub deadline_ms: Option<u64>,
    /// `d`: duration of the object.
    pub duration_ms: Option<u64>,
    /// `ltc`: live latency (version 2).
    pub latency_ms: Option<u64>,
    /// `msd`: time from the wish to play to the first frame (version 2).
    pub startup_ms: Option<u64>,
    /// `bs`: the buffer ran empty since the last request.
    pub starved: bool,
    /// `su`: the object is needed to start or to go on.
    pub starting: bool,
    /// `ot`: type of the object.
    pub object: Option<String>,
    /// `st`: `v` or `l` (`ll` in version 2).
    pub stream: Option<String>,
    /// `sf`: streaming format.
    pub format: Option<String>,
    /// `sta`: state of the player (version 2).
    pub state: Option<String>,
    /// `nor`: the next object, relative to this one.
    pub next: Option<String>,
    /// `nrr`: the range of it.
    pub next_range: Option<String>,
    /// `v`: version, 1 when nothing is said.
    pub version: u8,
}

impl Cmcd {
    /// Reads query and fields; the query goes before the fields where both say something.
    pub fn of(query: Option<&str>, fields: &dyn Fields) -> Option<Self> {
        let mut found = Self::default();
        let mut any = false;
        for name in FIELDS {
            let value = fields.first(name).filter(|value| value.len() <= BYTES_MAX);
            any |= value.is_some_and(|value| found.take(value));
        }
        if let Some(value) = in_query(query) {
            any |= found.take(value.as_bytes());
        }
        found.version = found.version.max(1);
        any.then_some(found)
    }

    /// Reads one dictionary into this.
    fn take(&mut self, value: &[u8]) -> bool {
        let Ok(Dictionary(members)) = parse_dictionary(value) else { return false };
        for (key, member) in &members {
            if let Some(bare) = first(member) {
                self.set(key, bare);
            }
        }
        !members.is_empty()
    }

    fn set(&mut self, key: &str, bare: &Bare) {
        let number = || match bare {
            Bare::Integer(value) => u64::try_from(*value).ok(),
            Bare::Decimal(thousandths) => u64::try_from(*thousandths / 1000).ok(),
            _ => None,
        };
        let text = || bare.as_text().filter(|t| t.len() <= TEXT_BYTES_MAX).map(str::to_owned);
        match key {
            "sid" => self.session = text(),
            "cid" => self.content = text(),
            "bl" => self.buffer_ms = number(),
            "br" => self.bitrate_kbps = number(),
            "mtp" => self.throughput_kbps = number(),
            "rtp" => self.wanted_kbps = number(),
            "dl" => self.deadline_ms = number(),
            "d" => self.duration_ms = number(),
            "ltc" => self.latency_ms = number(),
            "msd" => self.startup_ms = number(),
            "bs" => self.starved = bare.as_boolean() == Some(true),
            "su" => self.starting = bare.as_boolean() == Some(true),
            "ot" => self.object = text(),
            "st" => self.stream = text(),
            "sf" => self.format = text(),
            "sta" => self.state = text(),
            "nor" => self.next = next(bare),
            "nrr" => self.next_range = text(),
            "v" => self.version = number().and_then(|v| u8::try_from(v).ok()).unwrap_or(0),
            _ => {}
        }
    }
}

/// The address of the next object, decoded (CTA-5004: it is percent-encoded inside its string).
fn next(bare: &Bare) -> Option<String> {
    let text = bare.as_text().filter(|text| text.len() <= ADDRESS_BYTES_MAX)?;
    percent_decode(text).map(std::borrow::Cow::into_owned)
}

fn first(member: &Member) -> Option<&Bare> {
    match member {
        Member::Item(item) => Some(&item.bare),
        Member::Inner(items, _) => items.first().map(|item| &item.bare),
    }
}

fn in_query(query: Option<&str>) -> Option<String> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == PARAMETER)?;
    let value = percent_decode(value).filter(|value| value.len() <= BYTES_MAX)?;
    Some(value.into_owned())
}
