//! Durations, sizes and rates as people write them: `2s`, `64KiB`, `50/s`.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use crate::reader::Reader;
use crate::tree::{Kind, Node};
use crate::value::Value;

/// Units of time with their length in microseconds, longest first.
const TIME_UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Units of size in bytes, largest first.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Words after the slash of a rate, with their length in microseconds.
const RATE_UNITS: [(&str, u64); 8] = [
    ("s", 1_000_000),
    ("sec", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("hour", 3_600_000_000),
    ("d", 86_400_000_000),
    ("day", 86_400_000_000),
];

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// So many per so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u64,
    /// Per how many microseconds, at least 1.
    pub per_us: u64,
}

/// Reads `2s`, `100ms`, `1m30s`; the units are d, h, m, s, ms, us.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split_digits(rest)?;
        let word_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (word, next) = after.split_at(word_end);
        let micros = number.checked_mul(unit(&TIME_UNITS, word)?)?;
        total = total.checked_add(Duration::from_micros(micros))?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

/// Writes a duration so that [`parse_duration`] reads it back; below a microsecond is lost.
pub fn duration_text(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (word, micros) in TIME_UNITS {
        if left >= micros {
            text.push_str(&format!("{}{word}", left / micros));
            left %= micros;
        }
    }
    text
}

/// Reads `64KiB`, `10MB`, `512B` or a bare number of bytes.
pub fn parse_size(text: &str) -> Option<Size> {
    let (number, word) = split_digits(text)?;
    let bytes = if word.is_empty() { 1 } else { unit(&SIZE_UNITS, word)? };
    number.checked_mul(bytes).map(Size)
}

/// Reads `50/s`, `600/min`, `10/15m`, `5/250ms`.
pub fn parse_rate(text: &str) -> Option<Rate> {
    let (count, word) = text.split_once('/')?;
    let count = count.parse().ok().filter(|count| *count > 0)?;
    let long = || parse_duration(word).and_then(|d| u64::try_from(d.as_micros()).ok());
    let per_us = unit(&RATE_UNITS, word).or_else(long).filter(|us| *us > 0)?;
    Some(Rate { count, per_us })
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only the binary units: they divide what people write, and B is always there.
        let whole = |(_, bytes): &&(&str, u64)| self.0.is_multiple_of(*bytes) && self.0 >= *bytes;
        let binary = SIZE_UNITS.iter().filter(|(word, _)| word.ends_with("iB") || *word == "B");
        let (word, bytes) = binary.into_iter().find(whole).unwrap_or(&("B", 1));
        write!(f, "{}{word}", self.0 / bytes)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match RATE_UNITS.iter().find(|(_, us)| *us == self.per_us) {
            Some((word, _)) => write!(f, "{}/{word}", self.count),
            None => {
                write!(f, "{}/{}", self.count, duration_text(Duration::from_micros(self.per_us)))
            }
        }
    }
}

impl Value for Duration {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        if let Some(duration) = node.text().and_then(parse_duration) {
            return duration;
        }
        let hint = if let Kind::Integer(value) = node.kind {
            format!("say the unit: {value}s or {value}ms")
        } else {
            "units: d, h, m, s, ms, us".to_owned()
        };
        let message =
            format!("expected a duration such as 2s or 100ms, found {}", node.described());
        reader.problem(node, message, Some(hint));
        Self::placeholder()
    }

    fn placeholder() -> Self {
        Self::from_secs(1)
    }

    fn write(&self) -> Json {
        duration_text(*self).into()
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^([0-9]+(d|h|m|s|ms|us))+$", "examples": ["2s", "100ms"] })
    }
}

impl Value for Size {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        let bare =
            || if let Kind::Integer(value) = node.kind { u64::try_from(value).ok() } else { None };
        if let Some(size) = node.text().and_then(parse_size).or_else(|| bare().map(Self)) {
            return size;
        }
        let message = format!("expected a size such as 64KiB or 10MB, found {}", node.described());
        reader.problem(node, message, Some("units: B, kB, MB, GB, KiB, MiB, GiB, TiB".into()));
        Self::placeholder()
    }

    fn placeholder() -> Self {
        Self(1)
    }

    fn write(&self) -> Json {
        self.to_string().into()
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "anyOf": [
            { "type": "string", "pattern": "^[0-9]+(B|kB|MB|GB|KiB|MiB|GiB|TiB)?$", "examples": ["64KiB"] },
            { "type": "integer", "minimum": 0 },
        ] })
    }
}

impl Value for Rate {
    fn read(node: &Node, reader: &mut Reader) -> Self {
        if let Some(rate) = node.text().and_then(parse_rate) {
            return rate;
        }
        let hint = if let Kind::Integer(value) = node.kind {
            format!("say per what: {value}/s or {value}/min")
        } else {
            "a number, a slash, and s, min, h, d or a duration".to_owned()
        };
        let message =
            format!("expected a rate such as 50/s or 600/min, found {}", node.described());
        reader.problem(node, message, Some(hint));
        Self::placeholder()
    }

    fn placeholder() -> Self {
        Self { count: 1, per_us: 1_000_000 }
    }

    fn write(&self) -> Json {
        self.to_string().into()
    }

    fn schema(_: &mut Map<String, Json>) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+/[0-9a-z]+$", "examples": ["50/s", "600/min"] })
    }
}

fn split_digits(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, &text[end..]))
}

fn unit(units: &[(&str, u64)], word: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}
