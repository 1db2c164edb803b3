//! The end of a goroutine, be it its own or one that is made for it: who is told, and what it gives back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mlua::MultiValue;
use runtime_core::Outcome;

use super::{End, Task};
use crate::raw::protected_bare;

impl Task {
    /// Tells the end to everybody, and gives the slot back.
    pub(super) fn finish(&mut self, end: End, reusable: bool) {
        self.finished = true;
        self.wait = None;
        self.driven = None;
        let running = &self.running;
        let reusable = reusable && !running.exposed.get() && matches!(end, End::Done(_));
        if let Some(lent) = self.lent.take() {
            let state = &self.isolate.state;
            let mut lent = Some(lent);
            let _ = protected_bare(&self.isolate.lua, &mut |stack| {
                lent.take().into_iter().for_each(|lent| state.loaded().forget(stack, state, lent));
            });
        }
        // In LuaJIT all coroutines have the same hook, and so the next goroutine would have it on whatever coroutine.
        if let Some(interrupts) = self.isolate.state.interrupts()
            && (reusable || cfg!(feature = "luajit"))
        {
            self.coroutine.reset_hook(interrupts);
        }
        self.isolate.release(running.slot, reusable);
        if self.isolate.starved.replace(false) {
            // Lua does not collect by itself where a stack has no memory to grow: the next goroutine would fail, too.
            let state = &self.isolate.state;
            let _ = protected_bare(&self.isolate.lua, &mut |stack| state.loaded().let_go(stack, state));
            let _ = self.isolate.lua.gc_collect();
        }
        let outcome = match end {
            End::Done(packet) => Outcome::Done(packet),
            End::Failed(failure) => Outcome::Failed(Box::new(failure)),
            End::Cancelled => Outcome::Cancelled(running.cancel_reason()),
        };
        running.end(outcome, std::mem::take(&mut self.ties), self.member.take());
    }

    /// Stops a goroutine inside an async function of the embedder's: its `<close>` variables are closed, and nothing can be
    /// raised there. mlua keeps the function's future in Lua; it is dropped by the collection that is asked for here.
    pub(super) fn stop_driven(&mut self) -> (End, bool) {
        self.driven = None;
        self.isolate.collect_when_idle();
        self.stop()
    }

    /// Ends a cancelled goroutine where it is. Its `<close>` variables are closed, by functions that cannot wait here; one
    /// that computes for long is interrupted by an error.
    pub(super) fn stop(&mut self) -> (End, bool) {
        if let (Some(close), Ok(thread)) =
            (&self.isolate.close_coroutine, self.isolate.thread(self.running.slot))
        {
            let before = self.isolate.state.set_current(Some(Rc::clone(&self.running)));
            self.take_up();
            let entered = self
                .isolate
                .state
                .interrupts()
                .map(|interrupts| interrupts.enter(self.coroutine.as_ptr(), false));
            let closed = catch_unwind(AssertUnwindSafe(|| drop(close.call::<MultiValue>(thread))));
            if let (Some(interrupts), Some(entered)) = (self.isolate.state.interrupts(), entered) {
                interrupts.leave(entered);
            }
            self.put_down();
            self.isolate.state.set_current(before);
            drop(closed);
        }
        (End::Cancelled, false)
    }
}
