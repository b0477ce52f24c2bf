//! Large files in slices: each is fetched with `Range`, stored as an object of its own under the file's URL,
//! and the answer is joined from them. A purge of the URL takes all of them.
//!
//! Where the origin answers a range with the whole file, the file goes the usual way, and that is remembered
//! for a minute. When two slices turn out to be of two versions of the file, they are thrown away and the
//! transfer is broken off: versions are never mixed.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidegate_cache::{
    Asked, ByteRange, CacheStatus, Forward, Key, Policy, Precondition, Reason as Why, Verdict,
    decide_store, preconditions,
};
use tidegate_http::{FieldList, Fields, Known, Method, ResponseHead};
use tidegate_media::slice::{Answered, Slice, Wanted as Range};
use tidegate_store::{Arrival, Fill, Flight, Object, Purge, PurgeKind, Reader, Store, Wanted};
use tidegate_telemetry::{Counter, Phase, Reason};
use tidegate_upstream::{Downstream, DownstreamGone, Group, Outbound, Outcome, ResponseFraming};

use crate::{
    Edge,
    answer::Local,
    dressed::Dressed,
    fetch::{self as plain, evaluation},
    lane::Lane,
    lookup::Fetch,
    outbound::{self, Purpose},
    request::Admitted,
    slow::{Ended, Slow, respond},
};

/// The size of slices for this request; `None` where it goes the usual way.
pub(super) fn wanted(slow: &Slow<'_>, admitted: &Admitted<'_>, key: Option<Key>) -> Option<u64> {
    let bytes = admitted.route().media.as_ref()?.slice_bytes?;
    let facts = admitted.permitted.verified.signature.media.as_ref()?;
    let sliced = facts.class == tidegate_media::Class::File && super::is_get(admitted);
    let now_ms = slow.edge.node.clock.now().unix_us / 1000;
    let whole = slow.edge.node.media.is_whole(key?.as_u128(), now_ms);
    (sliced && !whole && range(admitted).is_ok()).then_some(bytes)
}

/// The range that is asked for; an error for several, which go the usual way.
fn range(admitted: &Admitted<'_>) -> Result<Option<Range>, ()> {
    let fields = admitted.received().fields();
    match fields.first(Known::Range.as_str()) {
        None => Ok(None),
        Some(value) => Range::parse(value).map(Some).ok_or(()),
    }
}

/// What of a slice is at hand.
enum Part {
    Stored(Arc<Object>),
    Arriving(Reader, FieldList),
}

/// Why there is no slice.
enum Lack {
    /// The usual way answers.
    Usual,
    /// The origin sends the file as a whole.
    Whole,
    /// The file ends before it.
    Beyond(Option<u64>),
}

/// A file as its first slice shows it.
struct File {
    total: u64,
    version: Option<Vec<u8>>,
}

/// Serves the request from slices.
pub(super) async fn serve<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    key: Key,
    work: Fetch,
    bytes: u64,
    lane: L,
) -> (L, Ended) {
    // What is stored as a whole answers as a whole.
    if !matches!(work, Fetch::Miss(_)) {
        return plain::fetch(slow, admitted, Some(key), work, lane).await;
    }
    let range = range(&admitted).unwrap_or_default();
    let first_byte = match range {
        Some(Range::From(first, _)) => first,
        Some(Range::Suffix(_)) | None => 0,
    };
    let slice = Slice::of(first_byte, bytes);
    match part(slow, &admitted, key, slice).await {
        Ok(part) => join(slow, admitted, key, slice, part, range, lane).await,
        Err(Lack::Beyond(total)) => {
            let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
            respond(admitted, unsatisfiable(&total), lane).await
        }
        Err(lack) => {
            if matches!(lack, Lack::Whole) {
                let now_ms = slow.edge.node.clock.now().unix_us / 1000;
                slow.edge.node.media.set_whole(key.as_u128(), now_ms);
            }
            plain::fetch(slow, admitted, Some(key), work, lane).await
        }
    }
}

fn unsatisfiable(total: &str) -> Local {
    Local::new(Phase::Miss, 416, "", Bytes::new())
        .with("Content-Range", format!("bytes */{total}"))
        .with("Cache-Control", "no-store")
}

/// Joins the answer, beginning with the slice that is at hand.
async fn join<L: Lane>(
    slow: &Slow<'_>,
    admitted: Admitted<'_>,
    key: Key,
    slice: Slice,
    part: Part,
    range: Option<Range>,
    lane: L,
) -> (L, Ended) {
    let Some(file) = File::of(slice, part.fields()) else {
        return respond(admitted, unsatisfiable("*"), lane).await;
    };
    let range = range.filter(|_| file.is_meant(admitted.received().fields()));
    let Some((from, to)) = range.unwrap_or(Range::From(0, None)).within(file.total) else {
        return respond(admitted, unsatisfiable(&file.total.to_string()), lane).await;
    };
    if let Part::Stored(object) = &part {
        let received = admitted.received();
        match preconditions(received.head.method(), received.fields(), object.meta()) {
            Precondition::Proceed => {}
            Precondition::NotModified => {
                let mut local = Local::new(Phase::Hit, 304, "", Bytes::new());
                local.head.fields = object.not_modified().fields;
                local.head.fields.remove("content-range");
                return respond(admitted, local, lane).await;
            }
            Precondition::Failed => {
                return respond(admitted, Local::new(Phase::Hit, 412, "", Bytes::new()), lane)
                    .await;
            }
        }
    }
    let hit = matches!(part, Part::Stored(_));
    let mut head = file.head(part.fields(), range.is_some().then_some((from, to)));
    if let Part::Stored(object) = &part {
        let now_ms = slow.edge.node.clock.now().unix_us / 1000;
        head.fields.set("Age", object.meta().age_s(now_ms).to_string());
    }
    let status = CacheStatus {
        hit,
        forward: (!hit).then(|| Forward::of(Why::Partial)),
        stored: !hit,
        ..CacheStatus::default()
    };
    let request = Request { slow, key, file, from, to };
    let (admitted, dress) = plain::dress(slow, admitted, &status);
    let mut dressed = Dressed::new(lane, dress, false);
    let sent = request.send(&admitted, &mut dressed, head, slice, part).await;
    let phase = if hit { Phase::Hit } else { Phase::Miss };
    plain::end(dressed, phase, sent.err())
}

/// One answer under way.
struct Request<'s> {
    slow: &'s Slow<'s>,
    key: Key,
    file: File,
    from: u64,
    to: u64,
}

impl Request<'_> {
    async fn send<L: Lane>(
        &self,
        admitted: &Admitted<'_>,
        lane: &mut Dressed<L>,
        head: ResponseHead,
        first: Slice,
        part: Part,
    ) -> Result<(), Reason> {
        let gone = |DownstreamGone| Reason::ClientGone;
        let length = self.to - self.from + 1;
        lane.write_head(head, ResponseFraming::Length(length)).await.map_err(gone)?;
        let mut slice = Slice::of(self.from, first.bytes);
        let mut at_hand = (slice == first).then_some(part);
        while slice.start() <= self.to && !lane.replaced {
            let part = match at_hand.take() {
                Some(part) => part,
                None => part_of(self.slow, admitted, self.key, slice).await?,
            };
            if File::of(slice, part.fields()).is_none_or(|file| file.version != self.file.version) {
                // Two versions: neither is trusted, and the next request begins anew.
                if let Some(policy) = &admitted.route().cache {
                    let url = admitted.target().url(policy);
                    self.slow.edge.node.store.purge(&Purge::Url(url), PurgeKind::Hard);
                }
                return Err(Reason::FillFailed);
            }
            self.send_part(lane, slice, part).await?;
            slice.index += 1;
        }
        lane.finish(None).await.map_err(gone)
    }

    async fn send_part<L: Lane>(
        &self,
        lane: &mut Dressed<L>,
        slice: Slice,
        part: Part,
    ) -> Result<(), Reason> {
        let gone = |DownstreamGone| Reason::ClientGone;
        let end = (slice.start() + slice.bytes - 1).min(self.file.total - 1);
        let range = ByteRange {
            start: self.from.max(slice.start()) - slice.start(),
            end: self.to.min(end) + 1 - slice.start(),
        };
        match part {
            Part::Stored(object) => {
                let mut pieces = Vec::new();
                object.body().slice(range, &mut pieces);
                for piece in pieces {
                    lane.write_body(piece).await.map_err(gone)?;
                }
            }
            Part::Arriving(mut reader, _) => {
                reader.only(range);
                while let Some(piece) = reader.chunk().await.map_err(|_| Reason::FillFailed)? {
                    lane.write_body(piece).await.map_err(gone)?;
                    lane.flush().await.map_err(gone)?;
                }
            }
        }
        Ok(())
    }
}

async fn part_of(
    slow: &Slow<'_>,
    admitted: &Admitted<'_>,
    key: Key,
    slice: Slice,
) -> Result<Part, Reason> {
    part(slow, admitted, key, slice).await.map_err(|_| Reason::FillFailed)
}

// === one slice ===

/// How often a request looks for a flight that suits it.
const FLIGHTS_MAX: usize = 3;

/// A slice from the cache, or from a fetch that others may share.
async fn part(
    slow: &Slow<'_>,
    admitted: &Admitted<'_>,
    file: Key,
    slice: Slice,
) -> Result<Part, Lack> {
    let store = &slow.edge.node.store;
    let policy = super::policy(admitted).ok_or(Lack::Usual)?;
    let key = key_of(file, slice);
    let url = admitted.target().url(&policy);
    let fields = FieldList::new();
    let now_ms = slow.edge.node.clock.now().unix_us / 1000;
    let fresh = |object: &Arc<Object>| {
        matches!(evaluation(admitted, object).verdict, Verdict::Serve | Verdict::ServeAndValidate)
    };
    let at_hand = store.lookup(&key, &fields).ok().filter(&fresh);
    let at_hand = match at_hand {
        Some(object) => Some(object),
        None => store.recall(&key, &fields).await.filter(&fresh),
    };
    if let Some(object) = at_hand {
        return Ok(Part::Stored(object));
    }
    for attempt in 1..=FLIGHTS_MAX {
        let flight = begin(store, key, &url, now_ms, attempt == FLIGHTS_MAX);
        let mut slot = None;
        let mut reader = match flight {
            Flight::Ready(object) if fresh(&object) => return Ok(Part::Stored(object)),
            Flight::Ready(_) => continue,
            Flight::Join(reader) => {
                Counter::CacheFillsJoined.inc();
                reader
            }
            Flight::Lead(fill, reader) => {
                slot = Some(start(slow, admitted, fill, slice, &policy).ok_or(Lack::Usual)?);
                reader
            }
        };
        match reader.head().await {
            Ok(Arrival::Stream(head)) => {
                return Ok(Part::Arriving(reader, head.response.fields.clone()));
            }
            Ok(Arrival::Object(object)) => return Ok(Part::Stored(object)),
            Ok(Arrival::Again) => {}
            Err(_) => return Err(lack(slot)),
        }
    }
    Err(Lack::Usual)
}

fn begin(store: &Store, key: Key, url: &str, now_ms: u64, alone: bool) -> Flight {
    let fields = FieldList::new();
    let wanted = Wanted { key, url, fields: &fields, now_ms };
    if alone { store.begin_alone(&wanted, None) } else { store.begin(&wanted, None) }
}

fn lack(slot: Option<Arc<Mutex<Option<Answered>>>>) -> Lack {
    let answered = slot.and_then(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take());
    match answered {
        Some(Answered::Whole) => Lack::Whole,
        Some(Answered::Beyond(total)) => Lack::Beyond(total),
        Some(Answered::Slice(_) | Answered::Other) | None => Lack::Usual,
    }
}

/// A key of its own: the file's is a keyed hash, so nobody can choose two that meet.
fn key_of(file: Key, slice: Slice) -> Key {
    let place = (u128::from(slice.bytes) << 64) | u128::from(slice.index + 1);
    // An odd factor spreads the place over all bits and loses none.
    Key::from_u128(file.as_u128() ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn start(
    slow: &Slow<'_>,
    admitted: &Admitted<'_>,
    fill: Fill,
    slice: Slice,
    policy: &Arc<Policy>,
) -> Option<Arc<Mutex<Option<Answered>>>> {
    let mut outbound = outbound::build(admitted, Purpose::Fill)?;
    outbound.fields.set("Range", slice.range());
    outbound.fields.remove("accept-encoding");
    let group = plain::group(admitted)?;
    Counter::CacheFills.inc();
    Counter::MediaSlices.inc();
    let answered = Arc::new(Mutex::new(None));
    let head = admitted.received().head;
    let sink = SliceSink {
        fill: Some(fill),
        slice,
        policy: policy.clone(),
        origin: format!("{}://{}", head.scheme().as_str(), head.authority()),
        request_ms: slow.edge.node.clock.now().unix_us / 1000,
        answered: answered.clone(),
        edge: slow.edge.clone(),
    };
    tokio::spawn(sink.run(group, outbound));
    Some(answered)
}

/// Takes the answer to one slice into its fill.
struct SliceSink {
    edge: Arc<Edge>,
    fill: Option<Fill>,
    slice: Slice,
    policy: Arc<Policy>,
    origin: String,
    request_ms: u64,
    /// What came in place of a slice, for the request that caused the fetch.
    answered: Arc<Mutex<Option<Answered>>>,
}

impl SliceSink {
    async fn run(self, group: Arc<Group>, outbound: Outbound) {
        let edge = self.edge.clone();
        let (sink, outcome) = edge.node.upstreams.exchange(&group, outbound, self).await;
        if let Outcome::Failed(_) = outcome {
            Counter::UpstreamFailures.inc();
        }
        drop(sink);
    }

    /// A part becomes the whole of the object that holds it.
    fn take_head(&mut self, mut head: ResponseHead) -> Result<(), DownstreamGone> {
        let answered = self.slice.answered(head.status, &head.fields);
        let Answered::Slice(extent) = answered else {
            *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
            self.fill = None;
            return Err(DownstreamGone);
        };
        let Some(fill) = &mut self.fill else { return Err(DownstreamGone) };
        head.status = 200;
        head.fields.set("Content-Length", extent.length.to_string());
        let now_ms = self.edge.node.clock.now().unix_us / 1000;
        let none = FieldList::new();
        let asked = Asked {
            method: Method::Get,
            fields: &none,
            origin: &self.origin,
            request_ms: self.request_ms,
        };
        let decision = decide_store(&self.policy, &asked, &head, now_ms);
        fill.head(head, decision, now_ms);
        Ok(())
    }
}

impl Downstream for SliceSink {
    async fn write_head(
        &mut self,
        mut head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        if let ResponseFraming::Length(length) = framing {
            head.fields.set("Content-Length", length.to_string());
        }
        self.take_head(head)
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        match &mut self.fill {
            Some(fill) => fill.body(data).await.map_err(|_| DownstreamGone),
            None => Err(DownstreamGone),
        }
    }

    async fn finish(&mut self, _trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        match self.fill.take().map(Fill::finish) {
            Some(Ok(stored)) => {
                Counter::CacheStores.add(stored.is_some().into());
                Ok(())
            }
            Some(Err(_)) => Err(DownstreamGone),
            None => Ok(()),
        }
    }
}

// === files ===

impl File {
    fn of(slice: Slice, fields: &FieldList) -> Option<Self> {
        match slice.answered(206, fields) {
            Answered::Slice(extent) => Some(Self { total: extent.total, version: extent.version }),
            Answered::Beyond(_) | Answered::Whole | Answered::Other => None,
        }
    }

    /// Whether a range is meant for this version of the file (RFC 9110 section 13.1.5).
    fn is_meant(&self, fields: &dyn Fields) -> bool {
        let Some(condition) = fields.first("if-range") else { return true };
        self.version.as_deref() == Some(condition)
    }

    /// The head of the answer, from that of one of its slices.
    fn head(&self, fields: &FieldList, range: Option<(u64, u64)>) -> ResponseHead {
        let mut head = ResponseHead { status: 200, fields: fields.clone() };
        head.fields.remove("content-length");
        head.fields.remove("content-range");
        head.fields.set("Accept-Ranges", "bytes");
        if let Some((from, to)) = range {
            head.status = 206;
            head.fields.set("Content-Range", format!("bytes {from}-{to}/{}", self.total));
        }
        head
    }
}

impl Part {
    fn fields(&self) -> &FieldList {
        match self {
            Self::Stored(object) => object.fields(),
            Self::Arriving(_, fields) => fields,
        }
    }
}
