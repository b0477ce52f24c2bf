//! DASH manifests, as far as delivery needs them (ISO/IEC 23009-1).

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

#[cfg(test)]
mod tests;

/// Largest manifest that is read, bytes.
pub const MPD_BYTES_MAX: usize = 8 << 20;

/// What a manifest says about its times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mpd {
    /// `type="dynamic"`: it is live.
    pub dynamic: bool,
    /// `availabilityStartTime`, unix milliseconds.
    pub availability_start_ms: Option<u64>,
    /// `publishTime`, unix milliseconds.
    pub publish_ms: Option<u64>,
    /// `minimumUpdatePeriod`, milliseconds.
    pub update_period_ms: Option<u64>,
    /// `timeShiftBufferDepth`, milliseconds.
    pub buffer_depth_ms: Option<u64>,
    /// `maxSegmentDuration`, or the longest of `SegmentTemplate`, milliseconds.
    pub segment_ms: Option<u64>,
    /// The largest `availabilityTimeOffset`, milliseconds.
    pub time_offset_ms: u64,
    /// `availabilityTimeComplete="false"`: segments arrive in chunks.
    pub chunked: bool,
    /// Address of the patch.
    pub patch: Option<String>,
}

impl Mpd {
    /// Reads a manifest; `None` for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > MPD_BYTES_MAX {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let mut reader = Reader::from_str(text);
        let mut mpd = None;
        let mut in_patch = false;
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) | Event::Empty(tag) => {
                    in_patch = tag.local_name().as_ref() == b"PatchLocation";
                    take(&mut mpd, &tag);
                }
                Event::Text(text) if in_patch => {
                    let mpd: &mut Self = mpd.as_mut()?;
                    mpd.patch = std::str::from_utf8(&text).ok().map(|t| t.trim().to_owned());
                    in_patch = false;
                }
                Event::Eof => return mpd,
                _ => {}
            }
        }
    }

    /// How long the manifest may be kept, milliseconds: a live one until it may change, at most half a
    /// segment; a static one as long as anything.
    pub fn keep_ms(&self) -> Option<u64> {
        if !self.dynamic {
            return None;
        }
        let half = self.segment_ms.map(|ms| ms / 2);
        Some(self.update_period_ms.into_iter().chain(half).min().unwrap_or(1000))
    }

    /// Segments of `segment_ms` that are available at `now_ms`, counted from the availability start time:
    /// the number of the newest is one less than this plus the template's start number.
    pub fn segments_available(&self, now_ms: u64) -> Option<u64> {
        let (start_ms, segment_ms) = (self.availability_start_ms?, self.segment_ms?);
        // A segment that arrives in chunks is available a time offset before its end.
        let passed_ms = now_ms.saturating_add(self.time_offset_ms).checked_sub(start_ms)?;
        passed_ms.checked_div(segment_ms)
    }
}

fn take(mpd: &mut Option<Mpd>, tag: &BytesStart<'_>) {
    match tag.local_name().as_ref() {
        b"MPD" => *mpd = Some(root(tag)),
        b"SegmentTemplate" => {
            let Some(mpd) = mpd else { return };
            let number = |name| attribute(tag, name).and_then(|text| text.parse::<u64>().ok());
            let timescale = number("timescale").unwrap_or(1).max(1);
            let ms = number("duration").map(|d| d.saturating_mul(1000) / timescale);
            mpd.segment_ms = mpd.segment_ms.max(ms);
            offset(mpd, tag);
        }
        b"BaseURL" => {
            if let Some(mpd) = mpd {
                offset(mpd, tag);
            }
        }
        _ => {}
    }
}

fn offset(mpd: &mut Mpd, tag: &BytesStart<'_>) {
    let seconds = attribute(tag, "availabilityTimeOffset").and_then(|t| t.parse::<f64>().ok());
    if let Some(seconds) = seconds.filter(|s| (0.0..1e6).contains(s)) {
        mpd.time_offset_ms = mpd.time_offset_ms.max((seconds * 1000.0) as u64);
    }
    mpd.chunked |= attribute(tag, "availabilityTimeComplete").as_deref() == Some("false");
}

fn root(tag: &BytesStart<'_>) -> Mpd {
    let time = |name| attribute(tag, name).and_then(|text| date_time_ms(&text));
    let span = |name| attribute(tag, name).and_then(|text| duration_ms(&text));
    Mpd {
        dynamic: attribute(tag, "type").as_deref() == Some("dynamic"),
        availability_start_ms: time("availabilityStartTime"),
        publish_ms: time("publishTime"),
        update_period_ms: span("minimumUpdatePeriod"),
        buffer_depth_ms: span("timeShiftBufferDepth"),
        segment_ms: span("maxSegmentDuration"),
        ..Mpd::default()
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().flatten().find(|a| a.key.local_name().as_ref() == name.as_bytes());
    String::from_utf8(found?.value.into_owned()).ok()
}

/// xs:duration without years and months, as manifests write it: `PT1M2.5S`. Milliseconds.
pub fn duration_ms(text: &str) -> Option<u64> {
    let (days, time) = text.strip_prefix('P')?.split_once('T').unwrap_or((&text[1..], ""));
    let mut ms = 0.0;
    for (mut part, units) in
        [(days, &[('D', 86_400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])]
    {
        for (letter, seconds) in units {
            if let Some((number, rest)) = part.split_once(*letter) {
                let number: f64 = number.parse().ok()?;
                ms += number * seconds * 1000.0;
                part = rest;
            }
        }
        part.is_empty().then_some(())?;
    }
    (0.0..1e15).contains(&ms).then_some(ms.round() as u64)
}

/// xs:dateTime in UTC or with an offset: `2026-11-21T22:58:59.5Z`. Unix milliseconds.
pub fn date_time_ms(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let plausible = (1970..10_000).contains(&year) && (1..=12).contains(&month);
    (plausible && (1..=31).contains(&day)).then_some(())?;
    let (clock, offset_min) = zone(time)?;
    let mut clock = clock.splitn(3, ':');
    let (hours, minutes) = (clock.next()?.parse::<i64>().ok()?, clock.next()?.parse::<i64>().ok()?);
    let seconds: f64 = clock.next()?.parse().ok()?;
    let in_day = (0..=24).contains(&hours) && (0..60).contains(&minutes);
    (in_day && (0.0..61.0).contains(&seconds)).then_some(())?;
    let minutes = days_from_civil(year, month, day) * 1440 + hours * 60 + minutes - offset_min;
    u64::try_from(minutes * 60_000 + (seconds * 1000.0).round() as i64).ok()
}

/// The clock's reading and the minutes it is ahead of UTC.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (hours, minutes) = time[at + 1..].split_once(':')?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    let ahead = if time.as_bytes()[at] == b'-' { -minutes } else { minutes };
    (minutes.abs() <= 14 * 60).then_some((&time[..at], ahead))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let in_era = year - era * 400;
    let in_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}
