//! What the command line gives to scripts: `values` and `params`.

use std::path::Path;

use mlua::{Lua, Value};
use serde_norway::Value as Yaml;

use crate::convert;

/// Reads a file of values: JSON if its name ends in `.json`, else YAML, of which JSON is a part.
///
/// # Errors
/// A message that names the file.
pub(crate) fn read(path: &Path) -> Result<serde_json::Value, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let value = if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        parse_yaml(&text)
    };
    match value.map_err(|why| format!("{}: {why}", path.display()))? {
        value @ (serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_)) => {
            Ok(value)
        }
        other => {
            Err(format!("{}: names with values, or a list, expected, and this is {other}", path.display()))
        }
    }
}

/// One document of YAML.
///
/// # Errors
/// A message with line and column, or the path to what Lua or JSON has nothing for.
pub(crate) fn parse_yaml(text: &str) -> Result<serde_json::Value, String> {
    if text.trim().is_empty() {
        return Ok(serde_json::Value::Null);
    }
    let mut value: Yaml = serde_norway::from_str(text).map_err(|error| error.to_string())?;
    value.apply_merge().map_err(|error| error.to_string())?;
    plain(value).map_err(
        |(path, why)| {
            if path.is_empty() { why } else { format!("{why} (at {})", convert::short(&path)) }
        },
    )
}

/// The same value as JSON, whose keys are strings. The error: the path to it, and a message.
fn plain(value: Yaml) -> Result<serde_json::Value, (String, String)> {
    let within = |name: &str| {
        let name = name.to_owned();
        move |(path, why)| (convert::join(&name, path), why)
    };
    let wrong = |why: String| Err((String::new(), why));
    Ok(match value {
        Yaml::Null => serde_json::Value::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::String(text) => text.into(),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), ..) => integer.into(),
            (_, Some(integer), _) => integer.into(),
            (_, _, Some(number)) if number.is_finite() => number.into(),
            _ => return wrong(format!("the number {number} cannot be read")),
        },
        Yaml::Sequence(values) => {
            let values = values.into_iter().enumerate();
            let values = values.map(|(index, value)| plain(value).map_err(within(&(index + 1).to_string())));
            serde_json::Value::Array(values.collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(fields) => {
            let mut object = serde_json::Map::new();
            for (key, value) in fields {
                let name = match key {
                    Yaml::String(name) => name,
                    Yaml::Bool(key) => key.to_string(),
                    Yaml::Number(key) => key.to_string(),
                    Yaml::Null => "null".into(),
                    _ => return wrong("a list or a table as a key cannot be read".into()),
                };
                let value = plain(value).map_err(within(&name))?;
                object.insert(name, value);
            }
            serde_json::Value::Object(object)
        }
        Yaml::Tagged(tagged) => return wrong(format!("the tag {} cannot be read", tagged.tag)),
    })
}

/// Sets the globals `values`, `params` and `outputs`.
pub(crate) fn install(
    lua: &Lua,
    values: &serde_json::Value,
    params: &[(String, String)],
) -> mlua::Result<()> {
    let values = match convert::to_lua(lua, values)? {
        Value::Nil => Value::Table(lua.create_table()?),
        values => values,
    };
    lua.globals().raw_set("values", values)?;
    lua.globals().raw_set(
        "params",
        lua.create_table_from(params.iter().map(|(key, value)| (key.as_str(), value.as_str())))?,
    )?;
    lua.globals().raw_set("outputs", lua.create_table()?)
}
