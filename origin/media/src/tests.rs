mod playlists;
mod serving;

use crate::fragments::tests::file;
use crate::stream::{AUDIO_HZ, FPS, PART_FRAMES, PARTS, Picture, Stream, Track};

/// A stream of `segments` made-up segments in one size, with sound.
fn made_up(segments: u64, epoch: i64) -> Stream {
    let parts = segments * PARTS;
    let picture = Picture { width: 640, height: 360, fps: FPS };
    let video = file(parts, PART_FRAMES, b"....avcC\x01\x42\xc0\x1e");
    let video = Track::of("360p", Some(picture), &video, segments).unwrap();
    assert_ne!(AUDIO_HZ, video.timescale);
    let audio = Track::of("audio", None, &file(parts, 30, b"....mp4a"), segments).unwrap();
    Stream { epoch, tracks: vec![video, audio] }
}
