//! Bringing a response in.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_cache::{Asked, Decision, Plan, Policy, Reason, Validation, freshen, validates};
use tidegate_http::{FieldList, Fields as _, Method, ResponseHead, strip_hop_by_hop};

use crate::body::Body;
use crate::config::Config;
use crate::flight::{End, FillError, FillHead, Shared};
use crate::object::{Identity, Object};
use crate::store::Inner;

/// The writing side of one fetch. Whoever holds it owes its readers an end: [`finish`](Self::finish),
/// [`not_modified`](Self::not_modified) or [`serve_stale`](Self::serve_stale). Dropped without one, every reader sees
/// an error and nothing is stored.
pub struct Fill {
    store: Arc<Inner>,
    shared: Arc<Shared>,
    stale: Option<Arc<Object>>,
    /// How the response is kept, while it is.
    kept: Option<Kept>,
    expected: Option<u64>,
}

/// Why a fill should not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillStop {
    /// The response is not kept and nobody reads it.
    #[error("nobody reads the response and it is not kept")]
    Abandoned,
    /// More bytes came than `Content-Length` said.
    #[error("the response is longer than its content-length")]
    TooLong,
}

struct Kept {
    plan: Box<Plan>,
    fields: FieldList,
    bytes: u64,
}

impl Fill {
    pub(crate) const fn new(
        store: Arc<Inner>,
        shared: Arc<Shared>,
        stale: Option<Arc<Object>>,
    ) -> Self {
        Self { store, shared, stale, kept: None, expected: None }
    }

    /// The stored response that this fetch may validate: `validation_fields` of its meta go into the request.
    pub const fn stale(&self) -> Option<&Arc<Object>> {
        self.stale.as_ref()
    }

    /// The final head has come. Readers get it; those whom it does not suit begin again. Returns why the response is
    /// stored or not.
    pub fn head(&mut self, mut response: ResponseHead, decision: Decision, now_ms: u64) -> Reason {
        strip_hop_by_hop(&mut response.fields);
        let bodiless = response.is_bodiless(Method::Get);
        self.expected = if bodiless { Some(0) } else { content_length(&response.fields) };
        let (plan, reason) = match self.within_limits(decision) {
            Decision::Store(plan) => {
                let reason = plan.reason;
                (Some(plan), reason)
            }
            Decision::Pass(reason) => (None, reason),
        };
        if let Some(plan) = &plan {
            hide(&mut response, plan);
        }
        if plan.is_none() {
            self.supersede(response.status, reason);
        }
        self.keep(&response, plan.as_deref());
        self.remember(plan.as_deref(), reason, now_ms);
        self.publish(response, plan, reason);
        reason
    }

    /// Bytes of the body have come. Waits only when the response is not kept and the client that caused the fetch is a
    /// window behind.
    ///
    /// # Errors
    /// Nobody wants the rest, or it is too long: stop the fetch and drop the fill.
    pub async fn body(&mut self, piece: Bytes) -> Result<(), FillStop> {
        if piece.is_empty() {
            return Ok(());
        }
        self.check_length(piece.len() as u64)?;
        if self.kept.is_some() {
            self.hold(piece.len() as u64);
        }
        if self.kept.is_none() {
            self.wait_for_room().await?;
        }
        self.shared.state().push(piece);
        self.shared.arrived.notify_waiters();
        Ok(())
    }

    /// The response is complete. Returns what was stored, if it was.
    ///
    /// # Errors
    /// Fewer bytes came than `Content-Length` said: readers see a broken transfer and nothing is stored.
    pub fn finish(mut self) -> Result<Option<Arc<Object>>, FillError> {
        let total = self.shared.state().total;
        if let Some(expected) = self.expected.filter(|expected| *expected != total) {
            let error = FillError::Length { expected, got: total };
            self.shared.end(End::Failed(error));
            return Err(error);
        }
        let stored = self.store_kept();
        self.shared.end(End::Complete);
        Ok(stored)
    }

    /// The origin answered a validation with 304. The stored response is freshened and answers everybody
    /// (RFC 9111 §4.3.4).
    ///
    /// # Errors
    /// The 304 is for another response, or nothing was to be validated: forget the condition and fetch again with the
    /// fill that comes back.
    pub fn not_modified(
        mut self,
        policy: &Policy,
        asked: &Asked<'_>,
        response: &ResponseHead,
        response_ms: u64,
    ) -> Result<Arc<Object>, Self> {
        let valid = |s: &Arc<Object>| validates(s.meta(), response) == Validation::Freshens;
        let Some(stale) = self.stale.take().filter(valid) else { return Err(self) };
        let stored = (stale.meta(), stale.fields());
        let (fields, plan) = freshen(policy, asked, stored, &response.fields, response_ms);
        Ok(self.end_freshened(&stale, fields, plan.ok(), response_ms))
    }

    /// The fetch failed and the stale response may stand in (RFC 9111 §4.2.4): it answers everybody. `None` without
    /// one; the fill then ends as broken.
    pub fn serve_stale(mut self) -> Option<Arc<Object>> {
        let object = self.stale.take()?;
        self.shared.end(End::Object { object: Arc::clone(&object), shareable: true });
        Some(object)
    }

    /// How many clients read it.
    pub fn readers(&self) -> usize {
        self.shared.state().readers.iter().flatten().count()
    }

    /// Whether the response is being stored.
    pub const fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    fn within_limits(&self, decision: Decision) -> Decision {
        let Decision::Store(plan) = decision else { return decision };
        let config = &self.store.config;
        let expected = self.expected.unwrap_or(0);
        if expected > object_bytes_max(config, &plan) {
            return Decision::Pass(Reason::TooLarge);
        }
        if self.store.counters.fills_bytes.now() + expected > config.fills_bytes_max {
            return Decision::Pass(Reason::FillMemory);
        }
        Decision::Store(plan)
    }

    /// A full answer to a validation that may not be stored takes the place of the stored one all the same, unless it
    /// says nothing about it: an error of the server, or a limit of this node.
    fn supersede(&self, status: u16, reason: Reason) {
        let says_nothing = status >= 500
            || matches!(
                reason,
                Reason::RequestNoStore | Reason::FillMemory | Reason::Authorization
            );
        if let (Some(stale), false) = (&self.stale, says_nothing) {
            self.store.forget(stale);
        }
    }

    fn keep(&mut self, response: &ResponseHead, plan: Option<&Plan>) {
        self.kept = plan.map(|plan| Kept {
            plan: Box::new(plan.clone()),
            fields: stored_fields(response, plan),
            bytes: 0,
        });
    }

    /// Later requests wait for a fetch only where its answer can be shared.
    fn remember(&self, plan: Option<&Plan>, reason: Reason, now_ms: u64) {
        if plan.is_some_and(|plan| plan.shareable) {
            return self.store.mark_shared(self.shared.key);
        }
        let of_request = matches!(reason, Reason::RequestNoStore | Reason::Authorization);
        if !of_request && reason != Reason::FillMemory {
            self.store.mark_alone(self.shared.key, now_ms);
        }
        self.shared.close();
    }

    fn publish(&self, response: ResponseHead, plan: Option<Box<Plan>>, reason: Reason) {
        let withheld = plan.as_ref().is_some_and(|plan| !plan.meta.withheld.is_empty());
        let shared = self.kept.as_ref().filter(|_| withheld);
        let shared = shared
            .map(|kept| ResponseHead { status: response.status, fields: kept.fields.clone() });
        let passing = plan.is_none();
        let head = FillHead { response, shared, plan, reason, length: self.expected };
        let mut state = self.shared.state();
        state.passing = passing;
        state.head = Some(Arc::new(head));
        drop(state);
        self.shared.arrived.notify_waiters();
    }

    fn check_length(&self, more: u64) -> Result<(), FillStop> {
        let total = self.shared.state().total + more;
        match self.expected.filter(|expected| total > *expected) {
            Some(expected) => {
                self.shared.end(End::Failed(FillError::Length { expected, got: total }));
                Err(FillStop::TooLong)
            }
            None => Ok(()),
        }
    }

    /// Accounts for bytes that stay; over a limit the response is let go of and passes from here on.
    fn hold(&mut self, more: u64) {
        let Some(kept) = &mut self.kept else { return };
        let config = &self.store.config;
        let held = self.store.counters.fills_bytes.add(more);
        kept.bytes += more;
        if kept.bytes > object_bytes_max(config, &kept.plan) || held > config.fills_bytes_max {
            self.let_go();
            self.shared.state().passing = true;
            self.shared.close();
        }
    }

    fn let_go(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.store.counters.fills_bytes.sub(kept.bytes);
        }
    }

    /// Back-pressure: the client that caused the fetch sets the pace. Followers are failed rather than waited for once
    /// the store would hold more for them than for an object that it keeps.
    async fn wait_for_room(&self) -> Result<(), FillStop> {
        let config = &self.store.config;
        loop {
            let read = self.shared.read.notified();
            tokio::pin!(read);
            read.as_mut().enable();
            let (ahead, lagged) = {
                let mut state = self.shared.state();
                let lagged = state.release(config.object_bytes_max);
                (state.ahead(), lagged)
            };
            if lagged > 0 {
                self.store.counters.lagged.add(lagged);
                self.shared.arrived.notify_waiters();
            }
            match ahead {
                None => return Err(FillStop::Abandoned),
                Some(ahead) if ahead < config.window_bytes => return Ok(()),
                Some(_) => read.await,
            }
        }
    }

    fn store_kept(&mut self) -> Option<Arc<Object>> {
        let kept = self.kept.take()?;
        self.store.counters.fills_bytes.sub(kept.bytes);
        let pieces = self.shared.state().pieces.iter().cloned().collect();
        let identity = Identity {
            key: self.shared.key,
            url: self.shared.url.clone(),
            generation: self.shared.generation,
        };
        let object =
            Arc::new(Object::new(identity, kept.plan.meta, kept.fields, Body::from_pieces(pieces)));
        self.store.insert(&object, Some(&self.shared)).then_some(object)
    }

    fn end_freshened(
        self,
        stale: &Arc<Object>,
        fields: FieldList,
        plan: Option<Box<Plan>>,
        now_ms: u64,
    ) -> Arc<Object> {
        self.store.counters.freshened.inc();
        let shareable = plan.as_ref().is_some_and(|plan| plan.shareable);
        self.remember(plan.as_deref(), Reason::Expired, now_ms);
        let stored = plan.is_some();
        let meta = plan.map_or_else(|| stale.meta().clone(), |plan| plan.meta);
        let object = Arc::new(stale.with_fields(meta, fields, self.shared.generation));
        if stored {
            self.store.insert_freshened(&object, Some(&self.shared));
        } else {
            self.store.forget(stale);
        }
        self.shared.end(End::Object { object: Arc::clone(&object), shareable });
        object
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.let_go();
        // Whoever ended it has done so before; then this changes nothing.
        self.shared.end(End::Failed(FillError::Broken));
        self.store.flights.leave(&self.shared);
        self.store.flights.ended(self.shared.generation);
        self.store.counters.fills_ended.inc();
        if matches!(self.shared.state().end, Some(End::Failed(_))) {
            self.store.counters.fills_failed.inc();
        }
    }
}

impl std::fmt::Debug for Fill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fill")
            .field("key", &self.shared.key)
            .field("kept", &self.is_kept())
            .finish()
    }
}

/// The largest body that is kept: the store's own limit, or a lower one of the site.
fn object_bytes_max(config: &Config, plan: &Plan) -> u64 {
    plan.object_bytes_max.map_or(config.object_bytes_max, |max| max.min(config.object_bytes_max))
}

/// Takes out what is between origin and cache.
fn hide(response: &mut ResponseHead, plan: &Plan) {
    for name in plan.meta.withheld.iter().filter(|name| plan.meta.hides(name)) {
        response.fields.remove(&**name);
    }
}

/// What later answers carry: all but the withheld fields, and what was between the origin and this proxy
/// (RFC 9111 §3.1).
fn stored_fields(response: &ResponseHead, plan: &Plan) -> FieldList {
    let mut fields = response.fields.clone();
    fields.remove("proxy-authentication-info");
    for name in &plan.meta.withheld {
        fields.remove(&**name);
    }
    fields
}

fn content_length(fields: &FieldList) -> Option<u64> {
    std::str::from_utf8(fields.first("content-length")?).ok()?.trim().parse().ok()
}
