//! What a pool is given to run, and how it is refused.

use std::fmt;
use std::sync::Arc;

use super::slot::Slot;

/// Something a pool can run.
///
/// Of every task that a pool accepts exactly one of [`start`](Self::start) and [`dropped`](Self::dropped) is called,
/// once, unless it is withdrawn. Neither is called under a lock, and both may use the pool. A panic in them goes no further than the panic
/// hook: if `start` panics, its slot has been dropped with it, and the task counts as failed.
pub trait Task: Sized + Send + 'static {
    /// What asks a task of this kind to stop; `()` where nothing can.
    type Canceller: Cancel;

    /// What to call should this task be asked to stop. Taken when the task is submitted, used at most once.
    fn canceller(&self) -> Self::Canceller;

    /// By what the pool finds it in its queue for [`Pool::withdraw`](super::Pool::withdraw), if it can: unique among its
    /// tasks. Asked for when the task is submitted.
    fn key(&self) -> Option<u64> {
        None
    }

    /// A slot is free: runs the task, that is, hands it and its slot to an executor, and returns at once. It is called
    /// on the thread that made the slot free, or submitted the task.
    ///
    /// It may also end the task right here; tasks in thousands that do so need no deeper stack than one.
    fn start(self, slot: Slot<Self>);

    /// A cancelling close took it out of the queue: it will not be started. Says so to those who wait for it.
    fn dropped(self);
}

/// Asks a task that holds a slot to stop. It may come before [`Task::start`] has been called: the task should then
/// stop as it starts.
pub trait Cancel: Send + 'static {
    /// Asks. Called without a lock held; must return at once.
    fn cancel(&self);
}

impl Cancel for () {
    fn cancel(&self) {}
}

impl<C: Cancel + Sync + ?Sized> Cancel for Arc<C> {
    fn cancel(&self) {
        (**self).cancel();
    }
}

/// The number of a task that a pool has accepted, unique in the process. It displays as `task-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u64);

impl TaskId {
    pub(super) fn next() -> Self {
        Self(crate::next_id())
    }

    /// The bare number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task-{}", self.0)
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Well.
    Completed,
    /// With an error.
    Failed,
    /// It was asked to stop, and did.
    Cancelled,
}

/// Why a task was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SubmitErrorKind {
    /// The queue is full, and the pool, or the call, does not wait.
    #[error("pool queue is full")]
    Full,
    /// The pool is closed, or was while the submit waited.
    #[error("pool is closed")]
    Closed,
    /// Every worker would wait to submit to its own pool's full queue, for ever.
    #[error("pool would deadlock")]
    WouldDeadlock,
}

/// A task was refused. It comes back.
pub struct SubmitError<T> {
    /// Why.
    pub kind: SubmitErrorKind,
    /// The task.
    pub task: T,
    pub(super) pool: Arc<str>,
    pub(super) workers: usize,
    pub(super) queue: usize,
}

impl<T> fmt::Display for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, pool, workers, queue, .. } = self;
        match kind {
            SubmitErrorKind::Full | SubmitErrorKind::Closed => kind.fmt(f),
            SubmitErrorKind::WouldDeadlock => write!(
                f,
                "pool '{pool}' would deadlock: with this one, each of its workers ({workers}) runs a task that waits \
                 to submit to its full queue ({queue}): raise `queue` or `workers`, or submit from outside the pool"
            ),
        }
    }
}

impl<T> fmt::Debug for SubmitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError")
            .field("kind", &self.kind)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl<T> std::error::Error for SubmitError<T> {}
