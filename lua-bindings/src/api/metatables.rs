//! The metatables of reference objects.

use std::rc::Rc;

use mlua::{Lua, Table, Value};

use super::{CancelledObject, HandleObject, Named, cancelled};
use crate::object::CLASSES;
use crate::raw::protected;
use crate::state::{State, vital};

/// Makes the metatables of the reference objects, and an empty table of methods for each class. Gives them by class.
pub(super) fn make(lua: &Lua, state: &State, methods: &Table) -> mlua::Result<Table> {
    let all = lua.create_table()?;
    for (index, (class, name)) in CLASSES.into_iter().enumerate() {
        let metatable = lua.create_table()?;
        metatable.raw_set("__name", name)?;
        metatable.raw_set("__metatable", false)?;
        // Before Lua 5.3 the name alone does not make a text.
        if cfg!(any(feature = "lua51", feature = "lua52", feature = "luajit")) {
            let text =
                lua.create_function(move |_, this: Value| Ok(format!("{name}: {:p}", this.to_pointer())))?;
            metatable.raw_set("__tostring", text)?;
        }
        if class == CancelledObject::CLASS {
            metatable.raw_set("__tostring", cancelled::tostring(lua)?)?;
        } else {
            let of_class = lua.create_table()?;
            metatable.raw_set("__index", &of_class)?;
            methods.raw_set(class, of_class)?;
        }
        // Those of handles.
        let mut places = (class == HandleObject::CLASS).then(|| Rc::clone(&state.places));
        protected(lua, &metatable, |stack| {
            if stack.reserve(8) {
                stack.adopt_object_metatable(&mut places);
            }
            stack.truncate(0);
        })?;
        all.raw_set(class, &metatable)?;
        state.tables.vitals.raw_set(vital::METATABLES + index, metatable)?;
    }
    let mut key = None;
    protected(lua, &state.tables.vitals, |stack| key = Some(stack.keep()))?;
    state.set_vitals(key);
    Ok(all)
}
