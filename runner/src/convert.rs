//! Between Lua values and those of JSON and YAML.
//!
//! A list is a table with the keys 1 to n. An empty one cannot be told from an object by that: those that come from outside have
//! the metatable [`LIST`], and so go out as they came in. `null` is left out of objects; in lists, where that would move
//! the others, it is [`null`], a function of the module `json`: what is found in a module travels, by its name.
//!
//! What is only shown is never much larger than what there is: see [`Seen`].

use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt::Display;

use mlua::{Lua, Table, Value as LuaValue};
use serde_json::{Map, Number, Value};

/// How deep values may lie in each other: what reads JSON takes no more.
pub(crate) const DEEPEST: usize = 127;

/// What is said of what lies deeper.
pub(crate) const TOO_DEEP: &str = "more than 127 levels lie in each other";

/// Where a state keeps the metatable of empty lists. It says `__jsontype = "array"`, as other libraries' do.
const LIST: &str = "runner.list";

/// Where a state keeps its `null`.
const NULL: &str = "runner.null";

/// The Lua value for `null`.
pub(crate) fn null(lua: &Lua) -> mlua::Result<LuaValue> {
    let null: LuaValue = lua.named_registry_value(NULL)?;
    if null.is_function() {
        return Ok(null);
    }
    let null = LuaValue::Function(lua.create_function(|_, ()| Ok(()))?);
    lua.set_named_registry_value(NULL, &null)?;
    Ok(null)
}

/// An empty list.
pub(crate) fn empty_list(lua: &Lua) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    let metatable: Option<Table> = lua.named_registry_value(LIST)?;
    let metatable = match metatable {
        Some(metatable) => metatable,
        None => {
            let made = lua.create_table_from([("__jsontype", "array")])?;
            lua.set_named_registry_value(LIST, &made)?;
            made
        }
    };
    list.set_metatable(Some(metatable))?;
    Ok(list)
}

/// Makes a Lua value.
///
/// # Errors
/// Out of memory.
pub(crate) fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<LuaValue> {
    Ok(match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(value) => LuaValue::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => LuaValue::Integer(integer),
            None => LuaValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => LuaValue::String(lua.create_string(text)?),
        Value::Array(values) if values.is_empty() => LuaValue::Table(empty_list(lua)?),
        Value::Array(values) => {
            let list = lua.create_table_with_capacity(values.len(), 0)?;
            for (index, value) in values.iter().enumerate() {
                let value = if value.is_null() { null(lua)? } else { to_lua(lua, value)? };
                list.raw_set(index + 1, value)?;
            }
            LuaValue::Table(list)
        }
        Value::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, value) in fields {
                table.raw_set(name.as_str(), to_lua(lua, value)?)?;
            }
            LuaValue::Table(table)
        }
    })
}

/// Makes JSON of a Lua value.
///
/// # Errors
/// A message, with the path to the value that cannot be written.
pub(crate) fn from_lua(lua: &Lua, value: &LuaValue) -> Result<Value, String> {
    let null = null(lua).map_err(|error| error.to_string())?;
    convert(value, &null, &mut How::Strict, 0)
        .map_err(|(path, why)| if path.is_empty() { why } else { format!("{why} (at {})", short(&path)) })
}

/// The same for what is only to be shown: what cannot be written is shown as text, and a table that was shown as where that was.
pub(crate) fn shown(lua: &Lua, value: &LuaValue) -> Value {
    let Ok(null) = null(lua) else { return Value::Null };
    convert(value, &null, &mut How::Shown(Seen::default()), 0).unwrap_or(Value::Null)
}

/// What reads JSON and YAML says, with the limit in it where that was the matter.
pub(crate) fn deep(error: &str) -> String {
    error.replacen("recursion limit exceeded", TOO_DEEP, 1)
}

/// A path, or its beginning: one through a table that lies within itself has no end.
pub(crate) fn short(path: &str) -> String {
    const LONGEST: usize = 60;
    match path.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &path[..end]),
        None => path.to_owned(),
    }
}

/// What becomes of what JSON has not got.
enum How {
    /// It is an error.
    Strict,
    /// It is shown as well as can be.
    Shown(Seen),
}

impl How {
    fn is_strict(&self) -> bool {
        matches!(self, Self::Strict)
    }
}

/// The tables that were shown. A table within itself is not shown there. One that is met again is, as JSON has it, until all that was shown
/// so again comes to [`REPEATED`] values, and after that by where it was: tables that hold each other have more paths through
/// them than anybody can read.
#[derive(Default)]
struct Seen {
    /// Where each was met first: in which table, and under which name. None: what is shown is that.
    places: HashMap<*const c_void, Option<(*const c_void, String)>>,
    /// Those that are being shown, from the outermost on, and whether they were before.
    open: Vec<(*const c_void, bool)>,
    /// How many values were shown again.
    repeated: usize,
}

/// See [`Seen`].
const REPEATED: usize = 1000;

impl Seen {
    /// A table is about to be shown under this name in the one that is being shown. What is shown in its place, if anything is.
    fn enter(&mut self, table: &Table, name: &dyn Display) -> Option<String> {
        let table = table.to_pointer();
        let (within, is_repeated) =
            self.open.last().map_or((None, false), |(table, again)| (Some(*table), *again));
        if self.open.iter().any(|(open, _)| *open == table) {
            return Some("<within itself>".into());
        }
        let again = self.places.contains_key(&table);
        if again && self.repeated >= REPEATED {
            return Some(format!("<shown at {}>", self.path(table)));
        } else if !again {
            self.places.insert(table, within.map(|within| (within, name.to_string())));
        }
        self.open.push((table, again || is_repeated));
        None
    }

    /// A value is shown in the innermost table.
    fn count(&mut self) {
        if self.open.last().is_some_and(|(_, again)| *again) {
            self.repeated += 1;
        }
    }

    fn path(&self, mut table: *const c_void) -> String {
        let mut names = Vec::new();
        // Each was met within one that had been met before.
        while let Some(Some((within, name))) = self.places.get(&table) {
            names.push(name.as_str());
            table = *within;
        }
        names.reverse();
        short(&names.join("."))
    }
}

type Wrong = (String, String);

fn convert(value: &LuaValue, null: &LuaValue, how: &mut How, depth: usize) -> Result<Value, Wrong> {
    convert_at(&"", value, null, how, depth)
}

/// The same for what is in a table under this name.
fn convert_at(
    name: &dyn Display,
    value: &LuaValue,
    null: &LuaValue,
    how: &mut How,
    depth: usize,
) -> Result<Value, Wrong> {
    let wrong = |why: String| Err((String::new(), why));
    if let How::Shown(seen) = how {
        seen.count();
    }
    Ok(match value {
        LuaValue::Nil => Value::Null,
        value if value == null => Value::Null,
        LuaValue::Boolean(value) => Value::Bool(*value),
        LuaValue::Integer(integer) => Value::from(*integer),
        LuaValue::Number(number) => match Number::from_f64(*number) {
            Some(number) => Value::Number(number),
            None if !how.is_strict() => Value::String(number.to_string()),
            None => return wrong(format!("the number {number} cannot be written")),
        },
        LuaValue::String(text) => match text.to_str() {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) if !how.is_strict() => Value::String(text.to_string_lossy()),
            Err(_) => return wrong("a string that is not UTF-8 cannot be written".into()),
        },
        LuaValue::Table(_) if depth >= DEEPEST => {
            if !how.is_strict() {
                return Ok(Value::String("...".into()));
            }
            return wrong(format!("a table lies more than {DEEPEST} deep: is it within itself?"));
        }
        LuaValue::Table(table) => {
            if let How::Shown(seen) = how
                && let Some(instead) = seen.enter(table, name)
            {
                return Ok(Value::String(instead));
            }
            let made = convert_table(table, null, how, depth);
            if let How::Shown(seen) = how {
                seen.open.pop();
            }
            return made;
        }
        other if !how.is_strict() => {
            Value::String(other.to_string().unwrap_or_else(|_| other.type_name().to_owned()))
        }
        other => return wrong(format!("a {} cannot be written", other.type_name())),
    })
}

fn convert_table(table: &Table, null: &LuaValue, how: &mut How, depth: usize) -> Result<Value, Wrong> {
    let lua_error = |error: mlua::Error| (String::new(), error.to_string());
    let length = table.raw_len();
    let marked = || {
        let kind = table
            .metatable()
            .and_then(|metatable| metatable.raw_get::<Option<mlua::LuaString>>("__jsontype").ok());
        kind.flatten().is_some_and(|kind| kind == "array")
    };
    let mut fields = Map::new();
    let mut entries = 0;
    for pair in table.pairs::<LuaValue, LuaValue>() {
        let (key, value) = pair.map_err(lua_error)?;
        match &key {
            LuaValue::Integer(index) if (1..=length as i64).contains(index) => entries += 1,
            LuaValue::String(name) if length == 0 || !how.is_strict() => {
                let name = match name.to_str() {
                    Ok(name) => name.to_owned(),
                    Err(_) if !how.is_strict() => name.to_string_lossy(),
                    Err(_) => {
                        return Err((String::new(), "a key that is not UTF-8 cannot be written".into()));
                    }
                };
                let value = convert_at(&name, &value, null, how, depth + 1)
                    .map_err(|(path, why)| (join(&name, path), why))?;
                fields.insert(name, value);
            }
            LuaValue::String(_) => {
                return Err((
                    String::new(),
                    "a table has both a list and named fields: it can be written as one of them".into(),
                ));
            }
            other if !how.is_strict() => {
                let name = other.to_string().unwrap_or_else(|_| other.type_name().to_owned());
                let value = convert_at(&name, &value, null, how, depth + 1)?;
                fields.insert(name, value);
            }
            LuaValue::Integer(_) => return Err((String::new(), "a list has holes in it".into())),
            other => {
                return Err((String::new(), format!("a {} as a key cannot be written", other.type_name())));
            }
        }
    }
    if length > 0 && (fields.is_empty() || how.is_strict()) {
        if entries != length {
            return Err((String::new(), "a list has holes in it".into()));
        }
        let mut values = Vec::with_capacity(length);
        for index in 1..=length {
            let value: LuaValue = table.raw_get(index).map_err(lua_error)?;
            let value = convert_at(&index, &value, null, how, depth + 1);
            values.push(value.map_err(|(path, why)| (join(&index.to_string(), path), why))?);
        }
        return Ok(Value::Array(values));
    }
    for index in 1..=length {
        let value: LuaValue = table.raw_get(index).map_err(lua_error)?;
        fields.insert(index.to_string(), convert_at(&index, &value, null, how, depth + 1)?);
    }
    if fields.is_empty() && marked() {
        return Ok(Value::Array(Vec::new()));
    }
    Ok(Value::Object(fields))
}

pub(crate) fn join(name: &str, path: String) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{name}.{path}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let lua = Lua::new();
        let value =
            json!({"list": [1, 2.5, "x", null, []], "empty": [], "object": {"deep": [[]]}, "no": false});
        assert_eq!(from_lua(&lua, &to_lua(&lua, &value).unwrap()), Ok(value));
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let lua = Lua::new();
        let wrong = |code: &str| from_lua(&lua, &lua.load(code).eval().unwrap()).unwrap_err();
        assert_eq!(wrong("{a = {print}}"), "a function cannot be written (at a.1)");
        assert!(wrong("{1, x = 2}").contains("both a list and named fields"));
        assert!(wrong("{1, nil, 3, [9] = 1}").contains("holes"));
        assert!(wrong("(function() local t = {} t.t = t return t end)()").contains("within itself"));
        assert!(wrong("0/0").contains("number"));
        assert!(wrong("'\\xff'").contains("UTF-8"));
    }

    #[test]
    fn what_is_only_shown_always_can_be() {
        let lua = Lua::new();
        for code in [
            "print",
            "{1, x = 2}",
            "{[print] = 1}",
            "0/0",
            "'\\xff'",
            "(function() local t = {} t.t = t return t end)()",
        ] {
            let _ = shown(&lua, &lua.load(code).eval().unwrap());
        }
    }

    #[test]
    fn tables_within_themselves_and_each_other_are_shown_in_a_size_that_can_be_read() {
        let lua = Lua::new();
        let show = |code: &str| shown(&lua, &lua.load(code).eval().unwrap());
        assert_eq!(
            show("(function() local t = {x = {}} t.a, t.b, t.x.up = t, t, t return t end)()"),
            json!({"a": "<within itself>", "b": "<within itself>", "x": {"up": "<within itself>"}})
        );
        // What is shared is written again.
        assert_eq!(
            show("(function() local t = {1} return {a = t, b = {t, t}} end)()"),
            json!({"a": [1], "b": [[1], [1]]})
        );
        for code in [
            // Ways without number through 100 tables, and none through a table twice.
            "(function() local t = {1} for _ = 1, 100 do t = {t, t} end return t end)()",
            // All hold all.
            "(function() local all = {} for i = 1, 40 do all[i] = {} end
              for _, one in ipairs(all) do for name, other in pairs(all) do one['to' .. name] = other end end return all end)()",
            "_G",
        ] {
            let text = show(code).to_string();
            assert!(text.len() < 200_000, "{code}: {} bytes", text.len());
        }
        let text = show("(function() local t = {1} for _ = 1, 100 do t = {t, t} end return {up = t} end)()");
        assert!(text.to_string().contains("\"<shown at up.1.1"), "{text}");
    }
}
