//! Partial content (RFC 9111 §3.3, §3.4): a range of something that is not stored is fetched as that range, kept as
//! a part, and combined with the parts that are there.
//!
//! A part is an object of its own under a key made of the file's key and the range, with the file's URL, so that
//! purges reach it and requests for one range share one fetch. [`Parts`] remembers which there are. The second range
//! that is missing of a file that may be stored as a whole fetches the whole: then all ranges are at hand.

mod parts;
mod sink;

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use tidegate_cache::{
    ByteRange, CacheStatus, Extent, Forward, Key, OneRange, Precondition, Reason as Why, Verdict,
    preconditions, validation_fields,
};
use tidegate_http::{FieldList, Known, Method};
use tidegate_store::{Arrival, Fill, FillHead, Flight, Object, Reader, Wanted};
use tidegate_telemetry::{Counter, Phase};
use tidegate_upstream::ResponseFraming;
use tokio::sync::mpsc;

use crate::{
    answer::Local,
    dressed::Dressed,
    fetch::{self as plain, Led, evaluation},
    hit::Composed,
    lane::Lane,
    outbound::{self, Purpose},
    request::Admitted,
    rescue,
    slow::{Ended, Slow, respond},
};

use parts::Cover;
pub(crate) use parts::Parts;
use sink::{PartSink, Whole};

/// How a request that may be served in parts goes on.
pub(crate) enum Way<'r, L> {
    /// It was served.
    Served(L, Ended),
    /// It goes the usual way.
    Usual(Admitted<'r>, L),
    /// The whole has come instead, and this request leads its fetch.
    Whole(Admitted<'r>, L, Reader, Led),
}

/// Serves a request from parts, as far as they are at hand or worth fetching.
pub(crate) async fn serve<'r, L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'r>,
    key: Key,
    lane: L,
) -> Way<'r, L> {
    let received = admitted.received();
    let fields = received.fields();
    // Slices are parts too, with borders of their own.
    let sliced = admitted.route().media.as_ref().is_some_and(|media| media.slice_bytes.is_some());
    if sliced || received.head.method() != Method::Get {
        return Way::Usual(admitted, lane);
    }
    let asked = OneRange::of(fields);
    if asked.is_none() && fields.has("range") {
        return Way::Usual(admitted, lane);
    }
    if let Some(stored) = at_hand(slow, &admitted, key, asked).await {
        let (lane, ended) = send_stored(slow, admitted, stored, asked.is_some(), lane).await;
        return Way::Served(lane, ended);
    }
    match asked.filter(|asked| is_worth_a_part(slow, &admitted, *asked, key)) {
        Some(_) => fetch(slow, admitted, key, lane).await,
        None => Way::Usual(admitted, lane),
    }
}

/// Whether a range is fetched by itself: not when it is the whole, nor when the whole is on its way or should be had.
fn is_worth_a_part(slow: &Slow<'_>, admitted: &Admitted<'_>, asked: OneRange, key: Key) -> bool {
    let node = &slow.edge.node;
    let policy = admitted.route().cache.as_ref();
    let site_max = policy.and_then(|policy| policy.object_bytes_max).unwrap_or(u64::MAX);
    let whole = match node.parts.total(key) {
        Some(total) => total <= node.store.object_bytes_max().min(site_max),
        None => asked == OneRange::From(0, None),
    };
    !whole && !node.store.is_filling(&key)
}

// === what is stored ===

/// Parts that answer a request.
struct Stored {
    cover: Cover,
    objects: Vec<Arc<Object>>,
}

/// The parts that hold what is asked for, if all of them are there, fresh, and of the version that the client means.
async fn at_hand(
    slow: &Slow<'_>,
    admitted: &Admitted<'_>,
    key: Key,
    asked: Option<OneRange>,
) -> Option<Stored> {
    let node = &slow.edge.node;
    let whole = |total| Some(ByteRange { start: 0, end: total });
    let cover = node.parts.cover(key, |total| match asked {
        Some(asked) => asked.within(total),
        None => whole(total),
    })?;
    let mut objects: Vec<Arc<Object>> = Vec::with_capacity(cover.pieces.len());
    for piece in &cover.pieces {
        let object = stored(slow, piece.key).await;
        let fits = object.filter(|object| belongs(object, &cover, objects.first()));
        let Some(object) = fits else {
            node.parts.forget(key);
            return None;
        };
        // Stale, or not good enough for this client: it is fetched anew, as a part.
        if evaluation(admitted, &object).verdict != Verdict::Serve {
            return None;
        }
        objects.push(object);
    }
    let condition = admitted.received().fields().first(Known::IfRange.as_str());
    let first = &objects.first()?.meta().validators.etag;
    let meant = condition.is_none_or(|condition| {
        !condition.starts_with(b"W/") && first.as_deref() == Some(condition)
    });
    meant.then_some(Stored { cover, objects })
}

async fn stored(slow: &Slow<'_>, part: Key) -> Option<Arc<Object>> {
    let store = &slow.edge.node.store;
    let none = FieldList::new();
    match store.lookup(&part, &none) {
        Ok(object) => Some(object),
        Err(_) => store.recall(&part, &none).await,
    }
}

/// What is stored says itself what it is: the list of parts may be behind.
fn belongs(object: &Object, cover: &Cover, first: Option<&Arc<Object>>) -> bool {
    let Some(extent) = Extent::of(object.fields()) else { return false };
    let same = |first: &Arc<Object>| {
        extent.version.is_some()
            && Extent::of(first.fields()).is_some_and(|other| other.version == extent.version)
    };
    extent.total == cover.total && first.is_none_or(same)
}

async fn send_stored<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    stored: Stored,
    is_part: bool,
    lane: L,
) -> (L, Ended) {
    let Stored { cover, objects } = stored;
    let Some(first) = objects.first() else {
        return respond(admitted, rescue::not_cached(), lane).await;
    };
    let received = admitted.received();
    match preconditions(received.head.method(), received.fields(), first.meta()) {
        Precondition::Proceed => {}
        Precondition::NotModified => {
            let mut local = Local::new(Phase::Hit, 304, "", bytes::Bytes::new());
            local.head.fields = first.not_modified().fields;
            return respond(admitted, local, lane).await;
        }
        Precondition::Failed => {
            let local = Local::new(Phase::Hit, 412, "", bytes::Bytes::new());
            return respond(admitted, local, lane).await;
        }
    }
    let mut head = first.partial(cover.range);
    head.fields.remove("content-length");
    head.fields.set("content-range", cover.range.content_range(cover.total));
    if !is_part {
        head.status = 200;
        head.fields.remove("content-range");
    }
    let sums = objects.iter().map(|object| evaluation(&admitted, object));
    let (age_ms, fresh_for_ms) = sums.fold((0, i64::MAX), |(age, fresh), sums| {
        (sums.age_ms.max(age), sums.fresh_for_ms.min(fresh))
    });
    head.fields.set("Age", (age_ms / 1000).to_string());
    let ttl_s = Some(fresh_for_ms.div_euclid(1000));
    let status = CacheStatus { hit: true, ttl_s, ..CacheStatus::default() };
    let mut pieces = Vec::new();
    for (piece, object) in cover.pieces.iter().zip(&objects) {
        object.body().slice(piece.range, &mut pieces);
    }
    let framing = ResponseFraming::Length(cover.range.len());
    let composed = Composed { head, framing, pieces };
    plain::send_composed(slow, admitted, composed, &status, Phase::Hit, lane).await
}

// === what is fetched ===

/// Joins the fetch of this range, or begins it.
async fn fetch<'r, L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'r>,
    key: Key,
    mut lane: L,
) -> Way<'r, L> {
    let Some(part) = key_of(key, &admitted) else { return Way::Usual(admitted, lane) };
    let mut led = None;
    let stale = stored(slow, part).await;
    let mut reader = match begin(slow, &admitted, part, stale.as_ref()) {
        // It has come since; the next look finds it.
        Flight::Ready(_) => return Way::Usual(admitted, lane),
        Flight::Join(reader) => {
            Counter::CacheFillsJoined.inc();
            reader
        }
        Flight::Lead(fill, reader) => match start(slow, &admitted, fill, key, part) {
            Some(begun) => {
                led = Some(begun);
                reader
            }
            None => return Way::Usual(admitted, lane),
        },
    };
    let arrival = plain::arrival(&mut reader, led.as_mut().map(|(led, _)| led), &mut lane).await;
    match arrival {
        Ok(Arrival::Stream(head)) => {
            let (lane, ended) = send_arriving(slow, admitted, reader, &head, lane).await;
            Way::Served(lane, ended)
        }
        Ok(Arrival::Object(_)) => {
            // A part that the origin confirmed.
            let asked = OneRange::of(admitted.received().fields());
            match at_hand(slow, &admitted, key, asked).await {
                Some(stored) => {
                    let (lane, ended) = send_stored(slow, admitted, stored, true, lane).await;
                    Way::Served(lane, ended)
                }
                None => Way::Usual(admitted, lane),
            }
        }
        // It cannot be shared: each asks for its own.
        Ok(Arrival::Again) => {
            let (lane, ended) = plain::pass(slow, admitted, Why::HitForMiss, None, lane).await;
            Way::Served(lane, ended)
        }
        Err(error) => {
            let Some((led, whole)) = led else { return Way::Usual(admitted, lane) };
            if let Some(reader) = whole.take() {
                return Way::Whole(admitted, lane, reader, led);
            }
            match plain::take(&led.fault) {
                Some(fault) => {
                    let local = rescue::fill(error, Some(&fault));
                    let (lane, ended) = respond(admitted, local, lane).await;
                    Way::Served(lane, ended)
                }
                None => Way::Usual(admitted, lane),
            }
        }
    }
}

fn begin(
    slow: &Slow<'_>,
    admitted: &Admitted<'_>,
    part: Key,
    stale: Option<&Arc<Object>>,
) -> Flight {
    let store = &slow.edge.node.store;
    let url = admitted.route().cache.as_ref().map(|policy| admitted.target().url(policy));
    let now_ms = slow.edge.node.clock.now().unix_us / 1000;
    let fields = admitted.received().fields();
    store.begin(&Wanted { key: part, url: &url.unwrap_or_default(), fields, now_ms }, stale)
}

fn start(
    slow: &Slow<'_>,
    admitted: &Admitted<'_>,
    fill: Fill,
    key: Key,
    part: Key,
) -> Option<(Led, Whole)> {
    let mut outbound = outbound::build(admitted, Purpose::Fill)?;
    if let Some(stale) = fill.stale() {
        validation_fields(stale.meta(), &mut outbound.fields);
        Counter::CacheRevalidations.inc();
    }
    for name in [Known::Range, Known::IfRange] {
        if let Some(value) = admitted.received().fields().first(name.as_str()) {
            outbound.fields.set(name.as_str(), value);
        }
    }
    let group = plain::group(admitted)?;
    let policy = admitted.route().cache.as_ref()?;
    let (sender, interims) = mpsc::channel(plain::INTERIMS_WAITING_MAX);
    let whole = Whole::default();
    let url = admitted.target().url(policy).into();
    let sink =
        PartSink::new(slow.edge.clone(), admitted, fill, (key, part), url, sender, whole.clone())?;
    Counter::CacheFills.inc();
    let led = Led { fault: sink.fault(), interims };
    tokio::spawn(sink.run(group, outbound));
    Some((led, whole))
}

/// A key of its own for a range as it is written: the file's is a keyed hash, so nobody can choose two that meet.
fn key_of(file: Key, admitted: &Admitted<'_>) -> Option<Key> {
    let fields = admitted.received().fields();
    let mut hasher = std::hash::DefaultHasher::new();
    fields.first(Known::Range.as_str())?.trim_ascii().hash(&mut hasher);
    fields.first(Known::IfRange.as_str()).hash(&mut hasher);
    let place = (u128::from(hasher.finish()) << 1) | 1;
    // An odd factor spreads the place over all bits and loses none.
    let spread = place.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Some(Key::from_u128(file.as_u128() ^ spread))
}

async fn send_arriving<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    mut reader: Reader,
    arriving: &FillHead,
    lane: L,
) -> (L, Ended) {
    let mut head = arriving.response(reader.is_leader()).clone();
    if head.status == 200 {
        // A part is kept as the whole of the object that holds it.
        head.status = 206;
    }
    head.fields.remove("content-length");
    let framing = arriving.length.map_or(ResponseFraming::Unknown, ResponseFraming::Length);
    let status = CacheStatus {
        forward: Some(Forward::of(Why::UriMiss)),
        forward_status: Some(head.status),
        stored: arriving.plan.is_some(),
        collapsed: !reader.is_leader(),
        detail: arriving.plan.is_none().then_some(arriving.reason),
        ..CacheStatus::default()
    };
    let (_admitted, dress) = plain::dress(slow, admitted, &status);
    let mut dressed = Dressed::new(lane, dress, false);
    let sent = plain::stream(&mut dressed, head, framing, Some(&mut reader)).await;
    plain::end(dressed, Phase::Miss, plain::reason_of(sent))
}
