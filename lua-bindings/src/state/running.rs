//! The running goroutine: whose code it is that calls, what it has started and locked, and what cancelling makes of it.

use std::rc::Rc;
use std::time::Instant;

use runtime_core::locks::Holder;

use super::{Role, State};
use crate::api::CancelledObject;
use crate::goroutine::Running;
use crate::interrupt::Interrupts;
use crate::local::Local;
use crate::object::Object;
use crate::origin::Children;
use crate::raw::Stack;

/// What becomes of a goroutine that is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on: no goroutine runs.
    Nothing,
    /// Its neighbours have a turn.
    Yield,
    /// It gets the error of a cancelled goroutine.
    Raise,
    /// It has had that error, and the time to unwind: it ends here.
    Stop,
}

impl State {
    pub(crate) fn current(&self) -> Option<Rc<Running>> {
        self.current.borrow().clone()
    }

    /// Whether the running goroutine was asked to stop: then its blocking calls raise, also where they need not wait.
    pub(crate) fn must_stop(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|running| running.must_stop(|| self.now()))
    }

    /// Whether the running goroutine was asked to stop, also while it unwinds.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|running| running.is_cancelled())
    }

    pub(crate) fn now(&self) -> Instant {
        self.system.backend.now()
    }

    /// How goroutines are interrupted here; `None` at home.
    pub(crate) fn interrupts(&self) -> Option<&Interrupts> {
        self.interrupts.get()
    }

    pub(crate) fn set_interrupts(&self, interrupts: Interrupts) {
        let _ = self.interrupts.set(interrupts);
    }

    /// The scheduler of the goroutines that run in this state, if it is home and has some.
    pub(crate) fn local(&self) -> Option<&Local> {
        self.local.get()
    }

    pub(crate) fn set_local(&self, local: Local) {
        let _ = self.local.set(local);
    }

    /// The running goroutine, if it is one of an isolate: those have globals and classes of their own.
    pub(super) fn apart(&self) -> Option<Rc<Running>> {
        if self.role == Role::Home { None } else { self.current() }
    }

    /// What becomes of the running goroutine, which is being interrupted.
    pub(crate) fn interrupted(&self) -> Verdict {
        let current = self.current.borrow();
        match &*current {
            None => Verdict::Nothing,
            Some(running) if !running.is_cancelled() => Verdict::Yield,
            Some(running) if running.is_overdue(self.now()) => Verdict::Stop,
            Some(running) if running.must_stop(|| self.now()) => Verdict::Raise,
            Some(_) => Verdict::Yield,
        }
    }

    /// The running goroutine, which yields just now, does not go on.
    pub(crate) fn stop_running(&self) {
        if let Some(running) = &*self.current.borrow() {
            running.stop_here();
        }
    }

    /// Pushes the error of a cancelled goroutine, which is raised now.
    pub(crate) fn push_cancelled(&self, stack: &mut Stack<'_>) {
        Object::Cancelled(self.cancelled_object()).push(stack, self);
    }

    /// The error is raised again in the running goroutine, which had caught it on its way.
    pub(crate) fn raising_cancelled(&self) {
        if let Some(running) = &*self.current.borrow()
            && running.is_cancelled()
        {
            running.raising(self.now());
        }
    }

    /// The running goroutine has caught the error: it comes again at its next wait.
    pub(crate) fn caught_cancelled(&self) {
        if let Some(running) = &*self.current.borrow() {
            running.caught();
        }
    }

    /// Makes `running` the running goroutine, and returns the one that was.
    pub(crate) fn set_current(&self, running: Option<Rc<Running>>) -> Option<Rc<Running>> {
        self.current.replace(running)
    }

    /// What is known of the goroutines that the running goroutine, or the home state, has started.
    pub(crate) fn with_children<R>(&self, act: impl FnOnce(&Children) -> R) -> R {
        match &*self.current.borrow() {
            Some(running) => act(running.rare().children.get_or_init(|| Children::of(running.root))),
            None => act(&self.children),
        }
    }

    /// Does something as the one who holds what the running goroutine locks, or the code outside goroutines.
    pub(crate) fn as_holder<R>(&self, act: impl FnOnce(&Holder) -> R) -> R {
        // Not under the borrow: what is locked or unlocked here may wake and drop others.
        match self.current() {
            Some(running) => act(running.rare().holder.get_or_init(Holder::new)),
            None => act(self.holder.get_or_init(Holder::new)),
        }
    }

    /// Who stores what is stored now: the number of the running goroutine, or one that the code outside goroutines has.
    pub(crate) fn writer(&self) -> u64 {
        match &*self.current.borrow() {
            Some(running) => running.id(),
            None => *self.number.get_or_init(runtime_core::next_id),
        }
    }

    /// The error that the running goroutine gets once it was cancelled. It is raised now.
    pub(super) fn cancelled_object(&self) -> CancelledObject {
        match &*self.current.borrow() {
            Some(running) => {
                running.raising(self.now());
                CancelledObject::new(running.cancel_reason())
            }
            None => CancelledObject::new(None),
        }
    }
}
