//! The module `log`: one line a call, never mixed with another.

use std::sync::Arc;

use mlua::{Function, Lua, MultiValue, Value};

use super::Module;
use crate::convert;
use crate::shared::Shared;

pub(super) fn install(lua: &Lua, shared: &Arc<Shared>) -> mlua::Result<()> {
    let module = Module::new(lua, shared)?;
    for (name, level) in
        [("log.debug", "debug"), ("log.info", "info"), ("log.warn", "warn"), ("log.error", "error")]
    {
        module.logging(name, move |lua, shared, args| {
            let message = joined(lua, args.values, " ")?;
            shared.sink.log(level, &message, &shared.origin(lua));
            Ok(())
        })?;
    }
    module.saying("log.print", |lua, shared, args| {
        let mut line = joined(lua, args.values, "\t")?;
        line.push(b'\n');
        shared.sink.print(&line, || shared.origin(lua));
        Ok(())
    })?;
    module.logging("log.table", |lua, shared, args| {
        let value = convert::shown(lua, &args.value(1));
        let title = args.optional_text(2)?.map(|title| title + " ").unwrap_or_default();
        let text = serde_json::to_string_pretty(&value).map_err(mlua::Error::external)?;
        shared.sink.log("info", format!("{title}{text}").as_bytes(), &shared.origin(lua));
        Ok(())
    })?;
    module.finish("log")
}

/// The values as `print` shows them.
pub(super) fn joined(
    lua: &Lua,
    values: impl IntoIterator<Item = Value>,
    between: &str,
) -> mlua::Result<Vec<u8>> {
    let tostring: Function = lua.globals().get("tostring")?;
    let mut text = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            text.extend_from_slice(between.as_bytes());
        }
        match value {
            Value::String(value) => text.extend_from_slice(&value.as_bytes()),
            other => text.extend_from_slice(
                &tostring.call::<mlua::LuaString>(MultiValue::from_iter([other]))?.as_bytes(),
            ),
        }
    }
    Ok(text)
}
