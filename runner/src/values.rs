//! What the command line gives to scripts: `values` and `params`.

use std::path::Path;

use mlua::{Lua, Value};

use crate::convert;
use crate::modules::data::{parse_json, text};
use crate::modules::fs::reason;
use crate::yaml;

/// Reads a file of values: JSON if its name ends in `.json`, else YAML, of which JSON is a part.
///
/// # Errors
/// A message that names the file.
pub(crate) fn read(path: &Path) -> Result<serde_json::Value, String> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {shown}: {}", reason(&error)))?;
    let text = text(bytes).map_err(|why| format!("{shown}: {why}"))?;
    let value = if path.extension().is_some_and(|extension| extension == "json") {
        parse_json(&text)
    } else {
        yaml::parse(&text)
    };
    match value.map_err(|why| format!("{shown}: {why}"))? {
        value @ (serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_)) => {
            Ok(value)
        }
        other => Err(format!("{shown}: names with values, or a list, expected, and this is {other}")),
    }
}

/// Sets the globals `values`, `params` and `outputs`.
pub(crate) fn install(
    lua: &Lua,
    values: &serde_json::Value,
    params: &[(Vec<u8>, Vec<u8>)],
) -> mlua::Result<()> {
    let values = match convert::to_lua(lua, values)? {
        Value::Nil => Value::Table(lua.create_table()?),
        values => values,
    };
    lua.globals().raw_set("values", values)?;
    let given = lua.create_table()?;
    for (key, value) in params {
        given.raw_set(lua.create_string(key)?, lua.create_string(value)?)?;
    }
    lua.globals().raw_set("params", given)?;
    lua.globals().raw_set("outputs", lua.create_table()?)
}
