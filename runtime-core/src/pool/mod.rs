//! [`Pool`]: how many tasks run at once, and how many may wait for it.
//!
//! A pool admits; it runs nothing itself. It gives a [`Task`] its [`Slot`] and calls [`Task::start`]; whoever runs the
//! task gives the slot back, and with that, on the same thread, the next task is started.
//!
//! **The lock** is one, and short: no task, waker or canceller is called or dropped under it. What a move under it
//! has decided (this task now has that slot) is carried out after it, by the thread that made the move. So tasks
//! leave the queue strictly in order, while two threads may call the `start` of two tasks the other way round.

mod idle;
mod launch;
mod slot;
mod state;
mod submit;
mod task;

use std::fmt;
use std::future::Future;
use std::sync::Arc as StdArc;
use std::time::Instant;

use crate::backend::Backend;
use crate::pool_stats::PoolStats;
use crate::sync::{Arc, Mutex};

use idle::Idle;
use launch::contained;
pub use slot::{Slot, SlotId};
use state::{Admission, After, Offered, Released, State};
pub use submit::Submit;
pub use task::{Cancel, Ended, SubmitError, SubmitErrorKind, Task, TaskId};

/// What to do with a task that finds the queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnFull {
    /// Wait for room: back-pressure.
    #[default]
    Block,
    /// Refuse it.
    Error,
}

/// How to close a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Close {
    /// Finish all that was accepted.
    Finish,
    /// Drop what is queued, and ask what runs to stop.
    Cancel,
}

/// How a pool is made.
///
/// ```
/// # use runtime_core::PoolOptions;
/// let mut options = PoolOptions::default();
/// options.workers = 2;
/// assert_eq!((options.queue, options.priority), (None, false));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolOptions {
    /// How many tasks run at once: 4 unless set, and never less than 1.
    pub workers: usize,
    /// How many tasks may wait: twice the workers unless set. With 0 a task is accepted only if a slot is free.
    ///
    /// Where a stream of short tasks is submitted, this is how many tasks share one wake-up of the submitter, at best.
    pub queue: Option<usize>,
    /// What to do with a task that finds the queue full.
    pub on_full: OnFull,
    /// Whether the priority of a submit counts.
    pub priority: bool,
    /// For whoever makes pools of several kinds, to tell them apart: [`Pool::kind`]. 0 unless set.
    pub kind: u8,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self { workers: 4, queue: None, on_full: OnFull::Block, priority: false, kind: 0 }
    }
}

/// Runs at most so many tasks at once, lets at most so many wait, and knows what became of all. Clones are the
/// same pool.
///
/// **Order.** Tasks are taken from the queue as they came; with [`PoolOptions::priority`] the highest priority first,
/// and as they came among equals. Submits that wait for room are let in in the same order. One of them that
/// outranks the whole queue is started before it.
///
/// **Who wakes whom.** A task that ends gives its slot to the next in the queue and the room there to the first submit
/// that waits, which it wakes; the last one wakes those in [`wait`](Self::wait). Closing wakes every submit that waits.
///
/// **Deadlock.** A task that submits to its own pool should say so (`inside`): if it were the last one to wait for room
/// that only tasks of the pool can make, it is refused instead. Tasks of two pools that wait for each other's are not found out.
///
/// **Nothing accepted is lost**, also when the last clone of the pool is dropped: what is queued keeps it going.
///
/// ```
/// # use std::sync::Arc;
/// # use runtime_core::{Close, Ended, Pool, PoolOptions, Slot, Task, block_on, testing::BareBackend};
/// struct Job(fn());
///
/// impl Task for Job {
///     type Canceller = ();
///     fn canceller(&self) {}
///     fn start(self, mut slot: Slot<Self>) {
///         std::thread::spawn(move || {
///             slot.begin();
///             (self.0)();
///             slot.finish(Ended::Completed);
///         });
///     }
///     fn dropped(self) {}
/// }
///
/// let backend = BareBackend::new();
/// let pool = Pool::new("sums", PoolOptions::default(), Arc::new(backend));
/// block_on(&backend, async {
///     for _ in 0..20 {
///         pool.submit(Job(|| assert_eq!(1 + 1, 2)), 0, None).await?;
///     }
///     pool.close(Close::Finish).await;
///     Ok::<(), runtime_core::SubmitError<Job>>(())
/// })?;
/// assert_eq!(pool.stats().completed, 20);
/// # Ok::<(), runtime_core::SubmitError<Job>>(())
/// ```
pub struct Pool<T: Task> {
    shared: Arc<Shared<T>>,
}

/// The options, settled.
#[derive(Clone, Copy)]
struct Limits {
    workers: usize,
    queue: usize,
    on_full: OnFull,
    priority: bool,
    kind: u8,
}

struct Shared<T: Task> {
    name: StdArc<str>,
    limits: Limits,
    backend: StdArc<dyn Backend>,
    state: Mutex<State<T>>,
}

impl<T: Task> Pool<T> {
    /// A pool with nothing in it. `backend` gives the time for the statistics.
    pub fn new(name: &str, options: PoolOptions, backend: StdArc<dyn Backend>) -> Self {
        let workers = options.workers.max(1);
        let limits = Limits {
            workers,
            queue: options.queue.unwrap_or(workers.saturating_mul(2)),
            on_full: options.on_full,
            priority: options.priority,
            kind: options.kind,
        };
        let state = Mutex::new(State::new(limits, backend.now()));
        Self { shared: Arc::new(Shared { name: StdArc::from(name), limits, backend, state }) }
    }

    /// The name it was made with.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Whether priorities count: [`PoolOptions::priority`].
    pub fn has_priority(&self) -> bool {
        self.shared.limits.priority
    }

    /// What [`PoolOptions::kind`] was.
    pub fn kind(&self) -> u8 {
        self.shared.limits.kind
    }

    /// Submits a task if it can be accepted at once, whatever [`PoolOptions::on_full`] says.
    ///
    /// # Errors
    /// [`Full`](SubmitErrorKind::Full) and [`Closed`](SubmitErrorKind::Closed) give the task back.
    pub fn try_submit(&self, task: T, priority: i64) -> Result<TaskId, SubmitError<T>> {
        let now = self.now();
        let offered = Offered::new(task);
        let mut state = self.shared.state.lock();
        let admission = state.admit(offered, self.rank(priority), now);
        if matches!(admission, Admission::Refused(..)) {
            state.counts.rejected += 1;
        }
        drop(state);
        self.settle(admission)
    }

    /// Submits a task, waiting for room if the pool was made so. The future tries when it is first polled.
    ///
    /// `inside` is the slot of the task that submits, if a task does: see "Deadlock" above. The errors are those of
    /// [`try_submit`](Self::try_submit), `Full` only with [`OnFull::Error`], and
    /// [`WouldDeadlock`](SubmitErrorKind::WouldDeadlock).
    pub fn submit(&self, task: T, priority: i64, inside: Option<SlotId>) -> Submit<T> {
        Submit::new(self.clone(), task, self.rank(priority), inside)
    }

    /// A future that is ready once nothing was queued and nothing active at some instant after this call; submits
    /// that wait do not count. The pool can be used on, and waited for again.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + 'static + use<T> {
        Idle::new(self.clone())
    }

    /// Closes the pool, now: tasks are refused from this call on, and submits that wait get theirs back. The future
    /// is ready once nothing is queued and nothing active.
    ///
    /// A cancelling close calls [`Cancel::cancel`] for all tasks that hold a slot, and [`Task::dropped`] for all others,
    /// before it returns. A pool may be closed again, by others who then wait as well, and to cancel what it was finishing.
    pub fn close(&self, mode: Close) -> impl Future<Output = ()> + Send + 'static + use<T> {
        let mut after = After::new();
        let (cancellers, dropped) = self.shared.state.lock().close(mode, &mut after);
        self.follow(after);
        for canceller in cancellers {
            contained(|| canceller.cancel());
        }
        let count = dropped.len();
        for offered in dropped {
            contained(|| offered.task.dropped());
        }
        if count > 0 {
            // Only now, so that who waits for the pool finds every task told.
            let mut after = After::new();
            self.shared.state.lock().dropped(count, &mut after);
            self.follow(after);
        }
        Idle::new(self.clone())
    }

    /// Takes the task with this [`key`](Task::key) out of the queue, counts it as cancelled and gives it back. The caller tells
    /// those who wait for the task, before this call if they have to know before those who wait for the pool.
    ///
    /// `None` if it is not in the queue: it has been launched, or is not accepted yet.
    pub fn withdraw(&self, key: u64) -> Option<T> {
        let now = self.now();
        let mut after = After::new();
        let withdrawn = self.shared.state.lock().withdraw(key, now, &mut after.wakers);
        self.follow(after);
        withdrawn.map(|offered| offered.task)
    }

    /// Whether it has been closed, finished or not.
    pub fn is_closed(&self) -> bool {
        self.shared.state.lock().is_closed()
    }

    /// What it has done so far.
    pub fn stats(&self) -> PoolStats {
        let now = self.now();
        let mut state = self.shared.state.lock();
        let (active, queued, counts) = (state.active(), state.queued(), state.counts);
        state.usage.advance(now, active);
        let (usage, wait, run) = (state.usage, state.wait.clone(), state.run.clone());
        drop(state);
        let workers = self.shared.limits.workers;
        PoolStats {
            name: StdArc::clone(&self.shared.name),
            workers,
            active,
            queued,
            completed: counts.completed,
            failed: counts.failed,
            rejected: counts.rejected,
            cancelled: counts.cancelled,
            submitted: counts.submitted,
            wait_ms: wait.percentiles(),
            run_ms: run.percentiles(),
            utilisation: usage.utilisation(workers),
        }
    }

    /// Whether both are the same pool.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// An address that is this pool's alone while any clone of it lives.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as *const () as usize
    }

    fn now(&self) -> Instant {
        self.shared.backend.now()
    }

    fn rank(&self, priority: i64) -> i64 {
        if self.shared.limits.priority { priority } else { 0 }
    }

    /// Carries out what [`State::admit`] has decided.
    fn settle(&self, admission: Admission<T>) -> Result<TaskId, SubmitError<T>> {
        match admission {
            Admission::Queued(id) => Ok(id),
            Admission::Launched(launch) => {
                let id = launch.slot.task;
                self.launch(launch);
                Ok(id)
            }
            Admission::Refused(kind, offered) => Err(self.refusal(kind, offered.task)),
        }
    }

    fn refusal(&self, kind: SubmitErrorKind, task: T) -> SubmitError<T> {
        SubmitError {
            kind,
            task,
            pool: StdArc::clone(&self.shared.name),
            workers: self.shared.limits.workers,
            queue: self.shared.limits.queue,
        }
    }

    fn release(&self, released: Released) {
        let mut after = After::new();
        self.shared.state.lock().release(released, &mut after);
        self.follow(after);
    }

    fn follow(&self, after: After<T>) {
        let After { wakers, launch, unused } = after;
        drop(unused);
        wakers.wake();
        if let Some(launch) = launch {
            self.launch(launch);
        }
    }
}

impl<T: Task> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Task> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name())
            .field("workers", &self.shared.limits.workers)
            .field("queue", &self.shared.limits.queue)
            .finish_non_exhaustive()
    }
}
