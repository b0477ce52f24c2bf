//! The HTTP face of the stream. Caching is chosen here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use serde::{Deserialize, Serialize};
use tidegate_origin_kit::caching::{Cached, Caching};
use tidegate_origin_kit::extract::{Path, Query};
use tidegate_origin_kit::fault::Problem;
use tidegate_origin_kit::{Clock, Fault, Micros, Moment};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::channel::{Channel, Place};
use crate::mint::{PREFIX, Signer, TOKEN_SECS_MAX};
use crate::mpd::{self, Kind};
use crate::playlist;
use crate::shelf::{Shelf, Stock};
use crate::stream::{PARTS, Stream, TARGET_SECS, Track};

/// Half a target duration: a live playlist that is older misses a segment.
const LIVE_PLAYLIST_SECS: u32 = TARGET_SECS / 2;
/// A playlist that was waited for is one version of it (draft appendix B.1).
const HELD_PLAYLIST_SECS: u32 = 6 * TARGET_SECS;
/// For manifests that do not change while the stream is there.
const COMPLETE_PLAYLIST_SECS: u32 = 300;
const LIVE_MANIFEST_SECS: u32 = mpd::UPDATE_SECS / 2;
const LIVE_SEGMENT_SECS: u32 = 600;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) clock: Clock,
    pub(crate) signer: Signer,
}

/// What a player needs to begin.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Session {
    /// `ready`, `preparing`, `missing` (no ffmpeg) or `failed`.
    pub(crate) state: String,
    /// Percent done while preparing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) percent: Option<u8>,
    /// What to do, or what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
    /// Whether the addresses carry a token.
    pub(crate) signed: bool,
    /// When the token ends.
    pub(crate) expires_at: Moment,
    /// Multivariant playlist of the channel.
    pub(crate) live: String,
    /// Multivariant playlist of the channel at low latency.
    pub(crate) low_latency: String,
    /// Multivariant playlist of the film.
    pub(crate) vod: String,
    /// DASH manifest of the channel.
    pub(crate) live_dash: String,
    /// DASH manifest of the channel at low latency.
    pub(crate) low_latency_dash: String,
    /// DASH manifest of the film.
    pub(crate) vod_dash: String,
    /// A segment of the film.
    pub(crate) segment: String,
    /// The same segment without a token.
    pub(crate) segment_unsigned: String,
}

/// What is asked of a session.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wish {
    /// Seconds until the token ends, 1 to 600; 600 when absent.
    pub(crate) seconds: Option<u32>,
}

/// The routes of the stream.
pub(crate) fn router(desk: Desk) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(session))
        .routes(routes!(manifest))
        .routes(routes!(file))
        .with_state(desk)
}

/// Mints addresses of the demonstration stream.
#[utoipa::path(get, path = "/demo/session", tag = "media", params(Wish), responses(
    (status = 200, body = Session), (status = 422, body = Problem)))]
async fn session(State(desk): State<Desk>, Query(wish): Query<Wish>) -> Result<Response, Fault> {
    let seconds = wish.seconds.unwrap_or(TOKEN_SECS_MAX);
    if !(1..=TOKEN_SECS_MAX).contains(&seconds) {
        let text = format!("seconds is 1 to {TOKEN_SECS_MAX}");
        return Err(Fault::invalid("seconds", "range", text));
    }
    let expires = desk.clock.now() / 1_000_000 + i64::from(seconds);
    let base = desk.signer.base(u64::try_from(expires).unwrap_or(0)).map_err(Fault::bug)?;
    let session = describe(&desk.shelf.now(), base, Moment(expires * 1_000_000));
    Ok((Caching::Never, axum::Json(session)).into_response())
}

/// `master.m3u8`, `manifest.mpd` or the `time` of the channel (`live`), of the channel at low latency (`ll`),
/// or of the film (`vod`).
#[utoipa::path(get, path = "/media/demo/{title}/{manifest}", tag = "media",
    params(("title", Path), ("manifest", Path)), responses(
    (status = 200), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn manifest(
    State(desk): State<Desk>,
    Path((title, manifest)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let title = Title::parse(&title)?;
    with_stream(&desk, |stream| match manifest.as_str() {
        "master.m3u8" => {
            let caching = Caching::public(COMPLETE_PLAYLIST_SECS).key(title.key());
            Ok(text(caching, playlist::master(stream)))
        }
        "manifest.mpd" => {
            let caching = Caching::public(match title {
                Title::Vod => COMPLETE_PLAYLIST_SECS,
                Title::Live | Title::LowLatency => LIVE_MANIFEST_SECS,
            });
            let kind = [(header::CONTENT_TYPE, "application/dash+xml")];
            let manifest = mpd::manifest(stream, title.kind(stream.channel()));
            Ok((caching.key(title.key()), kind, manifest).into_response())
        }
        // What clients set their clocks by (`urn:mpeg:dash:utc:http-iso:2014`).
        "time" => Ok((Caching::Never, Moment(desk.clock.now()).to_string()).into_response()),
        _ => Err(Fault::NotFound("manifest")),
    })
}

/// The delivery directives of a playlist request.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Directives {
    /// Hold the answer until this segment is there.
    #[serde(rename = "_HLS_msn")]
    pub(crate) msn: Option<u64>,
    /// Hold it until this part of the segment is there.
    #[serde(rename = "_HLS_part")]
    pub(crate) part: Option<u64>,
    /// A delta update is welcome.
    #[serde(rename = "_HLS_skip")]
    pub(crate) skip: Option<String>,
}

/// A playlist, an initialisation section, a segment or a part of one track. At low latency, what is not
/// published yet is waited for, and a segment that is still open is sent while it grows.
#[utoipa::path(get, path = "/media/demo/{title}/{rendition}/{file}", tag = "media",
    params(("title", Path), ("rendition", Path), ("file", Path), Directives), responses(
    (status = 200), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn file(
    State(desk): State<Desk>,
    Path((title, rendition, file)): Path<(String, String, String)>,
    Query(directives): Query<Directives>,
) -> Result<Response, Fault> {
    let title = Title::parse(&title)?;
    if title == Title::LowLatency {
        let channel = with_stream(&desk, |stream| Ok(stream.channel()))?;
        match wait_until(channel, &file, &directives, desk.clock.now())? {
            Wait::No => {}
            Wait::Until(until) => desk.sleep_until(until).await,
            Wait::Grow(msn) => return grow(desk, channel, rendition, msn),
        }
    }
    with_stream(&desk, |stream| {
        let track = stream.track(&rendition).ok_or(Fault::NotFound("rendition"))?;
        let newest = stream.channel().newest(desk.clock.now());
        match file.as_str() {
            "index.m3u8" => Ok(index(title, stream, track, newest, &directives)),
            "init.mp4" => Ok(media(
                Caching::Immutable.key(title.key()),
                track.content_type(),
                track.init.clone(),
            )),
            name => segment(title, stream, track, name, newest),
        }
    })
}

fn index(
    title: Title,
    stream: &Stream,
    track: &Track,
    newest: Place,
    directives: &Directives,
) -> Response {
    let channel = stream.channel();
    let (secs, playlist) = match title {
        Title::Vod => (COMPLETE_PLAYLIST_SECS, playlist::complete(stream.segments())),
        Title::Live => (LIVE_PLAYLIST_SECS, playlist::live(channel, newest)),
        Title::LowLatency => {
            let names = stream.tracks.iter().map(|other| other.name.as_str());
            let others: Vec<&str> = names.filter(|name| *name != track.name).collect();
            let skip = directives.skip.as_deref().is_some_and(|skip| skip == "YES" || skip == "v2");
            let held = directives.msn.is_some();
            let secs = if held { HELD_PLAYLIST_SECS } else { LIVE_PLAYLIST_SECS };
            (secs, playlist::low_latency(channel, newest, skip, &others))
        }
    };
    text(Caching::public(secs).key(title.key()), playlist)
}

fn segment(
    title: Title,
    stream: &Stream,
    track: &Track,
    file: &str,
    newest: Place,
) -> Result<Response, Fault> {
    let missing = || Fault::NotFound("segment");
    let name = file.strip_suffix(".m4s").ok_or_else(missing)?;
    let channel = stream.channel();
    let (caching, bytes) = match (title, Name::of(name, title).ok_or_else(missing)?) {
        (Title::Vod, Name::Segment(number)) => (Caching::Immutable, track.segment(number)),
        (_, Name::Segment(msn)) => {
            let there = channel.has_segment(newest, msn);
            let parts = || (0..PARTS).flat_map(|part| track.part(channel, msn, part)).collect();
            (Caching::public(LIVE_SEGMENT_SECS), there.then(parts))
        }
        (_, Name::Part(msn, part)) => {
            let there = channel.has_part(newest, msn, part);
            let part = there.then(|| track.part(channel, msn, part).into());
            (Caching::public(LIVE_SEGMENT_SECS), part)
        }
    };
    let bytes = bytes.ok_or_else(missing)?;
    Ok(media(caching.key(title.key()), track.content_type(), bytes))
}

/// Sends a segment that is still open: each part when it is published, as a chunk of its own.
fn grow(desk: Desk, channel: Channel, rendition: String, msn: u64) -> Result<Response, Fault> {
    let kind = with_stream(&desk, |stream| {
        let track = stream.track(&rendition).ok_or(Fault::NotFound("rendition"))?;
        Ok(track.content_type())
    })?;
    let parts = futures_util::stream::unfold(0, move |part| {
        let (desk, rendition) = (desk.clone(), rendition.clone());
        async move {
            if part == PARTS {
                return None;
            }
            desk.sleep_until(channel.published_at(msn, part)).await;
            let bytes = with_stream(&desk, |stream| {
                let track = stream.track(&rendition).ok_or(Fault::NotFound("rendition"))?;
                Ok(Bytes::from(track.part(channel, msn, part)))
            });
            // A fault breaks the answer off: what is missing must not look like the end.
            Some((bytes.map_err(|fault| std::io::Error::other(fault.to_string())), part + 1))
        }
    });
    let caching = Caching::public(LIVE_SEGMENT_SECS).key(LOW_LATENCY_KEY);
    Ok((caching, [(header::CONTENT_TYPE, kind)], Body::from_stream(parts)).into_response())
}

const LOW_LATENCY_KEY: &str = "media:demo:ll";

/// A number in its one spelling.
fn whole(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

/// What a segment's name says; one spelling for each, so that no object has two addresses.
enum Name {
    Segment(u64),
    Part(u64, u64),
}

impl Name {
    /// Reads a name without its ending.
    fn of(name: &str, title: Title) -> Option<Self> {
        match title {
            Title::Vod => {
                let number = name.parse().ok()?;
                (format!("{number:05}") == name).then_some(Self::Segment(number))
            }
            Title::Live => whole(name).map(Self::Segment),
            Title::LowLatency => match name.split_once('.') {
                Some((msn, part)) => Some(Self::Part(whole(msn)?, whole(part)?)),
                None => whole(name).map(Self::Segment),
            },
        }
    }
}

/// What a request at low latency has to wait for.
enum Wait {
    No,
    Until(Micros),
    /// For the rest of this segment, which is sent meanwhile.
    Grow(u64),
}

/// When the answer can be given (draft-pantos-hls-rfc8216bis 6.2.5.2, 6.2.6).
fn wait_until(
    channel: Channel,
    file: &str,
    directives: &Directives,
    now: Micros,
) -> Result<Wait, Fault> {
    let newest = channel.newest(now);
    let at = |msn, part| {
        let at = channel.published_at(msn, part);
        if at > now { Wait::Until(at) } else { Wait::No }
    };
    if file == "index.m3u8" {
        return match (directives.msn, directives.part) {
            (None, None) => Ok(Wait::No),
            (None, Some(_)) => Err(Fault::Malformed("_HLS_part needs _HLS_msn".to_owned())),
            (Some(msn), _) if msn > newest.msn + 2 => {
                Err(Fault::Malformed("_HLS_msn is too far ahead of the live edge".to_owned()))
            }
            // A part behind the last one means the first of the next segment.
            (Some(msn), Some(part)) if part >= PARTS => Ok(at(msn + 1, 0)),
            (Some(msn), part) => Ok(at(msn, part.unwrap_or(u64::MAX))),
        };
    }
    let name = file.strip_suffix(".m4s").and_then(|name| Name::of(name, Title::LowLatency));
    Ok(match name {
        // The part that the playlist hints at, and no other.
        Some(Name::Part(msn, part)) if (msn, part) == (newest.msn, newest.parts) => at(msn, part),
        Some(Name::Segment(msn)) if msn == newest.msn => Wait::Grow(msn),
        _ => Wait::No,
    })
}

impl Desk {
    async fn sleep_until(&self, moment: Micros) {
        let wait = u64::try_from(moment - self.clock.now()).unwrap_or(0);
        if wait > 0 {
            // A moment more: who wakes early would see the playlist of before.
            tokio::time::sleep(std::time::Duration::from_micros(wait + 1000)).await;
        }
    }
}

impl Track {
    fn content_type(&self) -> &'static str {
        if self.picture.is_some() { "video/mp4" } else { "audio/mp4" }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Title {
    Live,
    LowLatency,
    Vod,
}

impl Title {
    fn parse(word: &str) -> Result<Self, Fault> {
        match word {
            "live" => Ok(Self::Live),
            "ll" => Ok(Self::LowLatency),
            "vod" => Ok(Self::Vod),
            _ => Err(Fault::NotFound("title")),
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Live => "media:demo:live",
            Self::LowLatency => LOW_LATENCY_KEY,
            Self::Vod => "media:demo:vod",
        }
    }

    fn kind(self, channel: Channel) -> Kind {
        match self {
            Self::Live => Kind::Channel(channel),
            Self::LowLatency => Kind::LowLatency(channel),
            Self::Vod => Kind::Film,
        }
    }
}

fn with_stream<T>(
    desk: &Desk,
    answer: impl FnOnce(&Stream) -> Result<T, Fault>,
) -> Result<T, Fault> {
    match desk.shelf.now().as_ref() {
        Stock::Ready(stream) => answer(stream),
        Stock::Looking | Stock::Cutting(_) => Err(not_ready("the demo video is being made")),
        Stock::Lacking(why) | Stock::Failed(why) => Err(not_ready(why)),
    }
}

fn not_ready(cause: &str) -> Fault {
    Fault::Unavailable { retry_secs: 2, cause: cause.to_owned() }
}

fn text(cached: Cached, playlist: String) -> Response {
    (cached, [(header::CONTENT_TYPE, "application/vnd.apple.mpegurl")], playlist).into_response()
}

fn media(cached: Cached, kind: &'static str, bytes: Bytes) -> Response {
    (cached, [(header::CONTENT_TYPE, kind)], bytes).into_response()
}

fn describe(stock: &Stock, (base, signed): (String, bool), expires_at: Moment) -> Session {
    let (state, percent, advice) = match stock {
        Stock::Looking => ("preparing", Some(0), None),
        Stock::Cutting(percent) => ("preparing", Some(*percent), None),
        Stock::Ready(_) => ("ready", None, None),
        Stock::Lacking(advice) => ("missing", None, Some(advice.clone())),
        Stock::Failed(_) => ("failed", None, Some("see the log of the origin services".to_owned())),
    };
    let segment = "vod/360p/00000.m4s";
    Session {
        state: state.to_owned(),
        percent,
        advice,
        signed,
        expires_at,
        live: format!("{base}/live/master.m3u8"),
        low_latency: format!("{base}/ll/master.m3u8"),
        vod: format!("{base}/vod/master.m3u8"),
        live_dash: format!("{base}/live/manifest.mpd"),
        low_latency_dash: format!("{base}/ll/manifest.mpd"),
        vod_dash: format!("{base}/vod/manifest.mpd"),
        segment: format!("{base}/{segment}"),
        segment_unsigned: format!("{PREFIX}/{segment}"),
    }
}
