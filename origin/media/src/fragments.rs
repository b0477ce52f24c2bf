//! Fragments of an MP4 file (ISO/IEC 14496-12 8.8), as the chunks of a CMAF track. Pure.

use std::ops::Range;

use bytes::Bytes;

/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_OFFSET_S: u64 = 2_208_988_800;
/// What the codec of AAC-LC is called (RFC 6381).
const AAC_LC: &str = "mp4a.40.2";

/// A fragmented file of one track, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    /// `ftyp` and `moov`.
    pub(crate) init: Bytes,
    /// Ticks of its clock in a second.
    pub(crate) timescale: u32,
    /// As RFC 6381 names it.
    pub(crate) codec: String,
    pub(crate) fragments: Vec<Fragment>,
}

/// A `moof` with its `mdat`.
#[derive(Debug)]
pub(crate) struct Fragment {
    /// Samples of its run.
    pub(crate) frames: u32,
    pub(crate) bytes: Bytes,
    /// Where `sequence_number` lies, and `baseMediaDecodeTime`.
    sequence_at: usize,
    time_at: usize,
}

/// Where a repeated fragment stands in a channel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) sequence: u32,
    /// Ticks that its times are later than in the file.
    pub(crate) later: u64,
    /// When its first frame was taken, unix microseconds.
    pub(crate) taken_us: u64,
}

impl Fragments {
    /// Takes a file apart; `None` when it is no fragmented MP4 of one track.
    pub(crate) fn read(file: &Bytes) -> Option<Self> {
        let mut found = Self::default();
        let mut at = 0;
        let mut open: Option<(usize, Range<usize>)> = None;
        while at < file.len() {
            let (kind, size) = head(file.get(at..)?)?;
            let end = at.checked_add(size).filter(|end| *end <= file.len())?;
            match &kind {
                b"moov" => found.begin(file, at + 8..end)?,
                b"moof" => open = Some((at, at + 8..end)),
                b"mdat" => {
                    if let Some((begin, moof)) = open.take() {
                        found.fragments.push(Fragment::read(&file.slice(begin..end), moof.len())?);
                    }
                }
                _ => {}
            }
            at = end;
        }
        (!found.init.is_empty() && !found.fragments.is_empty()).then_some(found)
    }

    fn begin(&mut self, file: &Bytes, moov: Range<usize>) -> Option<()> {
        self.init = file.slice(..moov.end);
        let media = [*b"trak", *b"mdia"].iter().try_fold(moov, |of, kind| child(file, of, kind))?;
        let clock = child(file, media.clone(), b"mdhd")?;
        // 8.4.2: the times before the timescale are twice as long in version 1.
        let skip = if file.get(clock.start)? == &1 { 20 } else { 12 };
        self.timescale = number(file, clock.start + skip)?;
        self.codec = codec(&file[media])?;
        Some(())
    }
}

impl Fragment {
    /// Finds its way in a `moof`, whose content has so many bytes, and the `mdat` after it.
    fn read(bytes: &Bytes, content: usize) -> Option<Self> {
        let moof = 8..8 + content;
        let header = child(bytes, moof.clone(), b"mfhd")?;
        let track = child(bytes, moof, b"traf")?;
        let run = child(bytes, track.clone(), b"trun")?;
        let time = child(bytes, track, b"tfdt")?;
        // Only the long form of the time (8.8.12) has room for a channel that never ends.
        (bytes.get(time.start)? == &1 && time.len() >= 12).then_some(())?;
        number(bytes, header.start + 4)?;
        Some(Self {
            frames: number(bytes, run.start + 4)?,
            bytes: bytes.clone(),
            sequence_at: header.start + 4,
            time_at: time.start + 4,
        })
    }

    /// The chunk as it stands in a channel: with its times there, and with a `prft` that tells when it was
    /// taken (ISO/IEC 14496-12 8.16.5), so that a player can tell its latency.
    pub(crate) fn placed(&self, placed: Placed) -> Vec<u8> {
        let time_at = self.time_at..self.time_at + 8;
        let mut media_time = [0; 8];
        media_time.copy_from_slice(&self.bytes[time_at.clone()]);
        let media_time = (u64::from_be_bytes(media_time) + placed.later).to_be_bytes();
        let mut moved = self.bytes.to_vec();
        moved[self.sequence_at..self.sequence_at + 4]
            .copy_from_slice(&placed.sequence.to_be_bytes());
        moved[time_at].copy_from_slice(&media_time);
        [&produced(placed.taken_us, media_time)[..], &moved].concat()
    }
}

/// A `prft` of track 1, taken by the encoder.
fn produced(taken_us: u64, media_time: [u8; 8]) -> Vec<u8> {
    const ENCODER_INPUT_V1: u32 = 0x0100_0000;
    let (seconds, micros) = (taken_us / 1_000_000 + NTP_OFFSET_S, taken_us % 1_000_000);
    let ntp = (seconds << 32) | ((micros << 32) / 1_000_000);
    let size: u32 = 32;
    [
        &size.to_be_bytes()[..],
        b"prft",
        &ENCODER_INPUT_V1.to_be_bytes(),
        &1_u32.to_be_bytes(),
        &ntp.to_be_bytes(),
        &media_time,
    ]
    .concat()
}

/// The codec as RFC 6381 names it: what `avcC` says of H.264 (ISO/IEC 14496-15 5.3.3.1), else AAC.
fn codec(media: &[u8]) -> Option<String> {
    let at = |kind: &[u8; 4]| media.windows(4).position(|window| window == kind);
    if let Some(at) = at(b"avcC") {
        let [_, profile, compatible, level] = media.get(at + 4..at + 8)? else { return None };
        return Some(format!("avc1.{profile:02x}{compatible:02x}{level:02x}"));
    }
    at(b"mp4a").map(|_| AAC_LC.to_owned())
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Kind and size of the box that begins here.
fn head(bytes: &[u8]) -> Option<([u8; 4], usize)> {
    let size = number(bytes, 0)? as usize;
    let kind = bytes.get(4..8)?.try_into().ok()?;
    (size >= 8 && size <= bytes.len()).then_some((kind, size))
}

/// Where the content of the first box of a kind lies.
fn child(bytes: &[u8], within: Range<usize>, wanted: &[u8; 4]) -> Option<Range<usize>> {
    let mut at = within.start;
    loop {
        let (kind, size) = head(bytes.get(at..within.end)?)?;
        if kind == *wanted {
            return Some(at + 8..at + size);
        }
        at += size;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    /// A file of one track with 25 ticks a second and fragments of so many frames.
    pub(crate) fn file(fragments: u64, frames: u32, kind: &[u8]) -> Bytes {
        let clock = boxed(b"mdhd", &[&[0; 12][..], &25_u32.to_be_bytes(), &[0; 8]].concat());
        let media = boxed(b"mdia", &[clock, boxed(b"minf", kind)].concat());
        let mut out = boxed(b"ftyp", b"iso5");
        out.extend(boxed(b"moov", &boxed(b"trak", &media)));
        for n in 0..fragments {
            let time = (n * u64::from(frames)).to_be_bytes();
            let run = boxed(b"trun", &[&[0; 4][..], &frames.to_be_bytes()].concat());
            let time = boxed(b"tfdt", &[&[1, 0, 0, 0][..], &time].concat());
            let track = boxed(b"traf", &[time, run].concat());
            out.extend(boxed(b"moof", &[boxed(b"mfhd", &[0; 8]), track].concat()));
            out.extend(boxed(b"mdat", n.to_string().as_bytes()));
        }
        out.into()
    }

    const AVC: &[u8] = b"....avcC\x01\x42\xc0\x1e";

    #[test]
    fn a_file_is_taken_apart() {
        let file = file(2, 16, AVC);
        let found = Fragments::read(&file).unwrap();
        assert_eq!((found.timescale, found.codec.as_str()), (25, "avc1.42c01e"));
        assert_eq!((found.fragments.len(), found.fragments[1].frames), (2, 16));
        let bytes: usize = found.fragments.iter().map(|f| f.bytes.len()).sum();
        assert_eq!(found.init.len() + bytes, file.len());
        for end in 0..file.len() {
            // A file that is cut off gives what is whole, or nothing.
            let _ = Fragments::read(&file.slice(..end));
        }
    }

    #[test]
    fn a_repeated_fragment_has_the_times_of_its_place() {
        let found = Fragments::read(&file(2, 16, AVC)).unwrap();
        let placed = Placed { sequence: 7, later: 1 << 40, taken_us: 1_500_000 };
        let bytes = found.fragments[1].placed(placed);
        assert_eq!(&bytes[4..8], b"prft");
        assert_eq!(bytes[16..24], (((NTP_OFFSET_S + 1) << 32) | (1 << 31)).to_be_bytes());
        assert_eq!(bytes[24..32], ((1_u64 << 40) + 16).to_be_bytes());
        let rest = Bytes::copy_from_slice(&bytes[32..]);
        let (_, moof) = head(&rest).unwrap();
        let read = Fragment::read(&rest, moof - 8).unwrap();
        assert_eq!(number(&rest, read.sequence_at), Some(7));
        assert_eq!(rest[read.time_at..read.time_at + 8], ((1_u64 << 40) + 16).to_be_bytes());
        assert_eq!(rest.len(), found.fragments[1].bytes.len());
    }
}
