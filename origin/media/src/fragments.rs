//! Fragments of an MP4 file (ISO/IEC 14496-12 8.8), as parts of a low-latency channel. Pure.

use bytes::Bytes;

/// A fragmented file, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    /// `ftyp` and `moov`.
    pub(crate) init: Bytes,
    pub(crate) fragments: Vec<Fragment>,
}

/// A `moof` with its `mdat`.
#[derive(Debug)]
pub(crate) struct Fragment {
    /// Samples of its first track, which is the picture.
    pub(crate) frames: u32,
    pub(crate) bytes: Bytes,
}

impl Fragments {
    /// Takes a file apart; `None` when it is no fragmented MP4.
    pub(crate) fn read(file: &Bytes) -> Option<Self> {
        let mut found = Self::default();
        let (mut at, mut begin) = (0, 0);
        let mut frames = None;
        while at < file.len() {
            let (kind, size) = head(file.get(at..)?)?;
            let end = at.checked_add(size).filter(|end| *end <= file.len())?;
            match &kind {
                b"moov" => found.init = file.slice(..end),
                b"moof" => {
                    begin = at;
                    frames = Some(frames_of(&file[at + 8..end])?);
                }
                b"mdat" => {
                    if let Some(frames) = frames.take() {
                        let bytes = file.slice(begin..end);
                        found.fragments.push(Fragment { frames, bytes });
                    }
                }
                _ => {}
            }
            at = end;
        }
        (!found.init.is_empty() && !found.fragments.is_empty()).then_some(found)
    }
}

/// Kind and size of the box that begins here.
fn head(bytes: &[u8]) -> Option<([u8; 4], usize)> {
    let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = bytes.get(4..8)?.try_into().ok()?;
    (size >= 8 && size <= bytes.len()).then_some((kind, size))
}

/// The content of the first box of a kind.
fn child<'b>(mut bytes: &'b [u8], wanted: &[u8; 4]) -> Option<&'b [u8]> {
    loop {
        let (kind, size) = head(bytes)?;
        if kind == *wanted {
            return Some(&bytes[8..size]);
        }
        bytes = &bytes[size..];
    }
}

/// `sample_count` of the first run of the first track (8.8.8).
fn frames_of(moof: &[u8]) -> Option<u32> {
    let run = child(child(moof, b"traf")?, b"trun")?;
    Some(u32::from_be_bytes(run.get(4..8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    #[test]
    fn a_file_is_taken_apart() {
        let run = boxed(b"trun", &[0, 0, 0, 0, 0, 0, 0, 13]);
        let moof = boxed(b"moof", &[boxed(b"mfhd", &[0; 8]), boxed(b"traf", &run)].concat());
        let part = [moof, boxed(b"mdat", b"data")].concat();
        let init = [boxed(b"ftyp", b"iso5"), boxed(b"moov", b"x")].concat();
        let file = Bytes::from([init.clone(), part.clone(), part.clone()].concat());
        let found = Fragments::read(&file).unwrap();
        assert_eq!(found.init, init);
        assert_eq!(found.fragments.len(), 2);
        assert_eq!((found.fragments[1].frames, &found.fragments[1].bytes[..]), (13, &part[..]));
        for end in 0..file.len() {
            // A file that is cut off gives what is whole, or nothing.
            let _ = Fragments::read(&file.slice(..end));
        }
    }
}
