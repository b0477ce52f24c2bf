//! Fuzz bodies: any bytes as what this crate reads. They run as tests too.

use tidegate_http::FieldList;

use crate::dash::Mpd;
use crate::directives::{Directives, canonical_query};
use crate::hls::Playlist;
use crate::rewrite::{HlsRewriter, Tokens, rewrite_mpd};
use crate::slice::Wanted;
use crate::{Class, Cmcd};

#[cfg(test)]
mod tests;

fn tokens() -> Tokens {
    Tokens { playlists: "t=1".into(), media: "t=2".into(), authority: "h".into() }
}

/// Playlists: parsed, and rewritten in two ways that must agree.
pub fn hls(data: &[u8]) {
    if let Some(Playlist::Media(media)) = Playlist::parse(data) {
        let _ = (media.last(), media.wait_ms_max());
    }
    let rewritten = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut rewriter = HlsRewriter::new(tokens());
        let mut out = Vec::new();
        pieces.for_each(|piece| rewriter.push(piece, &mut out));
        rewriter.finish(&mut out);
        out
    };
    let whole = rewritten(&mut std::iter::once(data));
    assert_eq!(whole, rewritten(&mut data.chunks(3)), "pieces make no difference");
}

/// Manifests: parsed and rewritten; what was rewritten can still be read.
pub fn dash(data: &[u8]) {
    let read = Mpd::parse(data);
    if let (Some(_), Some(rewritten)) = (read, rewrite_mpd(data, &tokens())) {
        assert!(Mpd::parse(&rewritten).is_some(), "a manifest stays one");
    }
}

/// Queries and fields of requests.
pub fn request(data: &[u8]) {
    let _ = Wanted::parse(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Class::of_path(text).with_type(data);
    let _ = Directives::of(Some(text));
    let canonical = canonical_query(Some(text)).map(std::borrow::Cow::into_owned);
    let again = canonical_query(canonical.as_deref()).map(std::borrow::Cow::into_owned);
    assert_eq!(canonical, again, "the canonical query is its own");
    let _ = Cmcd::of(Some(&format!("CMCD={text}")), &FieldList::new());
}
