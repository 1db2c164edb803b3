//! [`Completer`]: the side of whoever runs a task.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::shared::Shared;
use super::{Handle, Queued};
use crate::outcome::{Outcome, Status};
use crate::sync;
use crate::sync::atomic::Ordering;

/// The side of the one who runs the task: it says when it starts, parks and ends, and hears of cancelling.
pub struct Completer<T, E, Q = ()> {
    pub(super) shared: sync::Arc<Shared<T, E, Q>>,
}

impl<T, E, Q> Completer<T, E, Q> {
    /// A new handle of the same task.
    pub fn handle(&self) -> Handle<T, E, Q> {
        self.shared.handles.fetch_add(1, Ordering::AcqRel);
        Handle { shared: sync::Arc::clone(&self.shared) }
    }

    /// Leaves what the task needs to run with its handle, until it is taken back to start. Cancelling may take it before.
    /// It is dropped with the completer.
    pub fn queue(&self, queued: Q)
    where
        Q: Queued,
    {
        let queued = Box::new(queued);
        let before = self.shared.kept.lock().queued.replace(queued);
        drop(before);
        // Cancelling stores its word, then looks here; this is the other way round. So at least one of the two sees the
        // other, and the lock lets only one take it out.
        if self.shared.cancelled.get().is_some() {
            self.shared.cancel_queued();
        }
    }

    /// Takes back what [`queue`](Self::queue) has left. `None`: there is nothing, or the task was cancelled, and has ended.
    pub fn unqueue(&self) -> Option<Q> {
        let queued = self.shared.kept.lock().queued.take();
        queued.map(|queued| *queued)
    }

    /// The number the task was made with.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Says that the task runs, or runs again after a wait.
    pub fn running(&self) {
        self.shared.status.store(Status::Running as u8, Ordering::Release);
    }

    /// Says that the task is parked.
    pub fn waiting(&self) {
        self.shared.status.store(Status::Waiting as u8, Ordering::Release);
    }

    /// The reason, if cancelling was asked for: `Some(None)` is "without a reason".
    pub fn cancelled(&self) -> Option<Option<Arc<str>>> {
        self.shared.cancelled()
    }

    /// Ready once cancelling was asked for; until then the waker is kept and woken by it.
    pub fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.shared.cancelled.get().is_some() {
            return Poll::Ready(());
        }
        self.shared.runner.register(cx.waker());
        // Cancelling may have come before the waker was there to be woken.
        if self.shared.cancelled.get().is_some() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Whether cancelling was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.get().is_some()
    }

    /// Whether [`Handle::share`] was called.
    pub fn is_shared(&self) -> bool {
        self.shared.shared.load(Ordering::SeqCst)
    }

    /// Whether this handle is the task's.
    pub fn is_of(&self, handle: &Handle<T, E, Q>) -> bool {
        sync::Arc::ptr_eq(&self.shared, &handle.shared)
    }

    /// Where the task stands.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Ends the task. If it has ended already, nothing happens.
    pub fn complete(&self, outcome: Outcome<T, E>) {
        self.shared.complete(outcome, || {});
    }

    /// Ends the task, and does `then` once the outcome can be seen and before those who wait go on, woken or not: for
    /// counters that have to be right when a waiter looks at them, and which others wait for who then look at the task.
    pub fn complete_then(&self, outcome: Outcome<T, E>, then: impl FnOnce()) {
        self.shared.complete(outcome, then);
    }
}

impl<T, E, Q> Drop for Completer<T, E, Q> {
    fn drop(&mut self) {
        if self.shared.outcome.get().is_none() {
            let queued = {
                let mut kept = self.shared.kept.lock();
                if self.shared.ends_by_cancel.load(Ordering::Relaxed) {
                    return; // whoever cancels it has come first, and tells its end
                }
                kept.queued.take()
            };
            drop(queued);
            let reason = match self.shared.cancelled() {
                Some(reason) => reason,
                None => Some(Arc::from("its worker ended")),
            };
            self.shared.complete(Outcome::Cancelled(reason), || {});
        }
    }
}

impl<T, E, Q> fmt::Debug for Completer<T, E, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completer").field("id", &self.id()).finish_non_exhaustive()
    }
}
