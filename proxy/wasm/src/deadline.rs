//! Time limits of callbacks.
//!
//! The epoch counts wall time, which costs a callback nothing. When it runs out, the thread's own
//! processor time decides: on a crowded machine a callback that was merely not scheduled goes on, one
//! that burns time ends after at most another half of its limit.

use rustix::time::{ClockId, clock_gettime};
use wasmtime::{Store, StoreContextMut, Trap, UpdateDeadline};

use crate::state::State;

/// Extensions that a callback may get for not having been scheduled.
const EXTENSIONS_MAX: u32 = 200;

/// The limit of the callback that runs now.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    limit_ms: u64,
    extensions: u32,
    /// Processor time of the thread when the limit first ran out.
    burnt_ns: Option<u64>,
}

/// Makes the store ask [`extend`] when the epoch runs out.
pub(crate) fn install(store: &mut Store<State>) {
    store.epoch_deadline_callback(extend);
}

/// Starts the limit of a callback.
#[inline]
pub(crate) fn begin(store: &mut Store<State>, limit_ms: u64, epochs: u64) {
    let deadline = &mut store.data_mut().deadline;
    *deadline = Deadline { limit_ms, ..Deadline::default() };
    store.set_epoch_deadline(epochs);
}

fn extend(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data_mut();
    let step_ms = state.deadline.limit_ms / 2 + 1;
    let epochs = state.common.epochs(step_ms);
    let deadline = &mut state.deadline;
    let burnt_ns = thread_time_ns();
    let since = burnt_ns.saturating_sub(*deadline.burnt_ns.get_or_insert(burnt_ns));
    deadline.extensions += 1;
    // The clock may run a little behind the epoch: nine tenths of the step are enough.
    if since >= step_ms * 900_000 || deadline.extensions > EXTENSIONS_MAX {
        return Err(Trap::Interrupt.into());
    }
    Ok(UpdateDeadline::Continue(epochs))
}

fn thread_time_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}
