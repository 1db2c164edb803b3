//! Pools of goroutines: what a task of a [`runtime_core::Pool`] is here.
//!
//! A pool only decides when a task may start; then the goroutine goes into the queue of all goroutines, and holds its
//! slot until it has ended.

use std::sync::Arc;

use runtime_core::{Cancel, Ended, Outcome, Pool, Task};

use crate::goroutine::{GoroutineHandle, Start, Waiting};

/// A pool by which goroutines are started.
pub(crate) type LuaPool = Pool<PoolTask>;

/// Whether it has been closed and has nothing to do any more. It may still be under its name, if who closed it was cancelled meanwhile.
pub(crate) fn has_ended(pool: &LuaPool) -> bool {
    pool.is_closed() && {
        let stats = pool.stats();
        stats.queued == 0 && stats.active == 0
    }
}

/// The place in its pool that a goroutine holds.
pub(crate) type Slot = runtime_core::Slot<PoolTask>;

/// A goroutine that a pool starts.
pub(crate) struct PoolTask {
    waiting: Waiting,
}

impl PoolTask {
    pub(crate) fn new(start: Start, pool: &LuaPool) -> Self {
        Self { waiting: start.queue(Some(pool.clone())) }
    }
}

/// How a pool stops a goroutine that it has started.
pub(crate) struct Canceller(GoroutineHandle);

const CLOSED: &str = "its pool was closed";

impl Cancel for Canceller {
    fn cancel(&self) {
        self.0.cancel(Some(CLOSED));
    }
}

impl Task for PoolTask {
    type Canceller = Canceller;

    fn canceller(&self) -> Canceller {
        Canceller(self.waiting.completer().handle())
    }

    fn key(&self) -> Option<u64> {
        Some(self.waiting.completer().id())
    }

    fn start(self, slot: Slot) {
        let Some(mut start) = self.waiting.take() else {
            return slot.finish(Ended::Cancelled);
        };
        start.ties.set_slot(slot);
        let system = Arc::clone(&start.member.system);
        // Refused only when everything is being shut down: then the goroutine ends as cancelled, as its handle is dropped.
        let _ = system.submit_accepted(start);
    }

    fn dropped(self) {
        if let Some(start) = self.waiting.take() {
            start.end(Outcome::Cancelled(Some(Arc::from(CLOSED))));
        }
    }
}
