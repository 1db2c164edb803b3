//! [`Scope`]: goroutines that end together.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use runtime_core::{Status, WaitGroup};

use crate::goroutine::GoroutineHandle;
use crate::local::Flavour;

/// Goroutines of which the first error cancels the others, and that are all waited for: structured concurrency, as in
/// Trio's nurseries.
///
/// A child that ends takes itself off the list and out of the count, in this order; whoever waits is released by the
/// last, when the list is empty.
pub(crate) struct Scope {
    /// Where its children run.
    pub(crate) flavour: Flavour,
    members: Mutex<Members>,
    group: WaitGroup,
    /// The first that failed.
    failed: OnceLock<GoroutineHandle>,
    /// What is done once it is closed and all have ended, if somebody has to do it who is not waiting.
    at_end: Mutex<Option<AtEnd>>,
}

type AtEnd = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Members {
    handles: Vec<GoroutineHandle>,
    closed: bool,
    cancelled: bool,
}

/// A child's place in its scope. Dropped when the child has ended, or was never started.
pub(crate) struct Membership {
    scope: Arc<Scope>,
    handle: GoroutineHandle,
}

impl Membership {
    /// Tells the scope that its child has failed, before the child leaves it.
    pub(crate) fn note_failure(&self) {
        self.scope.note_failure(&self.handle);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.scope.child_ended(&self.handle);
    }
}

impl Scope {
    pub(crate) fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            members: Mutex::default(),
            group: WaitGroup::new(),
            failed: OnceLock::new(),
            at_end: Mutex::new(None),
        }
    }

    /// One that does `act` once it is closed and its last child has ended, be it that none ever ran.
    pub(crate) fn ending_with(flavour: Flavour, act: impl FnOnce() + Send + 'static) -> Self {
        let scope = Self::new(flavour);
        *scope.at_end.lock() = Some(Box::new(act));
        scope
    }

    /// Takes a child in, before it is started. `None` once the scope has ended.
    pub(crate) fn enter(self: &Arc<Self>, handle: &GoroutineHandle) -> Option<Membership> {
        let mut members = self.members.lock();
        if members.closed {
            return None;
        }
        members.handles.push(handle.clone());
        let _ = self.group.add(1);
        let cancelled = members.cancelled;
        drop(members);
        if cancelled {
            handle.cancel(Some("another goroutine of its scope failed"));
        }
        Some(Membership { scope: Arc::clone(self), handle: handle.clone() })
    }

    fn note_failure(&self, handle: &GoroutineHandle) {
        if handle.status() == Status::Failed && self.failed.set(handle.clone()).is_ok() {
            self.cancel("another goroutine of its scope failed");
        }
    }

    fn child_ended(&self, handle: &GoroutineHandle) {
        self.note_failure(handle);
        let (left, last) = {
            let mut members = self.members.lock();
            let at = members.handles.iter().position(|member| member == handle);
            let left = at.map(|at| members.handles.swap_remove(at));
            (left, members.closed && members.handles.is_empty())
        };
        if left.is_some() {
            let _ = self.group.done();
        }
        if last {
            self.end();
        }
    }

    /// Nothing is done at its end any more.
    pub(crate) fn disarm(&self) {
        let act = self.at_end.lock().take();
        drop(act);
    }

    fn end(&self) {
        let act = self.at_end.lock().take();
        if let Some(act) = act {
            act();
        }
    }

    /// Asks all children to stop, and those that are still to come.
    pub(crate) fn cancel(&self, reason: &str) {
        let handles = {
            let mut members = self.members.lock();
            members.cancelled = true;
            members.handles.clone()
        };
        for handle in handles {
            handle.cancel(Some(reason));
        }
    }

    /// Takes no more children.
    pub(crate) fn close(&self) {
        let mut members = self.members.lock();
        members.closed = true;
        let empty = members.handles.is_empty();
        drop(members);
        if empty {
            self.end();
        }
    }

    pub(crate) fn group(&self) -> &WaitGroup {
        &self.group
    }

    /// The first child that failed.
    pub(crate) fn failed(&self) -> Option<&GoroutineHandle> {
        self.failed.get()
    }
}
