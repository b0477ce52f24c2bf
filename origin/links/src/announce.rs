//! How edges learn of links: the port that the owner of the process fills, and the queue in front of it.
//!
//! An operation is announced after its commit. Many that wait at the same time go in one append; each
//! caller waits until its own is on the log, so that a link whose creation was acknowledged is known to
//! every edge that has read that far.
//!
//! **Invariant:** a base names the log position that was read *before* the codes were, so that it never
//! claims an operation that it does not include.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

/// Operations of one append.
const APPEND_OPS_MAX: usize = 1000;
/// Operations that may wait; a caller beyond them waits for room.
const QUEUE_OPS_MAX: usize = 10_000;
/// Pause before a failed append is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It exists now.
    Put,
    /// It exists and its answer is another one now.
    Change,
    /// It answers no more.
    Delete,
}

/// One operation of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// What became of it.
    pub change: Change,
    /// The domain's name.
    pub domain: String,
    /// The code, folded where the domain ignores case.
    pub code: String,
}

/// Where the log stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Generation of the base, 0 without one.
    pub generation: u64,
    /// Number of the last operation.
    pub seq: u64,
}

/// The log could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("announce: {0}")]
pub struct AnnounceError(pub String);

/// The log of operations that edges follow, and its bases.
pub trait Announce: Send + Sync + 'static {
    /// Appends operations; durable once it returns. Appending one twice does no harm.
    fn append<'a>(&'a self, ops: &'a [Op]) -> BoxFuture<'a, Result<(), AnnounceError>>;
    /// Where the log stands.
    fn position(&self) -> BoxFuture<'_, Result<Position, AnnounceError>>;
    /// Replaces the base by the filter in `bytes`, which includes every operation up to `seq`.
    fn base(&self, bytes: Vec<u8>, seq: u64) -> BoxFuture<'_, Result<(), AnnounceError>>;
}

/// What the application holds of the queue; cheap to clone.
#[derive(Clone)]
pub(crate) enum Announcer {
    /// Nobody listens.
    Nobody,
    /// To the log.
    Log(mpsc::Sender<Waiting>),
}

/// An operation and whoever waits for it.
pub(crate) struct Waiting {
    op: Op,
    done: oneshot::Sender<()>,
}

impl Announcer {
    /// A queue to `log` with the task that empties it, or nobody.
    pub(crate) fn new(log: Option<&Arc<dyn Announce>>) -> (Self, Option<BoxFuture<'static, ()>>) {
        let Some(log) = log else { return (Self::Nobody, None) };
        let (send, receive) = mpsc::channel(QUEUE_OPS_MAX);
        (Self::Log(send), Some(Box::pin(empty(receive, Arc::clone(log)))))
    }

    /// Announces operations; `true` once they are on the log, `false` when that did not happen within
    /// `patience`. They are on their way all the same.
    pub(crate) async fn announce(&self, ops: Vec<Op>, patience: Duration) -> bool {
        let Self::Log(queue) = self else { return true };
        let announced = async {
            let mut all = Vec::with_capacity(ops.len());
            for op in ops {
                let (done, wait) = oneshot::channel();
                if queue.send(Waiting { op, done }).await.is_err() {
                    return false;
                }
                all.push(wait);
            }
            futures_util::future::try_join_all(all).await.is_ok()
        };
        tokio::time::timeout(patience, announced).await.unwrap_or(false)
    }
}

async fn empty(mut queue: mpsc::Receiver<Waiting>, log: Arc<dyn Announce>) {
    let mut batch = Vec::with_capacity(APPEND_OPS_MAX);
    while queue.recv_many(&mut batch, APPEND_OPS_MAX).await > 0 {
        let (ops, waiting): (Vec<_>, Vec<_>) = batch.drain(..).map(|w| (w.op, w.done)).unzip();
        append_until_done(log.as_ref(), &ops).await;
        for done in waiting {
            let _ = done.send(());
        }
    }
}

async fn append_until_done(log: &dyn Announce, ops: &[Op]) {
    while let Err(error) = log.append(ops).await {
        tracing::warn!(%error, ops = ops.len(), "links not announced, trying again");
        tokio::time::sleep(RETRY).await;
    }
}
