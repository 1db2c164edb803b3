//! Pools of goroutines: what a task of a [`runtime_core::Pool`] is here.
//!
//! A pool only decides when a task may start; then the goroutine goes into the queue of all goroutines, and holds its
//! slot until it has ended.

use std::sync::Arc;

use runtime_core::{Cancel, Outcome, Pool, Task};

use crate::goroutine::{GoroutineHandle, Start};

/// A pool by which goroutines are started.
pub(crate) type LuaPool = Pool<PoolTask>;

/// The place in its pool that a goroutine holds.
pub(crate) type Slot = runtime_core::Slot<PoolTask>;

/// A goroutine that a pool starts.
pub(crate) struct PoolTask {
    pub(crate) start: Box<Start>,
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
        Canceller(self.start.completer.handle())
    }

    fn start(self, slot: Slot) {
        let Self { mut start } = self;
        start.slot = Some(slot);
        let system = Arc::clone(&start.origin.system);
        // Refused only when everything is being shut down: then the goroutine ends as cancelled, as its handle is dropped.
        let _ = system.submit(start);
    }

    fn dropped(self) {
        self.start.end(Outcome::Cancelled(Some(Arc::from(CLOSED))));
    }
}
