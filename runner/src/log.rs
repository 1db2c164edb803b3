//! The module `log`: one line a call on standard error, never mixed with another.

use std::io::Write;

use mlua::{Lua, MultiValue, Table, Value};

/// Makes `log` a global and a module of `lua`.
pub(crate) fn install(lua: &Lua) -> mlua::Result<()> {
    let module = lua.create_table()?;
    for level in ["debug", "info", "warn", "error"] {
        let write = move |lua: &Lua, values: MultiValue| {
            let line = format!("{:5} {}\n", level.to_uppercase(), text(lua, values)?);
            // One write, so that lines of several goroutines do not mix. If nobody reads it there is nobody to tell.
            let _ = std::io::stderr().write_all(line.as_bytes());
            Ok(())
        };
        module.raw_set(level, lua.create_function(write)?)?;
    }
    lua.globals().get::<Table>("package")?.get::<Table>("loaded")?.raw_set("log", &module)?;
    lua.globals().raw_set("log", module)
}

/// The values as `print` shows them, separated by spaces; a line break within them does not end the line.
fn text(lua: &Lua, values: MultiValue) -> mlua::Result<String> {
    let tostring: mlua::Function = lua.globals().get("tostring")?;
    let mut text = String::new();
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        match value {
            Value::String(value) => text.push_str(&value.to_string_lossy()),
            other => text.push_str(&tostring.call::<mlua::LuaString>(other)?.to_string_lossy()),
        }
    }
    Ok(text.replace('\n', "\n      "))
}
