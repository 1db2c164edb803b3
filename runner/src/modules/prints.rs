//! What scripts print goes through the sink: it must not break up the live display, and with `-o json` it is an event.

use std::sync::Arc;

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};

use super::Place;
use super::args::bytes;
use super::log::joined;
use crate::shared::Shared;

/// Replaces `print`, `io.write` and what `io.stdout:write` calls. In isolates `print` is made of the last of these.
pub(super) fn install(lua: &Lua, shared: &Arc<Shared>, place: Place) -> mlua::Result<()> {
    let io: Table = lua.globals().get("io")?;
    let stdout: Value = io.get("stdout")?;
    let methods: Table = lua.load("return getmetatable(io.stdout).__index").eval()?;
    let plain: Function = methods.raw_get("write")?;

    let write = {
        let (shared, stdout) = (Arc::clone(shared), stdout.clone());
        lua.create_function(move |lua, (file, values): (Value, MultiValue)| {
            let parts: Option<Vec<_>> = values.iter().map(bytes).collect();
            match parts {
                Some(parts) if file == stdout => {
                    shared.sink.print(&parts.concat(), &shared.origin(lua));
                    file.into_lua_multi(lua)
                }
                // It knows what is wrong with them.
                _ => {
                    let mut all = values;
                    all.push_front(file);
                    plain.call(all)
                }
            }
        })?
    };
    methods.raw_set("write", &write)?;
    let output: Function = io.get("output")?;
    let write_out = lua.create_function(move |_, mut values: MultiValue| {
        values.push_front(output.call::<Value>(())?);
        write.call::<MultiValue>(values)
    })?;
    io.raw_set("write", write_out)?;
    if place == Place::Home {
        let shared = Arc::clone(shared);
        let print = lua.create_function(move |lua, values: MultiValue| {
            let mut line = joined(lua, values, "\t")?;
            line.push(b'\n');
            shared.sink.print(&line, &shared.origin(lua));
            Ok(())
        })?;
        lua.globals().raw_set("print", print)?;
    }
    Ok(())
}
