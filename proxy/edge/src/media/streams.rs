//! What manifests that passed have taught about their streams.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use tidegate_http::Head;
use tidegate_media::{Position, Timing, dash::Mpd, directives::Refused, hls::Media};
use tokio::sync::Semaphore;

use crate::Edge;

/// Most streams that are remembered.
const STREAMS_MAX: usize = 8192;
/// Files that are known not to be served in ranges, at most.
const WHOLE_MAX: usize = 8192;
/// Fetches ahead of players that run at once on one node.
const AHEAD_MAX: usize = 32;

/// What is known of the streams that pass.
pub(crate) struct Streams {
    known: Mutex<HashMap<Arc<str>, Stream>>,
    /// Files whose origin answers ranges with the whole, until when.
    whole: Mutex<HashMap<u128, u64>>,
    /// Room for fetches ahead of players.
    pub(crate) ahead: Arc<Semaphore>,
    /// The node, for fetches of its own.
    edge: OnceLock<Weak<Edge>>,
}

#[derive(Clone)]
struct Stream {
    timing: Timing,
    media: Option<Arc<Media>>,
    last: Option<Position>,
    /// When it last brought something new, unix milliseconds.
    advanced_ms: u64,
    /// The standby has taken the upstream's place.
    swapped: bool,
}

/// The name of the stream that a path belongs to: playlists have a stream each, all else belongs to its folder.
pub(crate) fn name(head: &Head<'_>, path: &str) -> String {
    let is_playlist = tidegate_media::Class::of_path(path).is_playlist();
    let end = if is_playlist { path.len() } else { path.rfind('/').unwrap_or(0) + 1 };
    format!("{}{}", head.host(), &path[..end])
}

/// The folder of a stream's name.
fn folder(name: &str) -> &str {
    &name[..=name.rfind('/').unwrap_or(0)]
}

// === impl Streams ===

impl Default for Streams {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            whole: Mutex::default(),
            ahead: Arc::new(Semaphore::new(AHEAD_MAX)),
            edge: OnceLock::new(),
        }
    }
}

impl Streams {
    /// Says whose they are.
    pub(crate) fn belongs_to(&self, edge: &Arc<Edge>) {
        let _ = self.edge.set(Arc::downgrade(edge));
    }

    pub(crate) fn edge(&self) -> Option<Arc<Edge>> {
        self.edge.get()?.upgrade()
    }

    /// Whether a request may wait for this place.
    pub(crate) fn check(&self, name: &str, wanted: Position) -> Result<(), Refused> {
        let media = self.lock().get(name).and_then(|stream| stream.media.clone());
        media.map_or(Ok(()), |media| media.check(wanted))
    }

    /// What is known of the times of a stream.
    pub(crate) fn timing(&self, name: &str) -> Option<Timing> {
        self.lock().get(name).map(|stream| stream.timing)
    }

    /// Whether the standby has taken the place of the usual upstream, which stood still. It keeps it until it
    /// stands still itself: a stream that went back and forth would go back in time with each of them.
    pub(crate) fn swapped(&self, name: &str) -> bool {
        self.lock().get(name).is_some_and(|stream| stream.swapped)
    }

    /// A playlist has come. `after` target durations without anything new make a stream stand still.
    pub(crate) fn playlist(&self, name: &str, media: Media, after: u64, now_ms: u64) {
        let timing = Timing::of_playlist(&media);
        let mut known = self.lock();
        make_room(&mut known);
        let before = known.get(name).cloned();
        let mut stream = before.unwrap_or(Stream {
            timing,
            media: None,
            last: None,
            advanced_ms: now_ms,
            swapped: false,
        });
        let last = media.last();
        if last > stream.last || media.ended {
            stream.advanced_ms = now_ms;
            stream.last = last;
            stream.media = Some(Arc::new(media));
        } else {
            stream.note_stall(timing, after, now_ms);
        }
        stream.timing = timing;
        // A folder has several playlists: any of them tells how long its segments are.
        known.insert(folder(name).into(), Stream { media: None, last: None, ..stream.clone() });
        known.insert(name.into(), stream);
    }

    /// A playlist could not be had.
    pub(crate) fn playlist_failed(&self, name: &str, after: u64, now_ms: u64) {
        if let Some(stream) = self.lock().get_mut(name) {
            let timing = stream.timing;
            stream.note_stall(timing, after, now_ms);
        }
    }

    /// A DASH manifest has come.
    pub(crate) fn manifest(&self, name: &str, mpd: &Mpd, now_ms: u64) {
        let mut known = self.lock();
        make_room(&mut known);
        let timing = Timing::of_mpd(mpd);
        let (media, last) = (None, None);
        let stream = Stream { timing, media, last, advanced_ms: now_ms, swapped: false };
        known.insert(folder(name).into(), stream);
    }

    /// Whether the file of a key is not to be had in ranges.
    pub(crate) fn is_whole(&self, key: u128, now_ms: u64) -> bool {
        let whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.get(&key).is_some_and(|until_ms| *until_ms > now_ms)
    }

    /// Remembers for a minute that it is not.
    pub(crate) fn set_whole(&self, key: u128, now_ms: u64) {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if whole.len() >= WHOLE_MAX {
            whole.clear();
        }
        whole.insert(key, now_ms + 60_000);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Stream>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    fn note_stall(&mut self, timing: Timing, after: u64, now_ms: u64) {
        let patience_ms = timing.target_ms.saturating_mul(after);
        if timing.live && now_ms.saturating_sub(self.advanced_ms) > patience_ms {
            self.swapped = !self.swapped;
            self.advanced_ms = now_ms;
            // The other origin may number its segments otherwise.
            (self.last, self.media) = (None, None);
        }
    }
}

/// Forgets what has not brought anything new for the longest time.
fn make_room(known: &mut HashMap<Arc<str>, Stream>) {
    if known.len() < STREAMS_MAX {
        return;
    }
    let mut ages: Vec<u64> = known.values().map(|stream| stream.advanced_ms).collect();
    let middle = ages.len() / 2;
    let (_, median, _) = ages.select_nth_unstable(middle);
    let median = *median;
    known.retain(|_, stream| stream.advanced_ms > median);
}

#[cfg(test)]
mod tests {
    use tidegate_media::hls::Playlist;

    use super::*;

    fn playlist(first: u64) -> Media {
        let text = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXTINF:2,\na\n"
        );
        match Playlist::parse(text.as_bytes()) {
            Some(Playlist::Media(media)) => media,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stream_that_brings_nothing_new_stands_still() {
        let streams = Streams::default();
        streams.playlist("h/a.m3u8", playlist(1), 3, 0);
        streams.playlist("h/a.m3u8", playlist(1), 3, 6000);
        assert!(!streams.swapped("h/a.m3u8"));
        streams.playlist("h/a.m3u8", playlist(1), 3, 6001);
        assert!(streams.swapped("h/a.m3u8") && streams.swapped("h/"));
    }

    #[test]
    fn the_standby_stays_until_it_stands_still_itself() {
        let streams = Streams::default();
        streams.playlist("h/a.m3u8", playlist(90), 3, 0);
        streams.playlist("h/a.m3u8", playlist(90), 3, 7000);
        // It counts otherwise, and that is no reason to leave it.
        for n in 1..100 {
            streams.playlist("h/a.m3u8", playlist(n), 3, 7000 + n * 2000);
            assert!(streams.swapped("h/a.m3u8"), "{n}");
        }
        let last = 7000 + 99 * 2000;
        streams.playlist_failed("h/a.m3u8", 3, last + 6000);
        assert!(streams.swapped("h/a.m3u8"));
        streams.playlist_failed("h/a.m3u8", 3, last + 6001);
        assert!(!streams.swapped("h/a.m3u8"));
        assert_eq!(streams.timing("h/"), streams.timing("h/a.m3u8"));
    }

    #[test]
    fn memory_has_an_end() {
        let streams = Streams::default();
        for n in 0..STREAMS_MAX as u64 * 2 {
            streams.playlist(&format!("h/{n}.m3u8"), playlist(1), 3, n);
        }
        assert!(streams.lock().len() <= STREAMS_MAX + 2);
    }
}
