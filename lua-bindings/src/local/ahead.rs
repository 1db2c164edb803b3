//! What an embedder may have while a goroutine of `goroutine.local` computes: interrupts of the home state, and goroutines of its own
//! that go ahead of the script's.
//!
//! To a script nothing changes: from one of its blocking calls to the next a goroutine is alone with the script's variables. But
//! every 10 ms of computing or so Lua calls our hook in the midst of it (see [`crate::interrupt`]), and there
//!
//! - those who look in get their answer;
//! - goroutines that were [started](StartedAs) to go `ahead` have their turns. They are the embedder's own, and must touch nothing of
//!   the script's; they wait as any goroutine does, and their turns come before those of others at all times;
//! - a goroutine that is [interruptible](crate::interrupt_when_cancelled) and was cancelled gets the error of that. One that
//!   has caught it gets it again, after a second at every instruction, so that nothing but its `<close>` variables runs for longer;
//! - once the runtime was interrupted, the script itself gets the error `interrupted`, and all goroutines that of being cancelled.
//!
//! **Who waits for whom.** The goroutine that computes waits for the turns that are given within it, which end with the first wait
//! of whoever has one. No hook runs in them that would give others, so there is one such level. What another goroutine of the script's
//! is woken for stays in the queue until the one that computes has ended or waits: of a wait that is to end before, the embedder lets
//! go by [`end_wait`](Local::end_wait).
//!
//! **What is not reached.** Lua calls no hooks in finalizers, in functions that a hook has called, and so in the message handler of an
//! `xpcall` that our error passes; C functions know of none.

use std::rc::Rc;
use std::sync::Arc;

use mlua::Lua;

use super::Local;
use crate::goroutine::Running;
use crate::raw::{protected_bare, running};
use crate::state::{State, Verdict};
use crate::system::Ending;

/// How a goroutine of `goroutine.local` is started by an embedder's own code, see [`start_next_as`](crate::start_next_as).
#[derive(Clone, Debug, Default)]
pub struct StartedAs {
    /// What is told as the place where it was started.
    pub place: Option<Arc<str>>,
    /// Whether its turns come before those of others, also while one of those computes in a state that is
    /// [interruptible](crate::Goroutines::interruptible). Then it must touch nothing of the script's.
    pub ahead: bool,
    /// Whether it counts as one that the home state has started, whoever does: it is the [root](crate::root_id) of itself and of what
    /// it starts, and no child of the goroutine that starts it.
    pub by_home: bool,
}

/// What becomes of what computes in a home state, after an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtHome {
    GoesOn,
    /// It gets the error of a cancelled goroutine.
    Cancelled,
    /// The same, and again at the next instruction.
    Stopped,
    /// The script itself gets the error `interrupted`.
    Interrupted,
}

impl State {
    /// Whether cancelling ends this goroutine while it computes: also when the program is about to end.
    pub(crate) fn may_be_stopped(&self, running: &Running) -> bool {
        running.interruptible.get() || self.system.ending() == Ending::Interrupt && !running.ahead.get()
    }

    /// Calls functions of the running goroutine's, whose own coroutine has ended, on the stack of whoever runs it. They may compute.
    pub(super) fn on_this_stack<T>(&self, lua: &Lua, act: impl FnOnce() -> T) -> T {
        let Some(interrupts) = self.interrupts() else { return act() };
        let entered = interrupts.enter(running(lua).as_ptr(), false);
        let done = act();
        interrupts.leave(entered);
        done
    }

    /// What computes in this home state is being interrupted: does what is due meanwhile.
    pub(crate) fn interrupted_at_home(self: &Rc<Self>) -> AtHome {
        let (local, current) = (self.local(), self.current());
        if let (Some(local), Some(lua)) = (local, self.lua()) {
            local.answer_if_asked(&lua, self);
            if self.system.is_closing() {
                local.cancel_for_closing();
                if let Some(running) = &current {
                    running.completer.handle().cancel(Some("shutdown"));
                }
            }
            if current.as_ref().is_some_and(|running| !running.ahead.get()) {
                local.give_ahead(&lua, self);
            }
        }
        match current {
            None if self.system.ending() == Ending::Interrupt => AtHome::Interrupted,
            Some(running) if self.may_be_stopped(&running) => match self.interrupted() {
                Verdict::Raise => AtHome::Cancelled,
                Verdict::Stop => AtHome::Stopped,
                Verdict::Nothing | Verdict::Yield => AtHome::GoesOn,
            },
            _ => AtHome::GoesOn,
        }
    }
}

impl Local {
    /// Gives those that go ahead their turns, within that of the goroutine that computes.
    fn give_ahead(&self, lua: &Lua, state: &Rc<State>) {
        let before = self.within.replace(true);
        let mut ran = false;
        while let Some(turn) = self.post.take_ahead() {
            ran = true;
            self.give(lua, state, turn);
        }
        if ran {
            let _ = protected_bare(lua, &mut |stack| self.sweep(stack));
        }
        self.within.set(before);
    }

    /// What holds for the goroutine that is started next, for the one who starts it.
    pub(crate) fn start_next_as(&self, started: StartedAs) {
        self.next_start.replace(Some(started));
    }

    /// What holds for the goroutine that is being started.
    pub(crate) fn take_next_start(&self) -> StartedAs {
        self.next_start.take().unwrap_or_default()
    }

    /// Ends what a cancelled goroutine waits for. Whether its turn comes before anything else of the script's runs: not if another one
    /// of the script's computes.
    pub(crate) fn end_wait(&self, state: &State, id: u64) -> bool {
        let found = {
            let mut parked = self.parked.borrow_mut();
            parked.iter_mut().find_map(|place| place.take_if(|one| one.is(id)))
        };
        // Not under the borrow: what it waited for is dropped.
        if let Some(mut goroutine) = found {
            goroutine.end_wait(self, state);
            let slot = goroutine.slot();
            self.parked.borrow_mut()[slot] = Some(goroutine);
        }
        !self.within.get()
    }
}
