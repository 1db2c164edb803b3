//! The table of primitives while it is filled: how each is guarded, and told where the script is that calls it.

use std::rc::Rc;

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table};

use super::globals::chunk;
use super::{Answer, Args, Context, Outcome, direct};
use crate::local::Flavour;
use crate::raw::{self, Primitive, Refusals, Went};
use crate::state::State;

/// The table of primitives while it is filled.
pub(super) struct Primitives<'a> {
    pub(super) lua: &'a Lua,
    pub(super) state: &'a Rc<State>,
    pub(super) table: Table,
    /// Those that are functions of the module as they are.
    pub(super) whole: Table,
    /// Where the goroutines run that they start, unless an object says so.
    flavour: Flavour,
}

impl<'a> Primitives<'a> {
    pub(super) fn new(lua: &'a Lua, state: &'a Rc<State>, flavour: Flavour) -> mlua::Result<Self> {
        Ok(Self { lua, state, table: lua.create_table()?, whole: lua.create_table()?, flavour })
    }

    /// A function of the module: `name` is what scripts call it.
    pub(super) fn function(
        &self,
        name: &'static str,
        body: impl Fn(&Context<'_>, Args) -> Outcome + 'static,
    ) -> mlua::Result<()> {
        self.add(name, name, false, body)
    }

    /// Puts a primitive on the Lua stack before the general one of this key, which sees to what the former leaves.
    pub(super) fn direct(&self, key: &str, primitive: Primitive, whole: bool) -> mlua::Result<()> {
        let general: Function = self.table.raw_get(key)?;
        let function = raw::closure(self.lua, self.state, primitive, &general, whole)?;
        if whole { self.whole.raw_set(key, function) } else { self.table.raw_set(key, function) }
    }

    /// Puts a primitive beside the general one of this key, under the name `KEY_at_once`: it never waits nor raises, and
    /// gives no values where it could not do what the other then has to.
    pub(super) fn at_once(&self, key: &str, primitive: Primitive) -> mlua::Result<()> {
        let general: Function = self.table.raw_get(key)?;
        let function = raw::closure(self.lua, self.state, primitive, &general, true)?;
        self.table.raw_set(format!("{key}_at_once"), function)
    }

    /// A method of `class`.
    pub(super) fn method(
        &self,
        class: &str,
        name: &'static str,
        body: impl Fn(&Context<'_>, Args) -> Outcome + 'static,
    ) -> mlua::Result<()> {
        self.add(&format!("{class}_{name}"), name, true, body)
    }

    pub(super) fn add(
        &self,
        key: &str,
        name: &'static str,
        method: bool,
        body: impl Fn(&Context<'_>, Args) -> Outcome + 'static,
    ) -> mlua::Result<()> {
        let (state, flavour) = (Rc::clone(self.state), self.flavour);
        // The general primitive lies in between, too.
        let caller = 1 + if direct::is_whole(key) { direct::WHOLE_CALLER } else { direct::FACED };
        let function = self.lua.create_function(move |lua, values: MultiValue| {
            let Some(args) = Args::new(lua, name, values, method) else {
                return Err(being_closed());
            };
            match body(&Context { lua, state: &state, caller, flavour }, args) {
                Ok(Answer::Wait(wait)) => {
                    state.will_wait(name);
                    state.wait(lua, wait, false)
                }
                Ok(Answer::Shielded(wait)) => {
                    state.will_wait(name);
                    state.wait(lua, wait, true)
                }
                Ok(Answer::Values(values)) => state.values(lua, Ok(values)),
                Err(fault) => state.values(lua, Err(fault)),
            }
        })?;
        self.table.raw_set(key, function)?;
        if direct::exists(key) {
            return Ok(());
        }
        // The entry guards it: a finalizer may call it when it is no more.
        self.direct(key, |_, _| Went::General, false)
    }

    /// Gives our Lua code what raises errors as standard functions do.
    pub(super) fn refusals(&self) -> mlua::Result<()> {
        let Refusals { refuse, blame } = Refusals::new(self.lua)?;
        self.table.raw_set("refuse", refuse)?;
        self.table.raw_set("blame", blame)
    }

    /// Replaces the functions of `coroutine`. The primitives that they need are there.
    pub(super) fn coroutines(&self, park: &Table) -> mlua::Result<()> {
        self.raw("cannot_park", |_, state, ()| {
            state.cannot_park();
            Ok(())
        })?;
        self.table.raw_set("wrapper", crate::raw::wrapper(self.lua)?)?;
        let args = (&self.table, park, Lua::poll_pending());
        chunk(self.lua, "coroutines", include_str!("../lua/coroutines.lua"), args)
    }

    /// A function for our own Lua code, without the convention of primitives.
    pub(super) fn raw<A: mlua::FromLuaMulti, R: IntoLuaMulti>(
        &self,
        key: &str,
        body: impl Fn(&Lua, &Rc<State>, A) -> mlua::Result<R> + 'static,
    ) -> mlua::Result<()> {
        let state = Rc::clone(self.state);
        let function = self.lua.create_function(move |lua, values: A| match lua.weak().try_upgrade() {
            Some(lua) => body(&lua, &state, values),
            None => Err(being_closed()),
        })?;
        self.table.raw_set(key, function)
    }
}

/// Finalizers call us while a state of ours is being closed: mlua's references are good for nothing then.
pub(super) fn being_closed() -> mlua::Error {
    mlua::Error::runtime("the Lua state is being closed")
}
