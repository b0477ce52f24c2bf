//! The HTTP face of the stream. Caching is chosen here.

use std::sync::Arc;

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

use crate::low_latency::Channel;
use crate::mint::{PREFIX, Signer, TOKEN_SECS_MAX};
use crate::playlist;
use crate::shelf::{Shelf, Stock};
use crate::stream::{Rendition, SEGMENT_SECS, Stream};

/// Half a target duration: a live playlist that is older misses a segment.
const LIVE_PLAYLIST_SECS: u32 = SEGMENT_SECS / 2;
const COMPLETE_PLAYLIST_SECS: u32 = 300;
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
        .routes(routes!(master))
        .routes(routes!(low_latency_master))
        .routes(routes!(low_latency))
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

/// The multivariant playlist of the channel (`live`) or the film (`vod`).
#[utoipa::path(get, path = "/media/demo/{title}/master.m3u8", tag = "media", params(("title", Path)), responses(
    (status = 200, content_type = "application/vnd.apple.mpegurl"), (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn master(State(desk): State<Desk>, Path(title): Path<String>) -> Result<Response, Fault> {
    let title = Title::parse(&title)?;
    with_stream(&desk, |stream| {
        Ok(text(Caching::public(COMPLETE_PLAYLIST_SECS).key(title.key()), playlist::master(stream)))
    })
}

/// A playlist, an initialisation section or a segment of one size.
#[utoipa::path(get, path = "/media/demo/{title}/{rendition}/{file}", tag = "media",
    params(("title", Path), ("rendition", Path), ("file", Path)), responses(
    (status = 200), (status = 404, body = Problem), (status = 503, body = Problem)))]
async fn file(
    State(desk): State<Desk>,
    Path((title, rendition, file)): Path<(String, String, String)>,
) -> Result<Response, Fault> {
    let title = Title::parse(&title)?;
    with_stream(&desk, |stream| {
        let rendition = stream.rendition(&rendition).ok_or(Fault::NotFound("rendition"))?;
        match file.as_str() {
            "index.m3u8" => Ok(index(title, stream, rendition, &desk.clock)),
            "init.mp4" => Ok(media(Caching::Immutable.key(title.key()), &rendition.init)),
            other => segment(title, stream, rendition, other, &desk.clock),
        }
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

/// The multivariant playlist of the low-latency channel.
#[utoipa::path(get, path = "/media/demo/ll/master.m3u8", tag = "media", responses(
    (status = 200, content_type = "application/vnd.apple.mpegurl"), (status = 503, body = Problem)))]
async fn low_latency_master(State(desk): State<Desk>) -> Result<Response, Fault> {
    with_stream(&desk, |stream| {
        let caching = Caching::public(COMPLETE_PLAYLIST_SECS).key(LOW_LATENCY_KEY);
        Ok(text(caching, playlist::master(stream)))
    })
}

/// A playlist, an initialisation section, a segment or a part of the low-latency channel. What is not
/// published yet is waited for.
#[utoipa::path(get, path = "/media/demo/ll/{rendition}/{file}", tag = "media",
    params(("rendition", Path), ("file", Path), Directives), responses(
    (status = 200), (status = 400, body = Problem), (status = 404, body = Problem),
    (status = 503, body = Problem)))]
async fn low_latency(
    State(desk): State<Desk>,
    Path((rendition, file)): Path<(String, String)>,
    Query(directives): Query<Directives>,
) -> Result<Response, Fault> {
    let until = with_channel(&desk, &rendition, |channel, epoch, _| {
        wait_until(channel, epoch, &file, &directives, desk.clock.now())
    })?;
    if let Some(until) = until {
        let wait = u64::try_from(until - desk.clock.now()).unwrap_or(0);
        // A moment more: who wakes early would see the playlist of before.
        tokio::time::sleep(std::time::Duration::from_micros(wait + 1000)).await;
    }
    with_channel(&desk, &rendition, |channel, epoch, others| {
        let newest = channel.newest(epoch, desk.clock.now());
        let keep = |seconds| Caching::public(seconds).key(LOW_LATENCY_KEY);
        match file.as_str() {
            "index.m3u8" => {
                let skip = directives.skip.as_deref().is_some_and(|s| s == "YES" || s == "v2");
                let seconds = if directives.msn.is_some() { 6 * SEGMENT_SECS } else { 1 };
                Ok(text(keep(seconds), channel.playlist(epoch, newest, skip, others)))
            }
            "init.mp4" => Ok(media(Caching::Immutable.key(LOW_LATENCY_KEY), &channel.init)),
            other => {
                let name = other.strip_suffix(".m4s").ok_or(Fault::NotFound("segment"))?;
                let bytes = match name.split_once('.') {
                    Some((msn, part)) => whole(msn)
                        .zip(whole(part))
                        .and_then(|(msn, part)| channel.part(newest, msn, part).cloned()),
                    None => whole(name).and_then(|msn| channel.segment(newest, msn)),
                };
                let bytes = bytes.ok_or(Fault::NotFound("segment"))?;
                Ok(media(keep(LIVE_SEGMENT_SECS), &bytes))
            }
        }
    })
}

const LOW_LATENCY_KEY: &str = "media:demo:ll";

/// A number in its one spelling.
fn whole(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| number.to_string() == text)
}

/// When the answer can be given, if that is not now (draft 6.2.5.2).
fn wait_until(
    channel: &Channel,
    epoch: Micros,
    file: &str,
    directives: &Directives,
    now: Micros,
) -> Result<Option<Micros>, Fault> {
    let newest = channel.newest(epoch, now);
    let at = |msn, part| Some(channel.published_at(epoch, msn, part)).filter(|at| *at > now);
    if file == "index.m3u8" {
        return match (directives.msn, directives.part) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Fault::Malformed("_HLS_part needs _HLS_msn".to_owned())),
            (Some(msn), _) if msn > newest.msn + 2 => {
                Err(Fault::Malformed("_HLS_msn is too far ahead of the live edge".to_owned()))
            }
            // A part behind the last one means the first of the next segment.
            (Some(msn), Some(part)) if part >= channel.parts(msn) => Ok(at(msn + 1, 0)),
            (Some(msn), part) => Ok(at(msn, part.unwrap_or(u64::MAX))),
        };
    }
    let part = file.strip_suffix(".m4s").and_then(|name| name.split_once('.'));
    let part = part.and_then(|(msn, part)| whole(msn).zip(whole(part)));
    // The part that the playlist hints at, and no other.
    let hinted = part.filter(|place| *place == (newest.msn, newest.parts));
    Ok(hinted.and_then(|(msn, part)| at(msn, part)))
}

/// The channel of a size, its beginning, and the names of the other sizes.
fn with_channel<T>(
    desk: &Desk,
    rendition: &str,
    answer: impl FnOnce(&Channel, Micros, &[&str]) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let stock = desk.shelf.now();
    let stream = match stock.as_ref() {
        Stock::Ready(stream) => stream,
        Stock::Looking | Stock::Cutting(_) => {
            return Err(not_ready("the demo video is being made"));
        }
        Stock::Lacking(why) | Stock::Failed(why) => return Err(not_ready(why)),
    };
    let size = stream.rendition(rendition).ok_or(Fault::NotFound("rendition"))?;
    let channel = size.channel.as_ref().ok_or(Fault::NotFound("channel"))?;
    let names = stream.renditions.iter().map(|other| other.name.as_str());
    let others: Vec<&str> = names.filter(|name| *name != rendition).collect();
    answer(channel, stream.epoch, &others)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Title {
    Live,
    Vod,
}

impl Title {
    fn parse(word: &str) -> Result<Self, Fault> {
        match word {
            "live" => Ok(Self::Live),
            "vod" => Ok(Self::Vod),
            _ => Err(Fault::NotFound("title")),
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Live => "media:demo:live",
            Self::Vod => "media:demo:vod",
        }
    }
}

fn with_stream(
    desk: &Desk,
    answer: impl FnOnce(&Stream) -> Result<Response, Fault>,
) -> Result<Response, Fault> {
    match desk.shelf.now().as_ref() {
        Stock::Ready(stream) => answer(stream),
        Stock::Looking | Stock::Cutting(_) => Err(not_ready("the demo video is being made")),
        Stock::Lacking(why) | Stock::Failed(why) => Err(not_ready(why)),
    }
}

fn not_ready(cause: &str) -> Fault {
    Fault::Unavailable { retry_secs: 2, cause: cause.to_owned() }
}

fn index(title: Title, stream: &Stream, rendition: &Rendition, clock: &Clock) -> Response {
    match title {
        Title::Vod => {
            let caching = Caching::public(COMPLETE_PLAYLIST_SECS).key(title.key());
            text(caching, playlist::complete(rendition))
        }
        Title::Live => {
            let caching = Caching::public(LIVE_PLAYLIST_SECS).key(title.key());
            text(caching, playlist::live(rendition, stream.epoch, clock.now()))
        }
    }
}

fn segment(
    title: Title,
    stream: &Stream,
    rendition: &Rendition,
    file: &str,
    clock: &Clock,
) -> Result<Response, Fault> {
    let missing = || Fault::NotFound("segment");
    let number: u64 = number(file, title).ok_or_else(missing)?;
    let round = rendition.segments.len();
    let (index, caching) = match title {
        Title::Vod => (usize::try_from(number).ok(), Caching::Immutable),
        Title::Live => (
            playlist::live_segment(number, round, stream.epoch, clock.now()),
            Caching::public(LIVE_SEGMENT_SECS),
        ),
    };
    let segment = index.and_then(|index| rendition.segments.get(index)).ok_or_else(missing)?;
    Ok(media(caching.key(title.key()), &segment.bytes))
}

/// The number in a segment's name; one spelling for each, so that no object has two addresses.
fn number(file: &str, title: Title) -> Option<u64> {
    let number = file.strip_suffix(".m4s")?.parse().ok()?;
    let spelled = match title {
        Title::Vod => format!("{number:05}.m4s"),
        Title::Live => format!("{number}.m4s"),
    };
    (spelled == file).then_some(number)
}

fn text(cached: Cached, playlist: String) -> Response {
    (cached, [(header::CONTENT_TYPE, "application/vnd.apple.mpegurl")], playlist).into_response()
}

fn media(cached: Cached, bytes: &Bytes) -> Response {
    (cached, [(header::CONTENT_TYPE, "video/mp4")], bytes.clone()).into_response()
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
        segment: format!("{base}/{segment}"),
        segment_unsigned: format!("{PREFIX}/{segment}"),
    }
}
