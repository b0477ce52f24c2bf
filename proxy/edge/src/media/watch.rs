//! A manifest that arrives for the cache is read on the way.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_http::{Fields, ResponseHead};
use tidegate_media::{
    Class,
    dash::Mpd,
    hls::{PLAYLIST_BYTES_MAX, Playlist},
};

use super::{ahead::Ahead, streams};
use crate::{Edge, request::Admitted};

/// Reads what a fill brings.
pub(crate) struct Watch {
    edge: Arc<Edge>,
    name: String,
    class: Class,
    stalled_after: u64,
    prefetch: usize,
    ahead: Ahead,
    body: Vec<u8>,
    reading: bool,
}

impl Watch {
    /// For a route that delivers media.
    pub(crate) fn of(edge: &Arc<Edge>, admitted: &Admitted<'_>) -> Option<Self> {
        let media = admitted.route().media.as_ref()?;
        let facts = admitted.permitted.verified.signature.media.as_ref()?;
        let received = admitted.received();
        Some(Self {
            edge: edge.clone(),
            name: streams::name(received.head, admitted.path()),
            class: facts.class,
            stalled_after: media.stalled_after,
            prefetch: media.prefetch,
            ahead: Ahead::of(received, admitted.path()),
            body: Vec::new(),
            reading: false,
        })
    }

    /// The head has come.
    pub(crate) fn head(&mut self, head: &mut ResponseHead) {
        let kind = head.fields.first("content-type").unwrap_or_default();
        self.class = self.class.with_type(kind);
        let plain = head.fields.first("content-encoding").is_none_or(|c| c == b"identity");
        self.reading = head.status == 200 && self.class.is_manifest() && plain;
        let urgency = self.class.defaults(None, false).urgency;
        head.fields.set_if_absent("Priority", format!("u={urgency}"));
        if head.status >= 500 {
            self.failed();
        }
    }

    /// A piece of the body has come.
    pub(crate) fn body(&mut self, piece: &Bytes) {
        if !self.reading {
            return;
        }
        if self.body.len() + piece.len() > PLAYLIST_BYTES_MAX {
            self.reading = false;
            self.body = Vec::new();
            return;
        }
        self.body.extend_from_slice(piece);
    }

    /// All of it has come.
    pub(crate) fn finish(self) {
        if !self.reading {
            return;
        }
        let node = &self.edge.node;
        let now_ms = node.clock.now().unix_us / 1000;
        if self.class == Class::Mpd {
            if let Some(mpd) = Mpd::parse(&self.body) {
                node.media.manifest(&self.name, &mpd, now_ms);
            }
            return;
        }
        if let Some(Playlist::Media(media)) = Playlist::parse(&self.body) {
            if self.prefetch > 0 {
                self.ahead.playlist(&self.edge, &media, self.prefetch);
            }
            node.media.playlist(&self.name, media, self.stalled_after, now_ms);
        }
    }

    /// It could not be had.
    pub(crate) fn failed(&self) {
        if self.class.is_playlist() {
            let now_ms = self.edge.node.clock.now().unix_us / 1000;
            self.edge.node.media.playlist_failed(&self.name, self.stalled_after, now_ms);
        }
    }
}
