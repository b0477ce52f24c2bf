//! Segmented media: what a route with a `media` policy does beyond caching.
//!
//! - [`enter`] stands between the token and the limits: it reads what the request is for, takes what players
//!   say about themselves off the query, and refuses LL-HLS directives that no stream can satisfy.
//! - [`policy`] and [`Watch`] stand beside a fill: lifetimes that the origin leaves open, and what the
//!   arriving manifest teaches.
//! - [`fetch`] stands around the slow lane's fetch: slices, and the lane that dresses answers for one viewer.
//!
//! The crowd behind one playlist version or part waits for one fetch: that is the store's single flight,
//! under a key that holds the directives.

mod ahead;
mod inner;
mod lane;
mod slice;
mod steer;
mod streams;
mod watch;

use std::{borrow::Cow, sync::Arc, time::Duration};

use tidegate_cache::{Key, Policy};
use tidegate_http::Method;
use tidegate_media::{Class, Cmcd, Directives, directives::canonical_query};
use tidegate_snapshot::{Action, Media};
use tidegate_spec::ManifestTokens;
use tidegate_telemetry::{Counter, Phase, Reason};
use tidegate_upstream::Group;

use crate::{
    answer::{Answer, Local},
    fetch as plain,
    hit::Hit,
    lane::Lane,
    lookup::Fetch,
    request::{Admitted, Stop, Verified},
    slow::{Ended, Slow},
};

pub(crate) use ahead::warm;
pub(crate) use steer::steer;
pub(crate) use streams::Streams;
pub(crate) use watch::Watch;

/// What is known of a media request.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) class: Class,
    pub(crate) directives: Directives,
    /// The parameters of the token, as they came in the query.
    pub(crate) token: Option<Box<str>>,
}

/// Reads what the request is for.
pub(crate) fn enter(mut verified: Verified<'_>) -> Result<Verified<'_>, Stop<'_>> {
    let Some(media) = &verified.routed.route().media else { return Ok(verified) };
    let received = &verified.routed.received;
    let head = received.head;
    let query = verified.signature.query.as_deref();
    let directives = match Directives::of(query) {
        Ok(directives) => directives,
        Err(refused) => return Err(refuse(verified, &refused.to_string())),
    };
    let class = Class::of_path(&verified.signature.path);
    if let Some(wanted) = directives.position.filter(|_| class.is_playlist()) {
        let stream = streams::name(head, &verified.signature.path);
        if let Err(refused) = received.cx.node.media.check(&stream, wanted) {
            return Err(refuse(verified, &refused.to_string()));
        }
    }
    if let Some(said) = Cmcd::of(head.query(), received.fields()) {
        count(&said);
        if media.prefetch > 0 {
            ahead::announced(received, &verified.signature.path, &said);
        }
    }
    let token = (media.tokens == ManifestTokens::Copy && class.is_manifest())
        .then(|| token_of(head.query(), query))
        .flatten();
    let canonical = canonical_query(query).map(Cow::into_owned);
    if canonical.as_deref() != query {
        verified.signature.query = canonical.map(Cow::Owned);
    }
    verified.signature.media = Some(Box::new(Facts { class, directives, token }));
    Ok(verified)
}

fn refuse<'r>(verified: Verified<'r>, detail: &str) -> Stop<'r> {
    let local = Local::problem(Phase::Refused, 400, Reason::MediaDirective, detail);
    verified.routed.stop(Answer::Local(local.with("Cache-Control", "no-store")))
}

/// The parameters that verification took off the query.
fn token_of(sent: Option<&str>, left: Option<&str>) -> Option<Box<str>> {
    let left: Vec<&str> = left.unwrap_or_default().split('&').collect();
    let taken: Vec<&str> =
        sent?.split('&').filter(|pair| !pair.is_empty() && !left.contains(pair)).collect();
    (!taken.is_empty()).then(|| taken.join("&").into())
}

fn count(said: &Cmcd) {
    Counter::MediaReports.inc();
    Counter::MediaStarved.add(said.starved.into());
    Counter::MediaStarting.add(said.starting.into());
    if let Some(buffer_ms) = said.buffer_ms {
        Counter::MediaBufferReports.inc();
        Counter::MediaBufferMs.add(buffer_ms);
    }
    if let Some(bitrate_kbps) = said.bitrate_kbps {
        Counter::MediaBitrateReports.inc();
        Counter::MediaBitrateKbps.add(bitrate_kbps);
    }
    if let Some(startup_ms) = said.startup_ms {
        Counter::MediaStartupReports.inc();
        Counter::MediaStartupMs.add(startup_ms);
    }
}

/// Whether an answer is made for this viewer, so that a prepared one cannot go out.
pub(crate) fn dresses(admitted: &Admitted<'_>) -> bool {
    let signature = &admitted.permitted.verified.signature;
    if signature.grant.as_ref().is_some_and(|grant| grant.renews()) {
        return true;
    }
    let (Some(media), Some(facts)) = (&admitted.route().media, &signature.media) else {
        return false;
    };
    media.cmsd || (media.tokens != ManifestTokens::Keep && facts.class.is_manifest())
}

/// Gets the answer from wherever it is, and dresses it for this viewer.
pub(crate) async fn fetch<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    key: Option<Key>,
    work: Fetch,
    lane: L,
) -> (L, Ended) {
    if admitted.route().media.is_none() && !dresses(&admitted) {
        return plain::fetch(slow, admitted, key, work, lane).await;
    }
    let lane = lane::MediaLane::new(lane, slow, &admitted);
    let (lane, ended) = match (slice::wanted(slow, &admitted, key), key) {
        (Some(bytes), Some(key)) => slice::serve(slow, admitted, key, work, bytes, lane).await,
        _ => plain::fetch(slow, admitted, key, work, lane).await,
    };
    let status = if lane.held() && ended.status == 504 { 503 } else { ended.status };
    (lane.into_inner(), Ended { status, ..ended })
}

/// Serves a stored response, dressed for this viewer.
pub(crate) async fn serve_hit<L: Lane>(slow: &Slow<'_>, hit: Hit<'_>, lane: L) -> (L, Ended) {
    if !dresses(&hit.admitted) {
        return plain::serve_hit(slow, hit, lane).await;
    }
    let lane = lane::MediaLane::new(lane, slow, &hit.admitted);
    let (lane, ended) = plain::serve_hit(slow, hit, lane).await;
    (lane.into_inner(), ended)
}

/// What holds for the answer where the origin says nothing: the operator's policy with the class's
/// lifetimes in its gaps.
pub(crate) fn policy(admitted: &Admitted<'_>) -> Option<Arc<Policy>> {
    let policy = admitted.route().cache.as_ref()?;
    let Some(facts) = &admitted.permitted.verified.signature.media else {
        return Some(policy.clone());
    };
    let received = admitted.received();
    let timing = received.cx.node.media.timing(&streams::name(received.head, admitted.path()));
    let defaults = facts.class.defaults(timing, facts.directives.blocks());
    let seconds = |ms: u64| u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX);
    let mut policy = (**policy).clone();
    if defaults.ttl_ms > 0 {
        policy.ttl.default_s.get_or_insert(seconds(defaults.ttl_ms));
    }
    if policy.ttl.negative_s.is_none() {
        let known = |status| policy.ttl.by_status.iter().any(|(of, _)| *of == status);
        let missing = seconds(defaults.missing_ms);
        let errors = [(404, missing), (410, missing), (400, seconds(defaults.refused_ms))];
        let errors = errors.into_iter().filter(|(status, s)| *s > 0 && !known(*status));
        policy.ttl.by_status.extend(errors.collect::<Vec<_>>());
    }
    if policy.stale == tidegate_cache::Stale::default() {
        policy.stale.if_error_s = defaults.stale_if_error_s;
    }
    Some(Arc::new(policy))
}

/// How long the head of a held answer may take: three target durations (draft 6.2.5.2), and a little for
/// the way.
pub(crate) fn first_byte_timeout(admitted: &Admitted<'_>) -> Option<Duration> {
    let facts = admitted.permitted.verified.signature.media.as_ref()?;
    facts.directives.position?;
    let received = admitted.received();
    let timing = received.cx.node.media.timing(&streams::name(received.head, admitted.path()));
    let target_ms = timing.map_or(tidegate_media::policy::TARGET_MS, |timing| timing.target_ms);
    Some(Duration::from_millis(target_ms * 3 + HOLD_MARGIN_MS))
}

/// What a held answer may take beyond three target durations, milliseconds.
const HOLD_MARGIN_MS: u64 = 500;

/// Whether the origin is asked for the plain representation: what is rewritten must be readable.
pub(crate) fn wants_plain(admitted: &Admitted<'_>) -> bool {
    let rewrites = |media: &Media| media.tokens != ManifestTokens::Keep || media.prefetch > 0;
    let facts = admitted.permitted.verified.signature.media.as_ref();
    let wants = admitted.route().media.as_deref().is_some_and(rewrites);
    wants && facts.is_some_and(|facts| facts.class.is_manifest())
}

/// The upstream that stands in for the route's own.
pub(crate) fn standby(admitted: &Admitted<'_>) -> Option<Arc<Group>> {
    let index = admitted.route().media.as_ref()?.standby?;
    let Action::Proxy { .. } = admitted.route().action else { return None };
    Some(admitted.received().cx.running.group(index).clone())
}

/// Whether the standby has taken the place of the route's own upstream in this stream.
pub(crate) fn swapped(admitted: &Admitted<'_>) -> bool {
    let received = admitted.received();
    let live = admitted.route().media.as_ref().is_some_and(|media| media.standby.is_some());
    live && received.cx.node.media.swapped(&streams::name(received.head, admitted.path()))
}

/// What a player said, for the access log.
pub(crate) fn said(head: &tidegate_http::Head<'_>) -> String {
    let Some(said) = Cmcd::of(head.query(), head) else { return String::new() };
    let mut out = String::with_capacity(64);
    let mut put = |key: &str, value: &dyn std::fmt::Display| {
        let joint = if out.is_empty() { "" } else { "," };
        out.push_str(&format!("{joint}{key}={value}"));
    };
    let texts = [
        ("sid", &said.session),
        ("cid", &said.content),
        ("ot", &said.object),
        ("st", &said.stream),
        ("sf", &said.format),
        ("sta", &said.state),
    ];
    let numbers = [
        ("bl", said.buffer_ms),
        ("br", said.bitrate_kbps),
        ("mtp", said.throughput_kbps),
        ("dl", said.deadline_ms),
        ("ltc", said.latency_ms),
        ("msd", said.startup_ms),
    ];
    texts.iter().for_each(|(key, text)| text.iter().for_each(|text| put(key, text)));
    numbers.iter().for_each(|(key, number)| number.iter().for_each(|number| put(key, number)));
    if said.starved {
        put("bs", &true);
    }
    if said.starting {
        put("su", &true);
    }
    out
}

/// Whether a request may be answered from the cache at all.
fn is_get(admitted: &Admitted<'_>) -> bool {
    admitted.received().head.method() == Method::Get
}
