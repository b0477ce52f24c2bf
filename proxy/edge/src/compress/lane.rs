//! A lane whose responses are coded on their way.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use tidegate_http::{ContentCoding, FieldList, Known, Method, ResponseHead, tokens};
use tidegate_snapshot::Compress;
use tidegate_telemetry::Counter;
use tidegate_upstream::{Downstream, DownstreamGone, ResponseFraming};

use super::encoder::Encoder;
use crate::{
    lane::{Account, Lane},
    request::Admitted,
};

/// Encoders open at the same time: each holds up to some hundred KiB for as long as its client
/// takes. Beyond that, responses go out as they are.
const ENCODERS_MAX: usize = 1024;
/// Bytes coded at once; then other connections of the worker have their turn.
const STEP_BYTES: usize = 16 * 1024;

static ENCODERS: AtomicUsize = AtomicUsize::new(0);

/// A lane whose responses are coded on their way.
pub(crate) struct Compressing<L> {
    lane: L,
    plan: Option<Box<Plan>>,
    coding: Option<Box<Coding>>,
}

/// What a request wants of compression.
pub(crate) struct Plan {
    policy: std::sync::Arc<Compress>,
    coding: Option<ContentCoding>,
    head_only: bool,
    /// Tags that the client has weak.
    weak: Vec<u8>,
}

/// A body being coded.
struct Coding {
    encoder: Encoder,
    /// Bytes were put in that may not have come out.
    holds: bool,
    _place: Place,
}

/// A place among the open encoders.
struct Place;

// === impl Plan ===

impl Plan {
    /// None where the route does not compress.
    pub(crate) fn of(admitted: &Admitted<'_>) -> Option<Box<Self>> {
        let policy = admitted.route().compress.clone()?;
        let received = admitted.received();
        let fields = received.fields();
        let weak = fields.joined(Known::IfNoneMatch.as_str()).unwrap_or_default().into_owned();
        Some(Box::new(Self {
            coding: ContentCoding::accepted(fields, &policy.codings),
            head_only: received.head.method() == Method::Head,
            policy,
            weak,
        }))
    }

    /// Whether the client knows the tag of this 304 in its weak form: then it got a coded response,
    /// and only the weak tag tells it which one is confirmed (RFC 9111 section 4.3.4).
    fn has_weak(&self, fields: &FieldList) -> bool {
        let Some(tag) = fields.value("etag") else { return false };
        tokens(&self.weak).any(|known| known.strip_prefix(b"W/") == Some(tag))
    }
}

// === impl Place ===

impl Place {
    fn take() -> Option<Self> {
        let open = |open: usize| (open < ENCODERS_MAX).then_some(open + 1);
        ENCODERS.fetch_update(Relaxed, Relaxed, open).ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        ENCODERS.fetch_sub(1, Relaxed);
    }
}

// === impl Compressing ===

impl<L: Lane> Compressing<L> {
    pub(crate) const fn new(lane: L, plan: Option<Box<Plan>>) -> Self {
        Self { lane, plan, coding: None }
    }

    pub(crate) fn into_inner(self) -> L {
        self.lane
    }

    /// Edits the head and opens the encoder, where there is to be one.
    fn begin(&mut self, head: &mut ResponseHead, framing: &mut ResponseFraming) {
        let Some(plan) = &self.plan else { return };
        if head.status == 304 && plan.has_weak(&head.fields) {
            super::weaken(&mut head.fields);
        }
        let length = match *framing {
            ResponseFraming::Length(length) => Some(length),
            ResponseFraming::Empty { declared } => declared,
            ResponseFraming::Unknown => None,
        };
        let has_body = length != Some(0)
            && (plan.head_only || !matches!(framing, ResponseFraming::Empty { .. }));
        if !has_body || !plan.policy.concerns(head.status, &head.fields, length) {
            return;
        }
        super::vary(&mut head.fields);
        let Some(coding) = plan.coding else { return };
        if plan.head_only {
            super::code(&mut head.fields, coding);
            *framing = ResponseFraming::Empty { declared: None };
        } else if let (Some(place), Ok(encoder)) = (Place::take(), Encoder::stream(coding)) {
            super::code(&mut head.fields, coding);
            *framing = ResponseFraming::Unknown;
            Counter::CompressedStreams.inc();
            self.coding = Some(Box::new(Coding { encoder, holds: false, _place: place }));
        }
    }

    /// Sends what the encoder has let go of.
    async fn pass_on(&mut self) -> Result<(), DownstreamGone> {
        let Some(coding) = &mut self.coding else { return Ok(()) };
        let coded = coding.encoder.take();
        if coded.is_empty() { Ok(()) } else { self.lane.write_body(coded).await }
    }
}

/// Writing to memory fails only where the encoder does; then the transfer breaks.
fn coded<T>(result: io::Result<T>) -> Result<T, DownstreamGone> {
    result.map_err(|_| DownstreamGone)
}

impl<L: Lane> Downstream for Compressing<L> {
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
        mut framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        self.begin(&mut head, &mut framing);
        self.lane.write_head(head, framing).await
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        if self.coding.is_none() {
            return self.lane.write_body(data).await;
        }
        for (at, step) in data.chunks(STEP_BYTES).enumerate() {
            if at > 0 {
                tokio::task::yield_now().await;
            }
            if let Some(coding) = &mut self.coding {
                coded(coding.encoder.write(step))?;
                coding.holds = true;
            }
            self.pass_on().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), DownstreamGone> {
        // Nothing more is at hand: what came so far must be readable, events of a stream above all.
        if let Some(coding) = self.coding.as_mut().filter(|coding| coding.holds) {
            coded(coding.encoder.flush())?;
            coding.holds = false;
            self.pass_on().await?;
        }
        self.lane.flush().await
    }

    async fn finish(&mut self, trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        if let Some(coding) = self.coding.take() {
            let last = coded(coding.encoder.finish())?;
            if !last.is_empty() {
                self.lane.write_body(last.into()).await?;
            }
        }
        self.lane.finish(trailers).await
    }

    async fn write_upgrade(&mut self, head: ResponseHead) -> Result<(), DownstreamGone> {
        self.lane.write_upgrade(head).await
    }
}

impl<L: Lane> Lane for Compressing<L> {
    fn account(&self) -> Account {
        self.lane.account()
    }

    fn take_trailers(&mut self) -> Option<FieldList> {
        self.lane.take_trailers()
    }
}
