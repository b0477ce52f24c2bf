//! Fetching ahead of the players: what a playlist names next, what players announce, what an operator wants
//! warm.

use std::{
    collections::{HashSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
};

use tidegate_http::{Scheme, normalise_path};
use tidegate_media::{
    Class, Cmcd,
    hls::{Media, PLAYLIST_BYTES_MAX, Playlist},
};
use tidegate_telemetry::Counter;

use super::inner;
use crate::{Edge, request::Received};

/// Most objects that one warming fetches.
const WARM_OBJECTS_MAX: usize = 10_000;

/// Where relative addresses of a manifest lead.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    scheme: Scheme,
    authority: String,
    path: String,
}

/// Failures that an answer lists.
const FAILURES_MAX: usize = 20;

/// What is to be warmed.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    urls: Vec<String>,
    /// Segments of each playlist.
    #[serde(default = "segments")]
    segments: usize,
    /// Whether what the playlists name is fetched too; if not, it is only listed.
    #[serde(default = "follow")]
    follow: bool,
}

const fn segments() -> usize {
    3
}

const fn follow() -> bool {
    true
}

/// What came of a warming.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Warmed {
    pub(crate) fetched: usize,
    pub(crate) failed: usize,
    pub(crate) bytes: u64,
    /// The first addresses that failed, each with what came in place of 200.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<String>,
    /// What the playlists named and was left to another request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) named: Vec<String>,
}

impl Ahead {
    pub(crate) fn of(received: &Received<'_>, path: &str) -> Self {
        Self {
            scheme: received.cx.scheme,
            authority: received.head.authority().into_owned(),
            path: path.to_owned(),
        }
    }

    /// The next segments of a playlist: the first of one that is complete, else the newest, and what it
    /// hints at.
    pub(crate) fn playlist(&self, edge: &Arc<Edge>, media: &Media, count: usize) {
        let skip = if media.ended { 0 } else { media.uris.len().saturating_sub(count) };
        let segments = media.uris.iter().skip(skip).take(count);
        let targets = media.maps.last().into_iter().chain(segments).chain(&media.hints);
        targets.filter_map(|uri| self.target(uri)).for_each(|target| self.fetch(edge, target));
    }

    /// Path and query of an address, when it is of the same host.
    fn target(&self, uri: &str) -> Option<String> {
        let uri = uri.split('#').next().unwrap_or(uri);
        let own = |rest: &str| rest.strip_prefix(&self.authority).map(str::to_owned);
        let target = match uri.split_once("://") {
            Some(("http" | "https", rest)) => own(rest)?,
            Some((before, _)) if !before.contains(['/', '?']) => return None,
            _ if uri.starts_with("//") => own(&uri[2..])?,
            _ if uri.starts_with('/') => uri.to_owned(),
            _ => format!("{}{uri}", &self.path[..=self.path.rfind('/')?]),
        };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target.as_str(), None),
        };
        let path = normalise_path(path).ok()?;
        Some(query.map_or(path.to_string(), |query| format!("{path}?{query}")))
    }

    fn fetch(&self, edge: &Arc<Edge>, target: String) {
        // When there is no room, the players fetch for themselves.
        let Ok(room) = edge.node.media.ahead.clone().try_acquire_owned() else { return };
        Counter::MediaPrefetches.inc();
        let (edge, scheme, authority) = (edge.clone(), self.scheme, self.authority.clone());
        tokio::spawn(boxed(async move {
            inner::get(&edge, scheme, &authority, &target, 0).await;
            drop(room);
        }));
    }
}

/// Names the type: a fetch may lead to a playlist, and that to fetches.
fn boxed<'f, F: Future<Output = ()> + Send + 'f>(
    future: F,
) -> Pin<Box<dyn Future<Output = ()> + Send + 'f>> {
    Box::pin(future)
}

/// The next object that a player announces (CMCD `nor`), when it lies in the folder of this one: that is what
/// its token opens.
pub(crate) fn announced(received: &Received<'_>, path: &str, said: &Cmcd) {
    let Some(next) = &said.next else { return };
    let ahead = Ahead::of(received, path);
    let folder = &path[..=path.rfind('/').unwrap_or(0)];
    let target = ahead.target(next).filter(|t| t.starts_with(folder) && *t != path);
    // A request in the middle of a turn cannot fetch; the node's own task does.
    if let (Some(target), Some(edge)) = (target, received.cx.node.media.edge()) {
        ahead.fetch(&edge, target);
    }
}

/// Fetches addresses into the cache, and what playlists among them name. Each address once.
pub(crate) async fn warm(edge: &Arc<Edge>, wish: Wish) -> Warmed {
    let mut warmed = Warmed::default();
    let mut seen = HashSet::new();
    let mut queue: VecDeque<String> = wish.urls.into();
    let mut left = WARM_OBJECTS_MAX;
    while let Some(url) = queue.pop_front() {
        if left == 0 {
            break;
        }
        if !seen.insert(url.clone()) {
            continue;
        }
        left -= 1;
        let mut named = VecDeque::new();
        match one(edge, &url, wish.segments, &mut named).await {
            Ok(bytes) => {
                warmed.fetched += 1;
                warmed.bytes += bytes;
            }
            Err(why) => warmed.fail(&url, &why),
        }
        match wish.follow {
            true => queue.extend(named),
            false => warmed.named.extend(named),
        }
    }
    warmed
}

impl Warmed {
    fn fail(&mut self, url: &str, why: &str) {
        self.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(format!("{url}: {why}"));
        }
    }
}

async fn one(
    edge: &Arc<Edge>,
    url: &str,
    segments: usize,
    queue: &mut VecDeque<String>,
) -> Result<u64, String> {
    let (scheme, authority, target) =
        parts(url).ok_or("write http://host/path or https://host/path")?;
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let keep = if Class::of_path(path).is_playlist() { PLAYLIST_BYTES_MAX } else { 0 };
    let got = inner::get(edge, scheme, authority, target, keep).await;
    let got = got.ok_or("no route of this node leads it to an upstream")?;
    if got.status != 200 {
        return Err(format!("status {}", got.status));
    }
    let ahead = Ahead { scheme, authority: authority.to_owned(), path: path.to_owned() };
    let mut add = |uri: &String| {
        if let Some(target) = ahead.target(uri) {
            queue.push_back(format!("{}://{authority}{target}", scheme.as_str()));
        }
    };
    match Playlist::parse(&got.body) {
        Some(Playlist::Multivariant(named)) => named.playlists.iter().for_each(&mut add),
        Some(Playlist::Media(media)) => {
            media.maps.iter().chain(media.uris.iter().take(segments)).for_each(&mut add);
        }
        None => {}
    }
    Ok(got.bytes)
}

fn parts(url: &str) -> Option<(Scheme, &str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let (authority, target) = rest.split_at(rest.find('/')?);
    Some((scheme, authority, target))
}
