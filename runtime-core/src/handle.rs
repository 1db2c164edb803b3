//! [`Handle`]: what is known of a task from outside, and [`Completer`], the side of whoever runs it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use event_listener::Event;

use crate::outcome::{Outcome, Status};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sync::{self, AtomicWaker, Mutex, OnceLock};

/// Told of a failure that nobody will await. A plain function, so that a task carries no count of those who share it:
/// whatever else the report needs is for the failure to know.
pub type Report<E> = fn(&E);

/// When a failure is reported.
#[derive(Debug)]
pub enum Reporting<E> {
    /// Never; whoever holds the handle sees to it.
    Never,
    /// When the task fails, awaited or not.
    AtOnce(Report<E>),
    /// Once nobody can await it any more: the last handle is gone and the failure was never seen.
    IfUnseen(Report<E>),
}

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

/// The side of the one who runs the task: it says when it starts, parks and ends, and hears of cancelling.
pub struct Completer<T, E, Q = ()> {
    shared: sync::Arc<Shared<T, E, Q>>,
}

struct Shared<T, E, Q> {
    id: u64,
    /// `Queued`, `Running` or `Waiting`, as long as there is no outcome.
    status: AtomicU8,
    /// Handles alive; the completer is not one.
    handles: AtomicUsize,
    /// Whether somebody has seen the outcome, or it has been reported.
    seen: AtomicBool,
    outcome: OnceLock<Outcome<T, E>>,
    /// Whether those who hear of the end first have: from now on nobody waits any more.
    settled: AtomicBool,
    /// Whether anybody has ever waited: most tasks end before that, and then the event is not touched.
    awaited: AtomicBool,
    ended: Event,
    /// Set when it is cancelled, with the reason. In a box, as few have one.
    cancelled: OnceLock<Option<Box<Arc<str>>>>,
    kept: Mutex<Kept<Q>>,
    /// Whether what it needs to run was taken by the one who cancels the task, and ends it. Written and read under the lock of `kept`.
    ends_by_cancel: AtomicBool,
    /// The runner's waker, for cancelling.
    runner: AtomicWaker,
    /// Whether others than the runner's thread may await it.
    shared: AtomicBool,
    mark: AtomicU64,
    reporting: Reporting<E>,
}

/// What lies with a task. A task is as small as it can be: a million of them may sleep.
struct Kept<Q> {
    /// What it needs to run, while it is queued. By itself, since it is there only until the task starts, and the rest as long
    /// as anybody knows the task.
    queued: Option<Box<Q>>,
    name: Option<Box<Arc<str>>>,
}

impl<T, E, Q> Handle<T, E, Q> {
    /// How many bytes a task takes, what its outcome points to not included: for those who tell a garbage collector.
    pub const FOOTPRINT: usize = size_of::<Shared<T, E, Q>>();

    /// A task that is queued: the handle for those who wait, the completer for the one who will run it.
    pub fn new(id: u64, reporting: Reporting<E>) -> (Self, Completer<T, E, Q>) {
        let shared = sync::Arc::new(Shared {
            id,
            status: AtomicU8::new(Status::Queued as u8),
            handles: AtomicUsize::new(1),
            seen: AtomicBool::new(false),
            outcome: OnceLock::new(),
            settled: AtomicBool::new(false),
            awaited: AtomicBool::new(false),
            ended: Event::new(),
            cancelled: OnceLock::new(),
            kept: Mutex::new(Kept { queued: None, name: None }),
            ends_by_cancel: AtomicBool::new(false),
            runner: AtomicWaker::new(),
            shared: AtomicBool::new(false),
            mark: AtomicU64::new(0),
            reporting,
        });
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
        if let Reporting::IfUnseen(report) = &self.shared.reporting {
            self.shared.report_once(report);
        }
    }

    /// Whether cancelling was asked for, whatever came of it.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.get().is_some()
    }
}

/// A task seen by somebody who looks in, without a part in it: a failure that nobody can await is reported all the same.
pub struct Watch<T, E, Q = ()> {
    shared: sync::Arc<Shared<T, E, Q>>,
}

impl<T, E, Q> Watch<T, E, Q> {
    /// The number the task was made with.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// Where the task stands.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The name somebody gave it.
    pub fn name(&self) -> Option<Arc<str>> {
        self.shared.name()
    }

    /// A handle of the task, also if there was none any more.
    pub fn handle(&self) -> Handle<T, E, Q> {
        self.shared.handles.fetch_add(1, Ordering::AcqRel);
        Handle { shared: sync::Arc::clone(&self.shared) }
    }
}

impl<T, E, Q> Clone for Watch<T, E, Q> {
    fn clone(&self) -> Self {
        Self { shared: sync::Arc::clone(&self.shared) }
    }
}

impl<T, E, Q> fmt::Debug for Watch<T, E, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("id", &self.id()).field("status", &self.status()).finish()
    }
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

    /// Ends the task.
    pub fn complete(self, outcome: Outcome<T, E>) {
        self.shared.complete(outcome, || {});
    }

    /// Ends the task, and does `then` once the outcome can be seen and before those who wait go on, woken or not: for
    /// counters that have to be right when a waiter looks at them, and which others wait for who then look at the task.
    pub fn complete_then(self, outcome: Outcome<T, E>, then: impl FnOnce()) {
        self.shared.complete(outcome, then);
    }
}

impl<T, E, Q> Shared<T, E, Q> {
    /// Ends a task that is cancelled before it started, if it is queued still.
    fn cancel_queued(&self)
    where
        Q: Queued,
    {
        let queued = {
            let mut kept = self.kept.lock();
            let queued = kept.queued.take();
            // From here on its end is ours to tell, also if its completer is dropped before that.
            if queued.is_some() {
                self.ends_by_cancel.store(true, Ordering::Relaxed);
            }
            queued
        };
        if let Some(queued) = queued {
            self.complete(Outcome::Cancelled(self.cancelled().flatten()), || queued.cancelled());
        }
    }

    /// The reason, if cancelling was asked for.
    fn cancelled(&self) -> Option<Option<Arc<str>>> {
        self.cancelled.get().map(|reason| reason.as_deref().cloned())
    }

    fn name(&self) -> Option<Arc<str>> {
        self.kept.lock().name.as_deref().cloned()
    }

    fn status(&self) -> Status {
        // Whoever has seen the outcome finds the task ended.
        match self.outcome.get() {
            Some(outcome) => outcome.status(),
            None => Status::from_u8(self.status.load(Ordering::Acquire)),
        }
    }

    fn complete(&self, outcome: Outcome<T, E>, then: impl FnOnce()) {
        let status = outcome.status();
        if self.outcome.set(outcome).is_err() {
            return;
        }
        then();
        self.settled.store(true, Ordering::Release);
        // With the fence in `Handle::drop`: of "store the outcome, look at the handles" here and "take a handle
        // away, look for the outcome" there, at least one sees what the other stored. Likewise in `Handle::wait`, with
        // "say that there is a waiter, look whether it is settled".
        fence(Ordering::SeqCst);
        if status == Status::Failed {
            match &self.reporting {
                Reporting::Never => {}
                Reporting::AtOnce(report) => self.report_once(report),
                Reporting::IfUnseen(report) if self.handles.load(Ordering::SeqCst) == 0 => {
                    self.report_once(report)
                }
                Reporting::IfUnseen(_) => {}
            }
        }
        if self.awaited.load(Ordering::SeqCst) {
            self.ended.notify(usize::MAX);
        }
    }

    fn report_once(&self, report: &Report<E>) {
        if let Some(Outcome::Failed(failure)) = self.outcome.get()
            && !self.seen.swap(true, Ordering::AcqRel)
        {
            report(failure);
        }
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
        if self.shared.handles.fetch_sub(1, Ordering::SeqCst) == 1
            && let Reporting::IfUnseen(report) = &self.shared.reporting
        {
            // See `Shared::complete`. If both see the other, `report_once` lets only one through.
            fence(Ordering::SeqCst);
            self.shared.report_once(report);
        }
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

impl<T, E, Q> fmt::Debug for Completer<T, E, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completer").field("id", &self.id()).finish_non_exhaustive()
    }
}
