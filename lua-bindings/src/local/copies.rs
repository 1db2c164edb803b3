//! Copies of what goroutines of a home state have come to, for those who await them in other states.

use mlua::Lua;
use runtime_core::Outcome;

use super::{Kept, Local};
use crate::goroutine::GoroutineHandle;
use crate::object::Object;
use crate::packet::{self, Packet, Roots};
use crate::raw::protected;
use crate::state::State;

impl Local {
    /// A handle goes to another state: what its goroutine has come to, or will, has to be there as a copy.
    pub(crate) fn share(&self, lua: &Lua, state: &State, handle: &GoroutineHandle) {
        handle.share();
        self.to_copy.borrow_mut().push(handle.clone());
        // A copy may have handles in it, whose copies are made after it.
        if self.copying.replace(true) {
            return;
        }
        while let Some(handle) = { self.to_copy.borrow_mut().pop() } {
            if !handle.status().is_ended() {
                continue;
            }
            match handle.peek() {
                Some(Outcome::Done(Packet::Kept(kept))) => self.copy_results(lua, state, kept),
                Some(Outcome::Failed(failure)) => {
                    if let Packet::Kept(kept) = &failure.error {
                        self.copy_error(lua, state, kept);
                    }
                }
                _ => {}
            }
        }
        self.copying.set(false);
    }

    /// Makes the copy of results for other states, if they are of this one and have none.
    pub(super) fn copy_results(&self, lua: &Lua, state: &State, kept: &Kept) {
        if self.lacks_copy(kept) {
            kept.set_copy(self.copy(lua, state, kept, Roots::Values("result")));
        }
    }

    /// The same for an error. In the place of one that cannot be copied there is a text that says why.
    pub(super) fn copy_error(&self, lua: &Lua, state: &State, kept: &Kept) {
        if self.lacks_copy(kept) {
            let copied = self.copy(lua, state, kept, Roots::Values("error"));
            kept.set_copy(Ok(copied.unwrap_or_else(|why| Packet::text(&why))));
        }
    }

    fn lacks_copy(&self, kept: &Kept) -> bool {
        self.has(kept) && kept.copy().is_none()
    }

    fn copy(&self, lua: &Lua, state: &State, kept: &Kept, roots: Roots) -> Result<Packet, String> {
        let values = protected(lua, (), |stack| {
            let _ = self.push_kept(stack, kept);
        });
        let values = values.map_err(|error| crate::fault::text(&error))?;
        packet::encode(lua, state, values, roots).map_err(|why| why.to_string())
    }
}

impl State {
    /// An object goes to another state.
    pub(crate) fn share(&self, object: &Object) {
        if let (Object::Handle(handle), Some(local), Some(lua)) = (object, self.local(), self.lua()) {
            local.share(&lua, self, &handle.0);
        }
    }
}
