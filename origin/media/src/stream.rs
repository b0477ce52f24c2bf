//! The demonstration stream in memory, and how it is read from its folder.

use std::io;
use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidegate_origin_kit::Micros;

use crate::fragments::Fragments;
use crate::low_latency::Channel;

/// Seconds of a segment.
pub(crate) const SEGMENT_SECS: u32 = 2;
/// Seconds of the whole stream.
pub(crate) const STREAM_SECS: u32 = 60;
/// The film of one size in fragments.
pub(crate) const PARTS_FILE: &str = "parts.mp4";
/// The file that says that a folder is whole.
pub(crate) const MARK: &str = "stream.json";

/// One size of the picture.
#[derive(Debug)]
pub(crate) struct RenditionPlan {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) kbit: u32,
}

/// The sizes, largest first.
pub(crate) const RENDITIONS: [RenditionPlan; 2] = [
    RenditionPlan { name: "360p", width: 640, height: 360, kbit: 700 },
    RenditionPlan { name: "180p", width: 320, height: 180, kbit: 220 },
];

/// The stream, ready to serve.
#[derive(Debug)]
pub(crate) struct Stream {
    /// When the channel went on air.
    pub(crate) epoch: Micros,
    pub(crate) renditions: Vec<Rendition>,
}

/// One size, cut.
#[derive(Debug)]
pub(crate) struct Rendition {
    pub(crate) name: String,
    /// Attributes of its `EXT-X-STREAM-INF`.
    pub(crate) attributes: String,
    pub(crate) init: Bytes,
    pub(crate) segments: Vec<Segment>,
    /// The film in parts, where the folder has it.
    pub(crate) channel: Option<Channel>,
}

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Seconds, as the cutter wrote them.
    pub(crate) secs: String,
    pub(crate) bytes: Bytes,
}

/// What [`MARK`] holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// When the channel went on air.
    pub(crate) epoch: Micros,
}

impl Stream {
    /// The rendition called `name`.
    pub(crate) fn rendition(&self, name: &str) -> Option<&Rendition> {
        self.renditions.iter().find(|r| r.name == name)
    }

    /// Reads a whole folder; blocks.
    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        let mark: Mark = serde_json::from_slice(&std::fs::read(folder.join(MARK))?)?;
        let master = std::fs::read_to_string(folder.join("master.m3u8"))?;
        let renditions = variants(&master)
            .map(|(attributes, playlist)| load_rendition(folder, attributes, playlist))
            .collect::<io::Result<Vec<_>>>()?;
        if renditions.is_empty() {
            return Err(broken("master.m3u8 names no rendition"));
        }
        Ok(Self { epoch: mark.epoch, renditions })
    }
}

/// The attributes and the address of each variant in a multivariant playlist (RFC 8216 section 4.3.4.2).
fn variants(master: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut lines = master.lines();
    std::iter::from_fn(move || {
        let attributes = lines.find_map(|line| line.strip_prefix("#EXT-X-STREAM-INF:"))?;
        Some((attributes, lines.next()?))
    })
}

fn load_rendition(folder: &Path, attributes: &str, playlist: &str) -> io::Result<Rendition> {
    let path = folder.join(playlist);
    let text = std::fs::read_to_string(&path)?;
    let folder = path.parent().unwrap_or(folder);
    let name = folder.file_name().and_then(|name| name.to_str());
    let map = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MAP:URI=\""));
    let init = map.and_then(|rest| rest.split('"').next());
    let init = std::fs::read(folder.join(init.ok_or_else(|| broken("no EXT-X-MAP"))?))?;
    Ok(Rendition {
        name: name.ok_or_else(|| broken("a rendition without a name"))?.to_owned(),
        attributes: attributes.to_owned(),
        init: init.into(),
        segments: load_segments(folder, &text)?,
        channel: load_channel(folder),
    })
}

/// A folder that was cut before there was a low-latency channel goes without.
fn load_channel(folder: &Path) -> Option<Channel> {
    let file = Bytes::from(std::fs::read(folder.join(PARTS_FILE)).ok()?);
    Channel::of(Fragments::read(&file)?)
}

fn load_segments(folder: &Path, playlist: &str) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut lines = playlist.lines();
    while let Some(line) = lines.next() {
        let Some(secs) = line.strip_prefix("#EXTINF:") else { continue };
        let file = lines.next().ok_or_else(|| broken("EXTINF without a segment"))?;
        let bytes = std::fs::read(folder.join(file))?.into();
        segments.push(Segment { secs: secs.trim_end_matches(',').to_owned(), bytes });
    }
    if segments.is_empty() { Err(broken("a rendition without segments")) } else { Ok(segments) }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
