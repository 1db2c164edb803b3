//! The modules `json`, `yaml` and `data`.

use std::sync::Arc;

use mlua::{Lua, Value};

use super::{Module, failed};
use crate::convert;
use crate::shared::Shared;
use crate::yaml;

/// What JSON and YAML may nest, and how large they may be, is limited by what reads them: 128 levels.
pub(super) fn install(lua: &Lua, shared: &Arc<Shared>) -> mlua::Result<()> {
    let json = Module::new(lua, shared)?;
    decoder(&json, "json.decode", parse_json)?;
    encoder(&json, "json.encode", write_json)?;
    json.table.raw_set("null", convert::null(lua)?)?;
    json.finish("json")?;

    let yaml = Module::new(lua, shared)?;
    decoder(&yaml, "yaml.decode", yaml::parse)?;
    encoder(&yaml, "yaml.encode", |value, _| yaml::write(value))?;
    yaml.finish("yaml")?;

    let data = Module::new(lua, shared)?;
    decoder(&data, "data.parse_json", parse_json)?;
    encoder(&data, "data.to_json", write_json)?;
    decoder(&data, "data.parse_yaml", yaml::parse)?;
    encoder(&data, "data.to_yaml", |value, _| yaml::write(value))?;
    data.finish("data")
}

fn decoder(
    module: &Module<'_>,
    name: &'static str,
    parse: fn(&str) -> Result<serde_json::Value, String>,
) -> mlua::Result<()> {
    module.now(name, move |lua, _, args| match text(args.bytes(1)?).and_then(|text| parse(&text)) {
        Ok(serde_json::Value::Null) => Ok([convert::null(lua)?].into_iter().collect()),
        Ok(value) => Ok([convert::to_lua(lua, &value)?].into_iter().collect()),
        Err(why) => failed(lua, &why),
    })
}

/// The second argument: whether it is to be written for people.
fn encoder(
    module: &Module<'_>,
    name: &'static str,
    write: fn(&serde_json::Value, bool) -> Result<String, String>,
) -> mlua::Result<()> {
    module.now(name, move |lua, _, args| {
        let pretty = args.optional_flag(2)?;
        match convert::from_lua(lua, &args.value(1)).and_then(|value| write(&value, pretty)) {
            Ok(text) => Ok([Value::String(lua.create_string(text)?)].into_iter().collect()),
            Err(why) => failed(lua, &why),
        }
    })
}

/// What comes from elsewhere may be anything.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("not UTF-8 at line {line}")
    })
}

/// One value of JSON. A mark of the byte order in front is none of its text.
pub(crate) fn parse_json(text: &str) -> Result<serde_json::Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_json::from_str(text).map_err(|error| convert::deep(&error.to_string()))
}

fn write_json(value: &serde_json::Value, pretty: bool) -> Result<String, String> {
    let written = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    written.map_err(|error| error.to_string())
}
