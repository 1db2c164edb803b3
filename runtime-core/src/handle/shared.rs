//! What handle and completer of a task share, and how it ends.

use std::sync::Arc;

use event_listener::Event;

use super::{Queued, Report, Reporting};
use crate::outcome::{Outcome, Status};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence};
use crate::sync::{AtomicWaker, Mutex, OnceLock};

pub(super) struct Shared<T, E, Q> {
    pub(super) id: u64,
    /// `Queued`, `Running` or `Waiting`, as long as there is no outcome.
    pub(super) status: AtomicU8,
    /// Handles alive; the completer is not one.
    pub(super) handles: AtomicUsize,
    /// Whether somebody has seen the outcome, or it has been reported.
    pub(super) seen: AtomicBool,
    pub(super) outcome: OnceLock<Outcome<T, E>>,
    /// Whether those who hear of the end first have: from now on nobody waits any more.
    pub(super) settled: AtomicBool,
    /// Whether anybody has ever waited: most tasks end before that, and then the event is not touched.
    pub(super) awaited: AtomicBool,
    pub(super) ended: Event,
    /// Set when it is cancelled, with the reason. In a box, as few have one.
    pub(super) cancelled: OnceLock<Option<Box<Arc<str>>>>,
    pub(super) kept: Mutex<Kept<Q>>,
    /// Whether what it needs to run was taken by the one who cancels the task, and ends it. Written and read under the lock of `kept`.
    pub(super) ends_by_cancel: AtomicBool,
    /// The runner's waker, for cancelling.
    pub(super) runner: AtomicWaker,
    /// Whether others than the runner's thread may await it.
    pub(super) shared: AtomicBool,
    pub(super) mark: AtomicU64,
    /// Who is told of a failure, if anybody is.
    pub(super) report: Option<Report<E>>,
    /// Whether that is as soon as the task fails, or once nobody can await it any more ([`Reporting`]).
    pub(super) reports_at_once: bool,
}

/// What lies with a task. A task is as small as it can be: a million of them may sleep.
pub(super) struct Kept<Q> {
    /// What it needs to run, while it is queued. By itself, since it is there only until the task starts, and the rest as long
    /// as anybody knows the task.
    pub(super) queued: Option<Box<Q>>,
    pub(super) name: Option<Box<Arc<str>>>,
}

impl<T, E, Q> Shared<T, E, Q> {
    /// A task that is queued, and has one handle.
    pub(super) fn new(id: u64, reporting: Reporting<E>) -> Self {
        let (report, reports_at_once) = reporting.into_parts();
        Self {
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
            report,
            reports_at_once,
        }
    }

    /// Ends a task that is cancelled before it started, if it is queued still.
    pub(super) fn cancel_queued(&self)
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
    pub(super) fn cancelled(&self) -> Option<Option<Arc<str>>> {
        self.cancelled.get().map(|reason| reason.as_deref().cloned())
    }

    pub(super) fn name(&self) -> Option<Arc<str>> {
        self.kept.lock().name.as_deref().cloned()
    }

    pub(super) fn status(&self) -> Status {
        // Whoever has seen the outcome finds the task ended.
        match self.outcome.get() {
            Some(outcome) => outcome.status(),
            None => Status::from_u8(self.status.load(Ordering::Acquire)),
        }
    }

    pub(super) fn complete(&self, outcome: Outcome<T, E>, then: impl FnOnce()) {
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
        if status == Status::Failed && (self.reports_at_once || self.handles.load(Ordering::SeqCst) == 0) {
            self.report_once();
        }
        if self.awaited.load(Ordering::SeqCst) {
            self.ended.notify(usize::MAX);
        }
    }

    /// Reports a failure that nobody has seen, if failures are reported that way and nobody can see it any more.
    pub(super) fn report_unseen(&self) {
        if !self.reports_at_once {
            self.report_once();
        }
    }

    fn report_once(&self) {
        if let Some(report) = self.report
            && let Some(Outcome::Failed(failure)) = self.outcome.get()
            && !self.seen.swap(true, Ordering::AcqRel)
        {
            report(failure);
        }
    }
}
