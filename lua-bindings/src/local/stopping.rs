//! How a goroutine of the home state that was cancelled is ended where it is, if it does not end by itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mlua::MultiValue;

use super::Local;
use super::goroutine::{End, Goroutine};
use crate::goroutine::Reply;
use crate::state::State;

/// How often a goroutine whose time to unwind is over still gets the error: functions that close variables, one after another, may each
/// be in a wait.
const TOLD: u8 = 100;

impl Goroutine {
    /// Whether it was told often enough that it is cancelled, after its time to unwind was over, and goes on waiting: by `pcall` in a loop,
    /// say. Nothing interrupts it there as in an isolate, so it ends at such a wait.
    pub(super) fn goes_on_in_vain(&mut self, state: &State, reply: &Reply) -> bool {
        if !matches!(reply, Reply::Cancelled) || !self.running.is_overdue(state.now()) {
            return false;
        }
        self.told += 1;
        self.told > TOLD
    }

    /// Stops a goroutine inside an async function of the embedder's, where nothing can be raised.
    pub(super) fn stop_driven(&mut self, local: &Local, state: &Rc<State>) -> End {
        self.driven = None;
        self.awaits_outside = None;
        self.stop(local, state)
    }

    /// Ends a cancelled goroutine where it is. Its `<close>` variables are closed, by functions that cannot wait here.
    pub(super) fn stop(&self, local: &Local, state: &Rc<State>) -> End {
        if let (Some(close), Ok(thread)) = (&local.close_coroutine, local.thread(state, self.running.slot)) {
            let running = Rc::clone(&self.running);
            let closed = local.as_running(state, &running, self.coroutine, || {
                catch_unwind(AssertUnwindSafe(|| drop(close.call::<MultiValue>(thread))))
            });
            drop(closed);
        }
        End::Cancelled
    }
}
