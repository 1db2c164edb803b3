//! [`Handle`]: what is known of a task from outside, and [`Completer`], the side of whoever runs it.

mod completer;
mod reporting;
mod shared;
mod watch;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use self::shared::Shared;
use crate::outcome::{Outcome, Status};
use crate::sync;
use crate::sync::atomic::{Ordering, fence};

pub use self::completer::Completer;
pub use self::reporting::{Report, Reporting};
pub use self::watch::Watch;

/// What a task needs to run, kept by its handle until it starts ([`Completer::queue`]).
pub trait Queued {
    /// The task was cancelled before it started, and has its outcome; those who wait for it are woken after this. Called
    /// on the thread that cancelled it, without a lock.
    fn cancelled(self);
}

impl Queued for () {
    fn cancelled(self) {}
}

/// A started task, seen from outside. Clones stand for the same task.
///
/// **Who wakes whom.** Waiters say that there are some, and register with an event, before they look whether the end is
/// settled; the completer stores that before it looks whether there are waiters, and notifies all of them. Of these two at
/// least one sees what the other did first, so none can miss it. Dropping a waiter leaves nothing behind. A completer
/// that is dropped without an outcome (its worker died) completes the task as cancelled, so that nobody waits for ever.
///
/// **Cancelled before it starts.** What a task needs to run may lie with its handle, as a `Q`, while the completer stands
/// in some queue. Whoever takes it out, the one who starts the task or the first who cancels it, decides: then the task
/// has begun, or has ended at once and holds nothing any more, wherever its completer stands.
///
/// ```
/// # use runtime_core::{Handle, Outcome, Reporting, block_on, testing::BareBackend};
/// let (handle, completer) = Handle::<i32, String>::new(1, Reporting::Never);
/// std::thread::spawn(move || completer.complete(Outcome::Done(42)));
/// block_on(&BareBackend::new(), handle.wait());
/// assert_eq!(handle.outcome(), Some(&Outcome::Done(42)));
/// ```
pub struct Handle<T, E, Q = ()> {
    shared: sync::Arc<Shared<T, E, Q>>,
}

impl<T, E, Q> Handle<T, E, Q> {
    /// How many bytes a task takes, what its outcome points to not included: for those who tell a garbage collector.
    pub const FOOTPRINT: usize = size_of::<Shared<T, E, Q>>();

    /// A task that is queued: the handle for those who wait, the completer for the one who will run it.
    pub fn new(id: u64, reporting: Reporting<E>) -> (Self, Completer<T, E, Q>) {
        let shared = sync::Arc::new(Shared::new(id, reporting));
        (Self { shared: sync::Arc::clone(&shared) }, Completer { shared })
    }

    /// The number the task was made with.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// An address that is this task's alone while any handle of it lives.
    pub fn address(&self) -> usize {
        sync::Arc::as_ptr(&self.shared) as *const () as usize
    }

    /// Where the task stands. Once it has ended this does not change any more.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The same task, for those who only look in.
    pub fn watch(&self) -> Watch<T, E, Q> {
        Watch { shared: sync::Arc::clone(&self.shared) }
    }

    /// The name somebody gave it.
    pub fn name(&self) -> Option<Arc<str>> {
        self.shared.name()
    }

    /// Gives it a name, for those who look in.
    pub fn set_name(&self, name: &str) {
        self.shared.kept.lock().name = Some(Box::new(Arc::from(name)));
    }

    /// Notes that it may be awaited on other threads than the one that runs the task, for a runner to whom that makes a
    /// difference.
    pub fn share(&self) {
        self.shared.shared.store(true, Ordering::SeqCst);
    }

    /// Whether [`share`](Self::share) was called.
    pub fn is_shared(&self) -> bool {
        self.shared.shared.load(Ordering::SeqCst)
    }

    /// Leaves a number with the task, for one who has many handles to find this one's by. 0 is none, as at first.
    pub fn set_mark(&self, mark: u64) {
        self.shared.mark.store(mark, Ordering::Relaxed);
    }

    /// The number that [`set_mark`](Self::set_mark) has left last.
    pub fn mark(&self) -> u64 {
        self.shared.mark.load(Ordering::Relaxed)
    }

    /// How it ended, or `None` while it has not. Counts as having been seen: a failure returned here is not
    /// reported as one that nobody awaited.
    pub fn outcome(&self) -> Option<&Outcome<T, E>> {
        let outcome = self.shared.outcome.get();
        if outcome.is_some() {
            self.shared.seen.store(true, Ordering::Release);
        }
        outcome
    }

    /// The same, for those who only look in: it does not count as having been seen.
    pub fn peek(&self) -> Option<&Outcome<T, E>> {
        self.shared.outcome.get()
    }

    /// Whether the task has ended, and whoever hears of that before the waiters has heard ([`Completer::complete_then`]):
    /// then [`wait`](Self::wait) is ready at once.
    pub fn is_settled(&self) -> bool {
        self.shared.settled.load(Ordering::SeqCst)
    }

    /// A future that is ready once the task has ended, and that [is settled](Self::is_settled). It keeps this handle alive.
    pub fn wait(&self) -> impl Future<Output = ()> + 'static + use<T, E, Q>
    where
        T: 'static,
        E: 'static,
        Q: 'static,
    {
        let handle = self.clone();
        async move {
            if handle.is_settled() {
                return;
            }
            let ended = handle.shared.ended.listen();
            handle.shared.awaited.store(true, Ordering::SeqCst);
            // With the fence in `Shared::complete`: either the end is seen here or the waiter there.
            fence(Ordering::SeqCst);
            if !handle.is_settled() {
                ended.await;
            }
        }
    }

    /// Asks the task to stop: at once if it has not started, else at its next blocking call. Only the first reason
    /// counts. Returns whether this call was the first and came before the end.
    pub fn cancel(&self, reason: Option<&str>) -> bool
    where
        Q: Queued,
    {
        if self.shared.outcome.get().is_some() {
            return false;
        }
        let first = self.shared.cancelled.set(reason.map(|reason| Box::new(Arc::from(reason)))).is_ok();
        if first {
            self.shared.runner.wake();
            self.shared.cancel_queued();
        }
        first
    }

    /// The reason it was asked to stop for, if it was and one was given.
    pub fn cancel_reason(&self) -> Option<Arc<str>> {
        self.shared.cancelled().flatten()
    }

    /// Reports a failure that nobody has seen now, as dropping the last handle would ([`Reporting::IfUnseen`]): for the
    /// end of a program that drops nothing any more.
    pub fn report_unseen(&self) {
        self.shared.report_unseen();
    }

    /// Whether cancelling was asked for, whatever came of it.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.get().is_some()
    }
}

impl<T, E, Q> Clone for Handle<T, E, Q> {
    fn clone(&self) -> Self {
        self.shared.handles.fetch_add(1, Ordering::AcqRel);
        Self { shared: sync::Arc::clone(&self.shared) }
    }
}

impl<T, E, Q> Drop for Handle<T, E, Q> {
    fn drop(&mut self) {
        if self.shared.handles.fetch_sub(1, Ordering::SeqCst) == 1 && self.shared.report.is_some() {
            // See `Shared::complete`. If both see the other, `report_once` lets only one through.
            fence(Ordering::SeqCst);
            self.shared.report_unseen();
        }
    }
}

impl<T, E, Q> PartialEq for Handle<T, E, Q> {
    /// Whether both stand for the same task.
    fn eq(&self, other: &Self) -> bool {
        sync::Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T, E, Q> Eq for Handle<T, E, Q> {}

impl<T, E, Q> fmt::Debug for Handle<T, E, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.id())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
