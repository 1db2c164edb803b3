//! What the embedder does with a home state that can be interrupted, see [`crate::local`].

use std::rc::Rc;

use mlua::Lua;

use super::embedded::not_installed;
use crate::interrupt::Interrupts;
use crate::local::StartedAs;
use crate::raw;
use crate::state::State;

/// Calls `script` in a state that can be interrupted meanwhile.
pub(crate) fn interruptible<R>(lua: &Lua, script: impl FnOnce() -> R) -> mlua::Result<R> {
    let state = super::state(lua).ok_or_else(not_installed)?;
    let interrupts = begin(lua, &state)?;
    let before = interrupts.begin_turn(raw::running(lua).as_ptr());
    let result = script();
    interrupts.end_turn(before);
    Ok(result)
}

fn begin<'a>(lua: &Lua, state: &'a Rc<State>) -> mlua::Result<&'a Interrupts> {
    if state.interrupts().is_none() {
        raw::anchor(lua, state)?;
        state.system.watch_home()?;
        let interrupts = Interrupts::begin_at_home(&state.system.monitor);
        raw::prepare_home(lua, &interrupts);
        state.set_interrupts(interrupts);
    }
    state.interrupts().ok_or_else(|| mlua::Error::runtime("the state cannot be interrupted"))
}

/// The running goroutine, one of `goroutine.local` in a state that is [interruptible](crate::Goroutines::interruptible), ends when it is
/// cancelled also while it computes. (Others do when they block.)
pub fn interrupt_when_cancelled(lua: &Lua) {
    if let Some(running) = super::state(lua).and_then(|state| state.current()) {
        running.interruptible.set(true);
    }
}

/// The goroutine that is started next by `goroutine.local` in this state is started so. For Lua code of the embedder's, which starts
/// it right after that.
pub fn start_next_as(lua: &Lua, started: StartedAs) {
    if let Some(state) = super::state(lua)
        && let Some(local) = state.local()
    {
        local.start_next_as(started);
    }
}

/// Ends what a goroutine of `goroutine.local` waits for, if it was cancelled: at once, also while another one computes and this one
/// cannot have its turn. What it waits for is dropped; it gets the error when its turn comes. Says whether that is before anything else
/// runs of the script's: `false` if another one computes just now.
pub fn end_wait(lua: &Lua, goroutine: u64) -> bool {
    match super::state(lua) {
        Some(state) => state.local().is_none_or(|local| local.end_wait(&state, goroutine)),
        None => true,
    }
}
