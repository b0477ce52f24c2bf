//! A lane whose responses are dressed, and whose bodies plugins see.
//!
//! # What plugins hold
//!
//! A response passes straight through unless a plugin of the route takes part in its body phase. Then
//! each piece is shown when it arrives and goes on as the plugins leave it. A plugin that pauses holds
//! the head (when it is not sent yet) and the body so far, up to `body_bytes_max`. The head of a body
//! of a known length within that limit always waits for the end, because only then the length that
//! the plugins leave is known; other bodies go out without one.

use bytes::Bytes;
use tidegate_http::{FieldList, ResponseHead};
use tidegate_telemetry::{Phase, Reason};
use tidegate_upstream::{Downstream, DownstreamGone, ResponseFraming};
use tidegate_wasm::{Phases, Verdict};

use crate::{
    admit,
    answer::Local,
    dress::{Dress, Moment},
    feed,
    lane::{Account, Lane},
};

/// A lane whose responses are dressed.
pub(crate) struct Dressed<L> {
    pub(crate) lane: L,
    pub(crate) dress: Dress,
    /// A plugin replaced the response: what still comes from upstream is dropped.
    pub(crate) replaced: bool,
    pub(crate) status: u16,
    /// The upstream's head, kept where it says what a request invalidates.
    pub(crate) upstream_head: Option<ResponseHead>,
    /// What a plugin answers in place of a request whose body was on its way.
    pub(crate) instead: Option<Box<Local>>,
    keep_head: bool,
    /// The request's trailers, until plugins have seen them.
    late: Option<FieldList>,
    shown: Option<Box<Shown>>,
}

/// A response that plugins look at.
struct Shown {
    head: ResponseHead,
    head_sent: bool,
    /// Seen by plugins that may want to see more behind it.
    held: Vec<u8>,
    /// Let through, waiting for the end; none when it goes out at once.
    passed: Option<Vec<Bytes>>,
    /// A plugin wants to see more before anything goes on.
    paused: bool,
    /// Bytes still to come, when that is known.
    left: Option<u64>,
    /// The body phase is over, or has never been.
    ended: bool,
}

// === impl Dressed ===

impl<L: Lane> Dressed<L> {
    pub(crate) fn new(lane: L, dress: Dress, keep_head: bool) -> Self {
        Self {
            lane,
            dress,
            replaced: false,
            status: 0,
            upstream_head: None,
            instead: None,
            keep_head,
            late: None,
            shown: None,
        }
    }

    /// The lane back, after the plugins' last words about the response.
    pub(crate) fn end(self) -> (L, u16) {
        let head = self.shown.map(|shown| shown.head);
        self.dress.finish(head);
        (self.lane, self.status)
    }

    /// Sends a response whose head plugins have seen, and hold.
    pub(crate) async fn go_on(
        &mut self,
        mut head: ResponseHead,
        framing: ResponseFraming,
    ) -> Result<(), DownstreamGone> {
        let verdict = self.dress.ask(&mut head, Moment::Held).await;
        self.send_head(head, framing, verdict).await
    }

    /// Sends a head as the plugins' verdict says.
    async fn send_head(
        &mut self,
        head: ResponseHead,
        framing: ResponseFraming,
        verdict: Verdict,
    ) -> Result<(), DownstreamGone> {
        self.status = head.status;
        let length = match framing {
            ResponseFraming::Empty { .. } => Some(0),
            ResponseFraming::Length(length) => Some(length),
            ResponseFraming::Unknown => None,
        };
        if let Verdict::Answer(response) = verdict {
            return self.replace(admit::local(response)).await;
        }
        let shows = length != Some(0) && self.dress.wants(Phases::RESPONSE_BODY);
        if self.dress.wants(SHOWN) {
            let bytes_max = self.dress.chain().body_bytes_max() as u64;
            let whole = shows && length.is_some_and(|length| length <= bytes_max);
            self.shown = Some(Box::new(Shown {
                head: head.clone(),
                head_sent: !(whole || verdict == Verdict::Pause),
                held: Vec::new(),
                passed: whole.then(Vec::new),
                paused: verdict == Verdict::Pause,
                left: length,
                ended: !shows,
            }));
            if whole || verdict == Verdict::Pause {
                return Ok(());
            }
        }
        let framing = if shows { ResponseFraming::Unknown } else { framing };
        self.lane.write_head(head, framing).await
    }

    /// Sends an answer in place of the response, when nothing of that has been sent.
    async fn replace(&mut self, local: Local) -> Result<(), DownstreamGone> {
        if self.lane.account().head_sent {
            return Err(DownstreamGone);
        }
        (self.replaced, self.status) = (true, local.head.status);
        if let Some(shown) = &mut self.shown {
            shown.head = local.head.clone();
        }
        self.lane.answer(local.head, local.body).await
    }

    /// Shows plugins what is held of the body, and sends what they let pass.
    async fn show(&mut self, end_of_stream: bool) -> Result<(), DownstreamGone> {
        let Some(shown) = &mut self.shown else { return Ok(()) };
        shown.ended = end_of_stream;
        if shown.paused && shown.held.len() > self.dress.chain().body_bytes_max() {
            return self.replace(too_large()).await;
        }
        let Shown { head, held, .. } = &mut **shown;
        let verdict = self.dress.ask(head, Moment::Body { held, end_of_stream }).await;
        shown.paused = verdict == Verdict::Pause;
        match verdict {
            Verdict::Pause if !end_of_stream => Ok(()),
            Verdict::Continue | Verdict::Pause => self.pass().await,
            Verdict::Answer(response) => self.replace(admit::local(response)).await,
        }
    }

    /// Sends what is held, or adds it to what waits for the end.
    async fn pass(&mut self) -> Result<(), DownstreamGone> {
        let Some(shown) = &mut self.shown else { return Ok(()) };
        let data = Bytes::from(std::mem::take(&mut shown.held));
        if let Some(passed) = &mut shown.passed {
            passed.push(data);
            return Ok(());
        }
        if !std::mem::replace(&mut shown.head_sent, true) {
            self.lane.write_head(shown.head.clone(), ResponseFraming::Unknown).await?;
        }
        if data.is_empty() { Ok(()) } else { self.lane.write_body(data).await }
    }

    /// Sends a response that has waited for its end.
    async fn send_waiting(&mut self, trailers: bool) -> Result<(), DownstreamGone> {
        let Some(shown) = &mut self.shown else { return Ok(()) };
        if shown.head_sent {
            return Ok(());
        }
        shown.head_sent = true;
        let pieces = shown.passed.take().unwrap_or_default();
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let framing = match trailers {
            true => ResponseFraming::Unknown,
            false => ResponseFraming::Length(length),
        };
        self.lane.write_head(shown.head.clone(), framing).await?;
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            self.lane.write_body(piece).await?;
        }
        Ok(())
    }

    /// Shows plugins the next piece of a request body that is longer than they take whole.
    async fn read_shown(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        let (mut held, mut paused) = (Vec::new(), false);
        loop {
            let piece = self.lane.read_body().await?;
            let complete = piece.is_none() || self.lane.body_done();
            held.extend_from_slice(piece.as_deref().unwrap_or_default());
            if paused && held.len() > self.dress.chain().body_bytes_max() {
                return self.break_off(feed::too_large());
            }
            match self.dress.ask_request(&mut held, complete).await {
                Verdict::Pause if !complete => paused = true,
                Verdict::Answer(response) => return self.break_off(admit::local(response)),
                Verdict::Continue | Verdict::Pause => {
                    if let Some(body) = self.dress.read_body() {
                        body.complete = complete;
                    }
                    if complete {
                        self.keep_late();
                    }
                    if complete && held.is_empty() {
                        return self.show_late().await;
                    }
                    return Ok(Some(held.into()));
                }
            }
        }
    }

    /// Keeps the trailers of a request that has been read to its end, for plugins to see.
    fn keep_late(&mut self) {
        if self.dress.wants(Phases::REQUEST_TRAILERS) {
            self.late = self.lane.take_trailers();
        }
    }

    /// Shows plugins the request's trailers, which end it. They stay kept until the answer is there:
    /// whoever gives this up in between asks again, and nothing passes unseen.
    async fn show_late(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        let Some(late) = &mut self.late else { return Ok(None) };
        let verdict = self.dress.ask_late(late).await;
        self.late = None;
        match verdict {
            Verdict::Answer(response) => self.break_off(admit::local(response)),
            Verdict::Continue | Verdict::Pause => Ok(None),
        }
    }

    /// Reads on where plugins do not look at the body.
    async fn read_plain(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        match self.lane.read_body().await? {
            Some(data) => Ok(Some(data)),
            None => {
                self.keep_late();
                self.show_late().await
            }
        }
    }

    /// Ends the exchange, because a plugin answers the request itself.
    fn break_off(&mut self, local: Local) -> Result<Option<Bytes>, DownstreamGone> {
        self.instead = Some(Box::new(local));
        Err(DownstreamGone)
    }
}

/// Phases for which the response head is kept.
const SHOWN: Phases = Phases::RESPONSE_BODY
    .with(Phases::RESPONSE_HEADERS)
    .with(Phases::RESPONSE_TRAILERS)
    .with(Phases::LOG);

/// A plugin holds more of a response than it may.
fn too_large() -> Local {
    let detail = "a plugin of this route holds more of the response than it may";
    Local::problem(Phase::Fault, 500, Reason::Plugin, detail).with("Cache-Control", "no-store")
}

impl<L: Lane> Downstream for Dressed<L> {
    async fn read_body(&mut self) -> Result<Option<Bytes>, DownstreamGone> {
        if self.late.is_some() {
            return self.show_late().await;
        }
        let Some(body) = self.dress.read_body() else { return self.read_plain().await };
        let ready = std::mem::take(&mut body.bytes);
        match (ready.is_empty(), body.complete) {
            (false, _) => Ok(Some(ready)),
            (true, true) => Ok(None),
            (true, false) => self.read_shown().await,
        }
    }

    fn body_done(&self) -> bool {
        let edits = self.dress.edits.as_deref();
        match edits.and_then(|edits| edits.body.as_ref()) {
            _ if self.late.is_some() => false,
            Some(body) => body.complete && body.bytes.is_empty(),
            None => self.lane.body_done(),
        }
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
        self.upstream_head = self.keep_head.then(|| head.clone());
        self.dress.apply(&mut head);
        let end_of_stream =
            matches!(framing, ResponseFraming::Empty { .. } | ResponseFraming::Length(0));
        let verdict = match self.dress.wants(Phases::RESPONSE_HEADERS) {
            true => self.dress.ask(&mut head, Moment::Head { end_of_stream }).await,
            false => Verdict::Continue,
        };
        self.send_head(head, framing, verdict).await
    }

    async fn write_body(&mut self, data: Bytes) -> Result<(), DownstreamGone> {
        if self.replaced {
            return Ok(());
        }
        let Some(shown) = self.shown.as_deref_mut().filter(|shown| !shown.ended) else {
            return self.lane.write_body(data).await;
        };
        shown.held.extend_from_slice(&data);
        shown.left = shown.left.map(|left| left.saturating_sub(data.len() as u64));
        let end_of_stream = shown.left == Some(0);
        self.show(end_of_stream).await
    }

    async fn flush(&mut self) -> Result<(), DownstreamGone> {
        self.lane.flush().await
    }

    async fn finish(&mut self, mut trailers: Option<FieldList>) -> Result<(), DownstreamGone> {
        if !self.replaced && self.shown.as_ref().is_some_and(|shown| !shown.ended) {
            self.show(trailers.is_none()).await?;
        }
        if !self.replaced
            && let (Some(trailers), true) =
                (&mut trailers, self.dress.wants(Phases::RESPONSE_TRAILERS))
            && let Some(Shown { head, held, .. }) = self.shown.as_deref_mut()
        {
            let verdict = self.dress.ask(head, Moment::Trailers(trailers, held)).await;
            if let Verdict::Answer(response) = verdict {
                self.replace(admit::local(response)).await?;
            }
        }
        if self.replaced {
            return Ok(());
        }
        if self.shown.as_ref().is_some_and(|shown| !shown.held.is_empty()) {
            self.pass().await?;
        }
        self.send_waiting(trailers.is_some()).await?;
        self.lane.finish(trailers).await
    }

    async fn write_upgrade(&mut self, head: ResponseHead) -> Result<(), DownstreamGone> {
        self.status = head.status;
        self.lane.write_upgrade(head).await
    }
}

impl<L: Lane> Lane for Dressed<L> {
    fn account(&self) -> Account {
        self.lane.account()
    }

    fn take_trailers(&mut self) -> Option<FieldList> {
        self.lane.take_trailers()
    }
}
