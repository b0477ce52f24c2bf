//! HLS playlists, as far as delivery needs them (RFC 8216, draft-pantos-hls-rfc8216bis-22).

use crate::directives::{Position, Refused};

#[cfg(test)]
mod tests;

/// Largest playlist that is read, bytes.
pub const PLAYLIST_BYTES_MAX: usize = 8 << 20;
/// Most addresses of a playlist that are remembered, the newest.
pub const URIS_MAX: usize = 4096;

/// A playlist.
#[derive(Debug, Clone, PartialEq)]
pub enum Playlist {
    /// Names other playlists.
    Multivariant(Multivariant),
    /// Names segments.
    Media(Media),
}

/// A multivariant playlist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Multivariant {
    /// Addresses of the playlists it names, in order, each once.
    pub playlists: Vec<String>,
    /// `SERVER-URI` of `EXT-X-CONTENT-STEERING`.
    pub steering: Option<String>,
}

/// A media playlist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Media {
    /// `EXT-X-TARGETDURATION`, milliseconds.
    pub target_ms: u64,
    /// `PART-TARGET`, milliseconds.
    pub part_target_ms: Option<u64>,
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub first_msn: u64,
    /// Number of segments it lists, those of a delta update included.
    pub segments: u64,
    /// Parts of the segment that is still open.
    pub open_parts: u64,
    /// Parts of the last segment that is closed; none when it lists none.
    pub closed_parts: Option<u64>,
    /// `EXT-X-ENDLIST`.
    pub ended: bool,
    /// `CAN-BLOCK-RELOAD`.
    pub can_block: bool,
    /// `CAN-SKIP-UNTIL`, milliseconds.
    pub can_skip_until_ms: Option<u64>,
    /// Addresses of segments, without parts, in order; the newest.
    pub uris: Vec<String>,
    /// Addresses of initialisation sections.
    pub maps: Vec<String>,
    /// Addresses of `EXT-X-PRELOAD-HINT`.
    pub hints: Vec<String>,
}

impl Playlist {
    /// Reads a playlist; `None` for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > PLAYLIST_BYTES_MAX {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().map(str::trim_end);
        (lines.next()? == "#EXTM3U").then_some(())?;
        let mut reader = Reader::default();
        lines.for_each(|line| reader.line(line));
        Some(reader.end())
    }
}

impl Media {
    /// The last place that the playlist contains; none for an empty one.
    pub fn last(&self) -> Option<Position> {
        let end = self.first_msn + self.segments;
        match self.open_parts {
            0 => Some(Position {
                msn: end.checked_sub(1).filter(|_| self.segments > 0)?,
                part: None,
            }),
            parts => Some(Position { msn: end, part: Some(parts - 1) }),
        }
    }

    /// Whether the playlist contains what a request waits for (draft 6.2.5.2).
    pub fn contains(&self, wanted: Position) -> bool {
        let end = self.first_msn + self.segments;
        let open = wanted.msn == end && wanted.part.is_some_and(|part| part < self.open_parts);
        self.ended || wanted.msn < end || open
    }

    /// Whether a request may wait for this place (draft 6.2.5.2): no more than two segments ahead, and no
    /// more than the parts of three seconds.
    ///
    /// # Errors
    /// [`Refused::FarAhead`]: the answer is 400.
    pub fn check(&self, wanted: Position) -> Result<(), Refused> {
        let Some(last) = self.last().filter(|_| !self.ended) else { return Ok(()) };
        if wanted.msn > last.msn.saturating_add(2) {
            return Err(Refused::FarAhead);
        }
        let (Some(part), Some(part_target_ms)) = (wanted.part, self.part_target_ms) else {
            return Ok(());
        };
        // A part behind the end of its segment means the next segment's first: only the open one counts.
        let open = if last.part.is_some() { last.msn } else { last.msn + 1 };
        let ahead = if wanted.msn == open {
            part.saturating_add(1).saturating_sub(self.open_parts)
        } else {
            0
        };
        if ahead > advance_parts_max(part_target_ms) + self.parts_in_segment() {
            return Err(Refused::FarAhead);
        }
        Ok(())
    }

    /// How long a request may wait: three target durations (draft 6.2.5.2), milliseconds.
    pub const fn wait_ms_max(&self) -> u64 {
        self.target_ms.saturating_mul(3)
    }

    fn parts_in_segment(&self) -> u64 {
        let per_target = self.part_target_ms.filter(|ms| *ms > 0).map(|ms| self.target_ms / ms);
        self.closed_parts.or(per_target).unwrap_or(0)
    }
}

/// The Advance Part Limit (draft 6.2.5.2).
pub const fn advance_parts_max(part_target_ms: u64) -> u64 {
    match part_target_ms {
        0 => 3,
        1..1000 => 3000_u64.div_ceil(part_target_ms),
        _ => 3,
    }
}

/// Reads one line after the other.
#[derive(Default)]
struct Reader {
    multivariant: Multivariant,
    media: Media,
    is_multivariant: bool,
    parts: u64,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some(tag) = line.strip_prefix("#EXT") {
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            self.tag(name, value);
        } else if !line.is_empty() && !line.starts_with('#') {
            self.uri(line);
        }
    }

    fn uri(&mut self, uri: &str) {
        if self.is_multivariant {
            self.playlist(uri);
            return;
        }
        self.media.segments = self.media.segments.saturating_add(1);
        self.media.closed_parts = (self.parts > 0).then_some(self.parts);
        self.parts = 0;
        push(&mut self.media.uris, uri);
    }

    fn playlist(&mut self, uri: &str) {
        let known = &mut self.multivariant.playlists;
        if known.len() < URIS_MAX && !known.iter().any(|other| other == uri) {
            known.push(uri.to_owned());
        }
    }

    fn tag(&mut self, name: &str, value: &str) {
        let media = &mut self.media;
        match name {
            "-X-STREAM-INF" => self.is_multivariant = true,
            "-X-MEDIA" | "-X-I-FRAME-STREAM-INF" => {
                self.is_multivariant = true;
                if let Some(uri) = attribute(value, "URI") {
                    self.playlist(uri);
                }
            }
            "-X-CONTENT-STEERING" => {
                self.multivariant.steering = attribute(value, "SERVER-URI").map(str::to_owned);
            }
            "-X-TARGETDURATION" => media.target_ms = milliseconds(value).unwrap_or(0),
            "-X-MEDIA-SEQUENCE" => media.first_msn = value.trim().parse().unwrap_or(0),
            "-X-ENDLIST" => media.ended = true,
            "-X-PART-INF" => {
                media.part_target_ms = attribute(value, "PART-TARGET").and_then(milliseconds);
            }
            "-X-SERVER-CONTROL" => {
                media.can_block = attribute(value, "CAN-BLOCK-RELOAD") == Some("YES");
                media.can_skip_until_ms = attribute(value, "CAN-SKIP-UNTIL").and_then(milliseconds);
            }
            "-X-SKIP" => {
                let skipped = attribute(value, "SKIPPED-SEGMENTS").and_then(|n| n.parse().ok());
                media.segments = media.segments.saturating_add(skipped.unwrap_or(0));
            }
            "-X-PART" => self.parts += 1,
            "-X-MAP" => attribute(value, "URI").into_iter().for_each(|u| push(&mut media.maps, u)),
            "-X-PRELOAD-HINT" => {
                attribute(value, "URI").into_iter().for_each(|u| push(&mut media.hints, u));
            }
            _ => {}
        }
    }

    fn end(mut self) -> Playlist {
        if self.is_multivariant {
            return Playlist::Multivariant(self.multivariant);
        }
        self.media.open_parts = self.parts;
        // Sums of numbers that a stranger chose.
        self.media.first_msn = self.media.first_msn.min(u64::MAX >> 2);
        self.media.segments = self.media.segments.min(u64::MAX >> 2);
        Playlist::Media(self.media)
    }
}

/// Keeps the newest.
fn push(uris: &mut Vec<String>, uri: &str) {
    if uris.len() == URIS_MAX {
        uris.remove(0);
    }
    uris.push(uri.to_owned());
}

/// The value of an attribute (RFC 8216 4.2), without its quotes.
pub(crate) fn attribute<'l>(list: &'l str, name: &str) -> Option<&'l str> {
    let mut rest = list;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.strip_prefix(',').unwrap_or(next))
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim() == name {
            return Some(value);
        }
        rest = next;
    }
    None
}

/// Decimal seconds as milliseconds; nothing for what is no plausible time.
fn milliseconds(text: &str) -> Option<u64> {
    let seconds: f64 = text.trim().parse().ok()?;
    (0.0..1e9).contains(&seconds).then_some((seconds * 1000.0).round() as u64)
}
