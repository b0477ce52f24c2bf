//! What kind of object a request is for.

#[cfg(test)]
mod tests;

/// The classes that delivery treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// An HLS playlist of which nothing more is known yet.
    Playlist,
    /// The playlist that names the others.
    Multivariant,
    /// A playlist of segments that is still growing.
    LivePlaylist,
    /// A playlist of segments that is complete.
    VodPlaylist,
    /// A DASH manifest.
    Mpd,
    /// The difference between two DASH manifests.
    MpdPatch,
    /// An initialisation section.
    Init,
    /// A media segment, or a part of one.
    Segment,
    /// A content key.
    Key,
    /// Subtitles.
    Subtitle,
    /// A picture, such as a thumbnail.
    Image,
    /// A whole film or another large file, fetched in ranges.
    File,
    /// Nothing of media.
    Other,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 13] = [
        Self::Playlist,
        Self::Multivariant,
        Self::LivePlaylist,
        Self::VodPlaylist,
        Self::Mpd,
        Self::MpdPatch,
        Self::Init,
        Self::Segment,
        Self::Key,
        Self::Subtitle,
        Self::Image,
        Self::File,
        Self::Other,
    ];

    /// The word of configuration and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Playlist => "playlist",
            Self::Multivariant => "multivariant",
            Self::LivePlaylist => "live_playlist",
            Self::VodPlaylist => "vod_playlist",
            Self::Mpd => "mpd",
            Self::MpdPatch => "mpd_patch",
            Self::Init => "init",
            Self::Segment => "segment",
            Self::Key => "key",
            Self::Subtitle => "subtitle",
            Self::Image => "image",
            Self::File => "file",
            Self::Other => "other",
        }
    }

    /// The class that a path's ending tells.
    pub fn of_path(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        let Some((stem, extension)) = name.rsplit_once('.') else { return Self::Other };
        let mut lower = [0; 8];
        let Some(lower) = lower.get_mut(..extension.len()) else { return Self::Other };
        lower.copy_from_slice(extension.as_bytes());
        lower.make_ascii_lowercase();
        match &*lower {
            b"m3u8" | b"m3u" => Self::Playlist,
            b"mpd" => Self::Mpd,
            b"mpp" => Self::MpdPatch,
            b"mp4" | b"m4v" | b"m4a" if is_init(stem) => Self::Init,
            b"m4s" | b"cmfv" | b"cmfa" | b"cmft" if is_init(stem) => Self::Init,
            b"m4s" | b"ts" | b"aac" | b"ac3" | b"ec3" | b"cmfv" | b"cmfa" | b"cmft" | b"m2ts" => {
                Self::Segment
            }
            b"key" => Self::Key,
            b"vtt" | b"webvtt" | b"ttml" | b"srt" => Self::Subtitle,
            b"jpg" | b"jpeg" | b"png" | b"webp" | b"avif" | b"gif" => Self::Image,
            b"mp4" | b"m4v" | b"m4a" | b"mov" | b"mkv" | b"webm" | b"mp3" | b"flac" | b"ogg"
            | b"iso" | b"zip" | b"bin" => Self::File,
            _ => Self::Other,
        }
    }

    /// The class that a media type tells, where it tells one; else the one known before.
    pub fn with_type(self, content_type: &[u8]) -> Self {
        let end = content_type.iter().position(|b| *b == b';').unwrap_or(content_type.len());
        let kind = content_type[..end].trim_ascii().to_ascii_lowercase();
        match kind.as_slice() {
            b"application/vnd.apple.mpegurl"
            | b"application/x-mpegurl"
            | b"audio/mpegurl"
            | b"audio/x-mpegurl" => {
                if self.is_playlist() {
                    self
                } else {
                    Self::Playlist
                }
            }
            b"application/dash+xml" => Self::Mpd,
            b"application/dash-patch+xml" => Self::MpdPatch,
            b"video/mp2t" | b"video/iso.segment" => Self::Segment,
            b"text/vtt" | b"application/ttml+xml" => Self::Subtitle,
            _ => self,
        }
    }

    /// Whether it is an HLS playlist of any kind.
    pub const fn is_playlist(self) -> bool {
        matches!(self, Self::Playlist | Self::Multivariant | Self::LivePlaylist | Self::VodPlaylist)
    }

    /// Whether it names other objects, so that it may have to be rewritten.
    pub const fn is_manifest(self) -> bool {
        self.is_playlist() || matches!(self, Self::Mpd)
    }
}

/// What packagers call initialisation sections.
fn is_init(stem: &str) -> bool {
    let stem = stem.as_bytes();
    let begins = |word: &[u8]| stem.get(..word.len()).is_some_and(|s| s.eq_ignore_ascii_case(word));
    let ends = |word: &[u8]| {
        let at = stem.len().checked_sub(word.len());
        at.is_some_and(|at| stem[at..].eq_ignore_ascii_case(word))
    };
    begins(b"init") || ends(b"init") || ends(b"-header")
}
