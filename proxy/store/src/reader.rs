//! Reading a response while it arrives.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_cache::ByteRange;
use tidegate_http::FieldList;

use crate::flight::{End, FillError, FillHead, Place, Shared, State};
use crate::object::Object;

/// What a reader waits for.
#[derive(Debug)]
pub enum Arrival {
    /// A response; its body follows through [`Reader::chunk`].
    Stream(Arc<FillHead>),
    /// A stored response answers: freshened, or stale because the origin failed.
    Object(Arc<Object>),
    /// The answer is not for this request: it cannot be shared, or it is another variant. Begin again.
    Again,
}

/// One client's view of a fill. Dropping it harms nobody.
pub struct Reader {
    shared: Arc<Shared>,
    id: usize,
    leader: bool,
    /// The reader's own request, to know its variant; empty for the leader.
    request: FieldList,
    /// Bytes to leave out, then bytes to give.
    skip: u64,
    left: u64,
}

impl Reader {
    pub(crate) fn leader(shared: Arc<Shared>, id: usize) -> Self {
        Self { shared, id, leader: true, request: FieldList::new(), skip: 0, left: u64::MAX }
    }

    pub(crate) fn follower(shared: Arc<Shared>, id: usize, request: FieldList) -> Self {
        Self { shared, id, leader: false, request, skip: 0, left: u64::MAX }
    }

    /// Whether this is the client that caused the fetch.
    pub const fn is_leader(&self) -> bool {
        self.leader
    }

    /// Waits for the head. Can be called again.
    ///
    /// # Errors
    /// The fill broke off before it.
    pub async fn head(&mut self) -> Result<Arrival, FillError> {
        self.when(|this, state| this.arrival(state)).await
    }

    /// Gives only these bytes of the body; before the first [`chunk`](Self::chunk). They need not be there yet.
    pub const fn only(&mut self, range: ByteRange) {
        self.skip = range.start;
        self.left = range.len();
    }

    /// Waits for the next bytes; `None` at the end of a complete body or of the range.
    ///
    /// # Errors
    /// The fill broke off: the client must see a broken transfer, not an end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FillError> {
        while self.left > 0 {
            let Some(piece) = self.when(|this, state| this.piece(state)).await? else {
                return Ok(None);
            };
            if let Some(part) = self.cut(piece) {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    /// What is there already, up to about `bytes_max` bytes, for one vectored write. Waits for nothing.
    pub fn ready(&mut self, bytes_max: usize, out: &mut Vec<Bytes>) {
        let mut taken = 0;
        while taken < bytes_max && self.left > 0 {
            let shared = Arc::clone(&self.shared);
            let Some(Ok(Some(piece))) = self.piece(&mut shared.state()) else { return };
            if let Some(part) = self.cut(piece) {
                taken += part.len();
                out.push(part);
            }
        }
    }

    async fn when<T>(
        &mut self,
        ready: impl Fn(&mut Self, &mut State) -> Option<Result<T, FillError>>,
    ) -> Result<T, FillError> {
        let shared = Arc::clone(&self.shared);
        loop {
            let arrived = shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(result) = ready(self, &mut shared.state()) {
                return result;
            }
            arrived.await;
        }
    }

    fn arrival(&self, state: &State) -> Option<Result<Arrival, FillError>> {
        match (&state.end, &state.head) {
            (Some(End::Object { object, shareable }), _) => {
                Some(Ok(self.arrival_of_object(object, *shareable)))
            }
            (Some(End::Failed(error)), None) => Some(Err(*error)),
            (_, Some(head)) => Some(Ok(self.arrival_of_head(head))),
            (Some(End::Complete), None) => Some(Err(FillError::Broken)),
            (None, None) => None,
        }
    }

    fn arrival_of_object(&self, object: &Arc<Object>, shareable: bool) -> Arrival {
        if self.leader || shareable && object.meta().vary.matches(&self.request) {
            return Arrival::Object(Arc::clone(object));
        }
        Arrival::Again
    }

    fn arrival_of_head(&self, head: &Arc<FillHead>) -> Arrival {
        let plan = head.plan.as_ref().filter(|plan| plan.shareable);
        if self.leader || plan.is_some_and(|plan| plan.meta.vary.matches(&self.request)) {
            return Arrival::Stream(Arc::clone(head));
        }
        Arrival::Again
    }

    fn piece(&self, state: &mut State) -> Option<Result<Option<Bytes>, FillError>> {
        let Some(place) = state.readers.get_mut(self.id).and_then(Option::as_mut) else {
            return Some(Err(FillError::Broken));
        };
        if place.lagged {
            return Some(Err(FillError::Lagged));
        }
        // A failed fill fails at once: what has come so far is worth nothing to anybody.
        if let Some(End::Failed(error)) = &state.end {
            return Some(Err(*error));
        }
        let next = state.pieces.get((place.piece - state.first) as usize).cloned();
        match (next, &state.end) {
            (Some(piece), _) => {
                self.advance(place, &piece);
                Some(Ok(Some(piece)))
            }
            (None, None) => None,
            (None, Some(_)) => Some(Ok(None)),
        }
    }

    fn advance(&self, place: &mut Place, piece: &Bytes) {
        place.piece += 1;
        place.bytes += piece.len() as u64;
        self.shared.read.notify_one();
    }

    fn cut(&mut self, piece: Bytes) -> Option<Bytes> {
        let length = piece.len() as u64;
        let skipped = self.skip.min(length);
        let given = (length - skipped).min(self.left);
        self.skip -= skipped;
        self.left -= given;
        (given > 0).then(|| piece.slice(skipped as usize..(skipped + given) as usize))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(place) = self.shared.state().readers.get_mut(self.id) {
            *place = None;
        }
        self.shared.read.notify_one();
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("key", &self.shared.key)
            .field("leader", &self.leader)
            .finish()
    }
}
