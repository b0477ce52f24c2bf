//! The demonstration stream in memory, and how it is read from its folder.

use std::io;
use std::path::Path;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tidegate_origin_kit::Micros;

use crate::channel::Channel;
use crate::fragments::{Fragment, Fragments, Placed};

/// Frames a second.
pub(crate) const FPS: u32 = 25;
/// Samples of sound a second, and in a frame of AAC.
pub(crate) const AUDIO_HZ: u32 = 48_000;
const AAC_SAMPLES: u32 = 1024;
/// Frames of a part and of a segment. 16 frames of picture last as long as 30 of sound, so that segments of
/// both end at the same moment, and the film can be repeated without a gap.
pub(crate) const PART_FRAMES: u32 = 16;
pub(crate) const SEGMENT_FRAMES: u32 = PART_FRAMES * PARTS as u32;
const PART_AUDIO_FRAMES: u32 = 30;
/// Parts of a segment.
pub(crate) const PARTS: u64 = 3;
/// Microseconds of a part and of a segment.
pub(crate) const PART_US: Micros = 640_000;
pub(crate) const SEGMENT_US: Micros = PART_US * PARTS as i64;
/// `EXT-X-TARGETDURATION`: a segment, rounded.
pub(crate) const TARGET_SECS: u32 = 2;
/// Segments of the whole film.
pub(crate) const SEGMENTS: u64 = 30;
/// The file that says that a folder is whole.
pub(crate) const MARK: &str = "stream.json";

const _: () = assert!(PART_FRAMES as i64 * 1_000_000 == PART_US * FPS as i64);
const _: () =
    assert!((PART_AUDIO_FRAMES * AAC_SAMPLES) as i64 * 1_000_000 == PART_US * AUDIO_HZ as i64);

/// One size of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fps: u32,
}

/// A track that is to be cut.
#[derive(Debug)]
pub(crate) struct TrackPlan {
    pub(crate) name: &'static str,
    /// None for sound.
    pub(crate) picture: Option<Picture>,
    pub(crate) kbit: u32,
}

/// The tracks: the sizes, largest first, and the sound.
pub(crate) const TRACKS: [TrackPlan; 3] = [
    TrackPlan {
        name: "360p",
        picture: Some(Picture { width: 640, height: 360, fps: FPS }),
        kbit: 700,
    },
    TrackPlan {
        name: "180p",
        picture: Some(Picture { width: 320, height: 180, fps: FPS }),
        kbit: 220,
    },
    TrackPlan { name: "audio", picture: None, kbit: 64 },
];

/// The stream, ready to serve.
#[derive(Debug)]
pub(crate) struct Stream {
    /// When the channel went on air.
    pub(crate) epoch: Micros,
    pub(crate) tracks: Vec<Track>,
}

/// One track, cut.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) name: String,
    pub(crate) picture: Option<Picture>,
    pub(crate) codec: String,
    /// Ticks of its clock in a second.
    pub(crate) timescale: u32,
    /// Bits a second of its largest segment, and of all.
    pub(crate) peak_bps: u64,
    pub(crate) mean_bps: u64,
    pub(crate) init: Bytes,
    chunks: Vec<Fragment>,
}

/// What [`MARK`] holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// When the channel went on air.
    pub(crate) epoch: Micros,
}

impl Stream {
    /// The track called `name`.
    pub(crate) fn track(&self, name: &str) -> Option<&Track> {
        self.tracks.iter().find(|track| track.name == name)
    }

    pub(crate) fn channel(&self) -> Channel {
        Channel::since(self.epoch)
    }

    /// Segments of the film.
    pub(crate) fn segments(&self) -> u64 {
        self.tracks.first().map_or(0, Track::segments)
    }

    /// Reads a whole folder; blocks.
    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        let mark: Mark = serde_json::from_slice(&std::fs::read(folder.join(MARK))?)?;
        let tracks = TRACKS
            .iter()
            .map(|plan| {
                let file = Bytes::from(std::fs::read(folder.join(file_of(plan.name)))?);
                let track = Track::of(plan.name, plan.picture, &file, SEGMENTS);
                track.ok_or_else(|| broken(plan.name))
            })
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self { epoch: mark.epoch, tracks })
    }
}

/// The file of a track.
pub(crate) fn file_of(name: &str) -> String {
    format!("{name}.mp4")
}

fn broken(name: &str) -> io::Error {
    let text = format!("{}: not cut in equal fragments", file_of(name));
    io::Error::new(io::ErrorKind::InvalidData, text)
}

impl Track {
    /// Takes a file of so many segments apart; `None` when it is cut otherwise.
    pub(crate) fn of(
        name: &str,
        picture: Option<Picture>,
        file: &Bytes,
        segments: u64,
    ) -> Option<Self> {
        let found = Fragments::read(file)?;
        let frames = if picture.is_some() { PART_FRAMES } else { PART_AUDIO_FRAMES };
        let equal = found.fragments.iter().all(|fragment| fragment.frames == frames);
        (equal && found.fragments.len() as u64 == segments * PARTS).then_some(())?;
        let size = |chunks: &[Fragment]| chunks.iter().map(|c| c.bytes.len() as u64).sum::<u64>();
        let rate = |bytes: u64, segments: u64| {
            bytes * 8 * 1_000_000 / (SEGMENT_US as u64 * segments.max(1))
        };
        let peak = found.fragments.chunks(PARTS as usize).map(size).max()?;
        Some(Self {
            name: name.to_owned(),
            picture,
            codec: found.codec,
            timescale: found.timescale,
            peak_bps: rate(peak, 1),
            mean_bps: rate(size(&found.fragments), segments),
            init: found.init,
            chunks: found.fragments,
        })
    }

    fn segments(&self) -> u64 {
        self.chunks.len() as u64 / PARTS
    }

    /// A segment of the film.
    pub(crate) fn segment(&self, number: u64) -> Option<Bytes> {
        let first = usize::try_from(number.checked_mul(PARTS)?).ok()?;
        let chunks = self.chunks.get(first..first + PARTS as usize)?;
        Some(chunks.iter().flat_map(|chunk| chunk.bytes.iter().copied()).collect())
    }

    /// A part of the channel, with the times it has there.
    pub(crate) fn part(&self, channel: Channel, msn: u64, part: u64) -> Vec<u8> {
        let index = msn * PARTS + part;
        let round = self.chunks.len() as u64;
        let round_ticks =
            u128::from(round) * PART_US as u128 * u128::from(self.timescale) / 1_000_000;
        let taken_us = channel.begins_at(msn) + part as i64 * PART_US;
        let placed = Placed {
            sequence: (index + 1) as u32,
            later: index / round * round_ticks as u64,
            taken_us: taken_us as u64,
        };
        self.chunks[(index % round) as usize].placed(placed)
    }
}
