//! What a goroutine has for itself: its globals, and its classes.

use mlua::{Lua, Table};
use rustc_hash::FxHashMap;

use super::{State, vital};
use crate::raw::Stack;

impl State {
    /// Pushes the globals of the running goroutine if it has some of its own, else those of the state, which are what its
    /// code sees then.
    pub(crate) fn push_environment(&self, stack: &mut Stack<'_>) {
        match self.environment_slot() {
            Some(slot) => self.push_entry(stack, vital::ENVIRONMENTS, slot),
            None => stack.push_globals(),
        }
    }

    /// Pushes the table that received functions get as their globals; nil if it is still to be made.
    pub(crate) fn push_environment_if_made(&self, stack: &mut Stack<'_>) {
        match self.environment_slot() {
            Some(slot) => self.push_entry(stack, vital::ENVIRONMENTS, slot),
            None if self.apart().is_some() => stack.push_nil(),
            None => stack.push_globals(),
        }
    }

    fn environment_slot(&self) -> Option<usize> {
        let current = self.current.borrow();
        current.as_ref().filter(|running| running.has_environment.get()).map(|running| running.slot)
    }

    /// Pushes what one of the vitals, a list by slot, has for this one.
    fn push_entry(&self, stack: &mut Stack<'_>, list: usize, slot: usize) {
        let at = stack.top() + 1;
        self.push_vitals(stack);
        stack.raw_get_index(at, list);
        stack.raw_get_index(at + 1, slot);
        stack.replace(at);
        stack.pop(1);
    }

    /// The globals of the running goroutine, made if need be; those of the state outside a goroutine.
    pub(crate) fn make_environment(&self, lua: &Lua) -> mlua::Result<Table> {
        let Some(running) = self.apart() else {
            return Ok(lua.globals());
        };
        if running.has_environment.get() {
            return self.tables.environments.raw_get(running.slot);
        }
        let made = lua.create_table()?;
        made.set_metatable(Some(self.tables.environment_metatable.clone()))?;
        self.tables.environments.raw_set(running.slot, &made)?;
        running.has_environment.set(true);
        Ok(made)
    }

    /// Copies the standard globals into those of the running goroutine: some of its code looks at the table itself.
    pub(crate) fn complete_environment(&self, lua: &Lua) -> mlua::Result<Table> {
        let environment = self.make_environment(lua)?;
        if self.apart().is_some() {
            self.tables.complete.call::<()>(&environment)?;
        }
        Ok(environment)
    }

    /// Makes touching these globals raise: they could not travel.
    pub(crate) fn poison_globals(&self, lua: &Lua, poison: &FxHashMap<Vec<u8>, String>) -> mlua::Result<()> {
        if self.apart().is_none() {
            return Ok(()); // home has these globals itself
        }
        let reasons = lua.create_table_with_capacity(0, poison.len())?;
        for (name, message) in poison {
            reasons.raw_set(lua.create_string(name)?, message.as_str())?;
        }
        self.tables.poison.call((self.make_environment(lua)?, reasons))
    }

    /// Pushes the classes of the running goroutine, or of the state outside a goroutine, by id. On failure pushes nothing.
    pub(crate) fn push_classes(&self, stack: &mut Stack<'_>, lua: &Lua) -> mlua::Result<()> {
        let running = self.apart();
        let slot = running.as_ref().map_or(0, |running| running.slot + 1);
        if let Some(running) = &running
            && !running.has_classes.get()
        {
            let made = lua.create_table()?;
            made.set_metatable(self.tables.objects.metatable())?; // weak, as that one
            self.tables.classes.raw_set(slot, &made)?;
            running.has_classes.set(true);
        }
        self.push_entry(stack, vital::CLASSES, slot);
        Ok(())
    }
}
