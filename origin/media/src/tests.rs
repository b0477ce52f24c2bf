mod playlists;
mod serving;

use bytes::Bytes;

use crate::stream::{Rendition, Segment, Stream};

/// A stream of `segments` made-up segments in one size.
fn made_up(segments: usize, epoch: i64) -> Stream {
    let segments = (0..segments).map(|n| Segment {
        secs: "2.000000".to_owned(),
        bytes: Bytes::from(format!("segment {n}")),
    });
    let rendition = Rendition {
        name: "360p".to_owned(),
        attributes: "BANDWIDTH=1,CODECS=\"avc1.42c01e\"".to_owned(),
        init: Bytes::from_static(b"init"),
        segments: segments.collect(),
        channel: None,
    };
    Stream { epoch, renditions: vec![rendition] }
}
