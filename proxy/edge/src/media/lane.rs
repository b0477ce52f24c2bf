//! The client's end of a media request: answers get what is meant for this viewer alone.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_http::{FieldList, Fields, ResponseHead};
use tidegate_media::{
    Class,
    cmsd::{self, Dynamic},
    rewrite::{HlsRewriter, Tokens, rewrite_mpd},
};
use tidegate_sign::{Claims, Grant, Scope, mint};
use tidegate_spec::ManifestTokens;
use tidegate_upstream::{Downstream, DownstreamGone, ResponseFraming};

use crate::{
    Edge,
    lane::{Account, Lane},
    request::Admitted,
    slow::Slow,
};

/// Largest DASH manifest that is rewritten, bytes; a larger one goes on as it is.
const MPD_BYTES_MAX: usize = 4 << 20;

/// A lane whose answers are dressed for one viewer.
pub(crate) struct MediaLane<L> {
    lane: L,
    edge: Arc<Edge>,
    began_us: u64,
    class: Class,
    /// The request may be held.
    held: bool,
    cmsd: bool,
    grant: Option<Box<Grant>>,
    tokens: Option<Tokens>,
    body: Body,
}

/// What is done with the body.
enum Body {
    Pass,
    Hls(HlsRewriter),
    Mpd(Vec<u8>, Tokens),
}

impl<L: Lane> MediaLane<L> {
    pub(crate) fn new(lane: L, slow: &Slow<'_>, admitted: &Admitted<'_>) -> Self {
        let signature = &admitted.permitted.verified.signature;
        let facts = signature.media.as_deref();
        let media = admitted.route().media.as_deref();
        Self {
            lane,
            edge: slow.edge.clone(),
            began_us: admitted.received().cx.now.mono_us,
            class: facts.map_or(Class::Other, |facts| facts.class),
            held: facts.is_some_and(|facts| facts.directives.blocks()),
            cmsd: media.is_some_and(|media| media.cmsd),
            grant: signature.grant.clone().filter(|grant| grant.renews()),
            tokens: tokens(admitted),
            body: Body::Pass,
        }
    }

    pub(crate) fn into_inner(self) -> L {
        self.lane
    }

    /// Whether the request may be held until its answer exists.
    pub(crate) const fn held(&self) -> bool {
        self.held
    }

    /// The fields that are for this viewer.
    fn dress(&self, head: &mut ResponseHead) {
        if let Some(grant) = &self.grant {
            if let Some(cookie) = &grant.set_cookie {
                head.fields.push("Set-Cookie", cookie.as_bytes());
            }
            if let Some((name, value)) = &grant.set_field {
                head.fields.set(name.as_bytes(), value.as_bytes());
            }
        }
        if self.cmsd {
            let passed_us = self.edge.node.clock.now().mono_us.saturating_sub(self.began_us);
            let known = Dynamic { response_delay_ms: Some(passed_us / 1000), ..Dynamic::default() };
            head.fields.add(cmsd::DYNAMIC, known.member(&self.edge.node.name));
        }
        // A held request that could not be satisfied in time (draft 6.2.5.2).
        if self.held && head.status == 504 {
            head.status = 503;
        }
    }

    /// Whether the body is a manifest to be rewritten; then it is this viewer's own.
    fn rewrite(&mut self, head: &mut ResponseHead, framing: ResponseFraming) -> ResponseFraming {
        let kind = head.fields.first("content-type").unwrap_or_default();
        let class = self.class.with_type(kind);
        let plain = head.fields.first("content-encoding").is_none_or(|c| c == b"identity");
        if head.status != 200 || !class.is_manifest() || !plain {
            return framing;
        }
        let Some(tokens) = self.tokens.take() else { return framing };
        for name in ["etag", "last-modified", "accept-ranges", "content-length", "digest"] {
            head.fields.remove(name);
        }
        head.fields.set("Cache-Control", "private, no-cache");
        if let ResponseFraming::Empty { .. } = framing {
            return ResponseFraming::Empty { declared: None };
        }
        self.body = match class {
            Class::Mpd => Body::Mpd(Vec::new(), tokens),
            _ => Body::Hls(HlsRewriter::new(tokens)),
        };
        ResponseFraming::Unknown
    }

    /// What of the manifest is ready when this piece has come.
    fn rewritten(&mut self, data: Bytes) -> Bytes {
        match &mut self.body {
            Body::Pass => data,
            Body::Hls(rewriter) => {
                let mut out = Vec::with_capacity(data.len() * 2);
                rewriter.push(&data, &mut out);
                out.into()
            }
            Body::Mpd(held, _) => {
                held.extend_from_slice(&data);
                if held.len() <= MPD_BYTES_MAX {
                    return Bytes::new();
                }
                let all = std::mem::take(held);
                self.body = Body::Pass;
                all.into()
            }
        }
    }

    fn rest(&mut self) -> Bytes {
        match std::mem::replace(&mut self.body, Body::Pass) {
            Body::Pass => Bytes::new(),
            Body::Hls(mut rewriter) => {
                let mut out = Vec::new();
                rewriter.finish(&mut out);
                out.into()
            }
            Body::Mpd(held, tokens) => rewrite_mpd(&held, &tokens).unwrap_or(held).into(),
        }
    }
}

/// The tokens that addresses in a manifest get.
fn tokens(admitted: &Admitted<'_>) -> Option<Tokens> {
    let media = admitted.route().media.as_deref()?;
    let signature = &admitted.permitted.verified.signature;
    let facts = signature.media.as_ref()?;
    let authority = admitted.received().head.authority().into_owned();
    match media.tokens {
        ManifestTokens::Keep => None,
        ManifestTokens::Copy => {
            let token = facts.token.as_deref()?.to_owned();
            Some(Tokens { playlists: token.clone(), media: token, authority })
        }
        ManifestTokens::Mint => {
            let playlists = minted(admitted, media.playlist_token_s)?;
            let media = minted(admitted, media.token_s)?;
            Some(Tokens { playlists, media, authority })
        }
    }
}

/// A token for the manifest's folder, or for what the route says. Its end is rounded, so that a player that
/// loads a playlist again sees the same addresses for a while.
fn minted(admitted: &Admitted<'_>, lifetime_s: u64) -> Option<String> {
    let media = admitted.route().media.as_deref()?;
    let cx = admitted.received().cx;
    let keyset = cx.running.snapshot.keyset(admitted.route().verify?)?;
    let path = admitted.path();
    let end = match media.token_segments {
        0 => path.rfind('/').unwrap_or(0) + 1,
        count => path.match_indices('/').nth(count).map_or(path.len(), |(at, _)| at + 1),
    };
    let step_s = (lifetime_s / 2).max(1);
    let expires_s = (cx.now.unix_s() + lifetime_s).div_ceil(step_s) * step_s;
    let mut claims = Claims::new(Scope::Prefix(path[..end].to_owned()), expires_s);
    claims.host = Some(admitted.received().head.host().to_owned());
    let token = mint(keyset, &claims).ok()?;
    Some(format!("{}={token}", tidegate_sign::native::PARAMETER))
}

impl<L: Lane> Downstream for MediaLane<L> {
    async fn read_body(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        self.lane.read_body().await
    }

    fn body_done(&self) -> bool {
        self.lane.body_done()
    }

    async fn idle(&mut self) -> DownstreamGone {
        self.lane.idle().await
    }

    async fn write_informational(&mut self, head: &ResponseHead) -> Result<(), DownstreamGone> {
        self.lane.write_informational(head).await
    }

    async fn write_head(
        &mut self,
        mut head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.dress(&mut head);
        let framing = self.rewrite(&mut head, framing);
        self.lane.write_head(head, framing).await
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        let ready = self.rewritten(data);
        if ready.is_empty() { Ok(()) } else { self.lane.write_body(ready).await }
    }

    async fn flush(&mut self) -> Result<(), DownstreamGone> {
        self.lane.flush().await
    }

    async fn finish(&mut self, trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        let rest = self.rest();
        if !rest.is_empty() {
            self.lane.write_body(rest).await?;
        }
        self.lane.finish(trailers).await
    }

    async fn write_upgrade(&mut self, head: ResponseHead) -> Result<(), DownstreamGone> {
        self.lane.write_upgrade(head).await
    }
}

impl<L: Lane> Lane for MediaLane<L> {
    fn account(&self) -> Account {
        self.lane.account()
    }

    fn take_trailers(&mut self) -> Option<FieldList> {
        self.lane.take_trailers()
    }
}
