//! The arguments of a function of a module, and its tables of options.

use std::collections::BTreeMap;
use std::time::Duration;

use mlua::{Error, MultiValue, Table, Value};

use super::nearest;
use crate::duration;

/// The arguments of a call.
pub(super) struct Args {
    name: &'static str,
    pub(super) values: Vec<Value>,
}

/// A table of options; none is as good as an empty one.
pub(super) struct Options {
    name: &'static str,
    table: Option<Table>,
}

impl Args {
    pub(super) fn new(name: &'static str, values: MultiValue) -> Self {
        Self { name, values: values.into_vec() }
    }

    /// The argument at this place, from 1; nil if there is none.
    pub(super) fn value(&self, at: usize) -> Value {
        self.values.get(at - 1).cloned().unwrap_or(Value::Nil)
    }

    pub(super) fn bad(&self, at: usize, why: &str) -> Error {
        Error::runtime(format!("bad argument #{at} to '{}' ({why})", super::field(self.name)))
    }

    fn expected(&self, at: usize, what: &str) -> Error {
        let got = self.values.get(at - 1).map_or("no value", kind);
        self.bad(at, &format!("{what} expected, got {got}"))
    }

    pub(super) fn bytes(&self, at: usize) -> mlua::Result<Vec<u8>> {
        bytes(&self.value(at)).ok_or_else(|| self.expected(at, "string"))
    }

    /// Text has to be UTF-8.
    pub(super) fn text(&self, at: usize) -> mlua::Result<String> {
        String::from_utf8(self.bytes(at)?).map_err(|_| self.bad(at, "not UTF-8"))
    }

    pub(super) fn optional_text(&self, at: usize) -> mlua::Result<Option<String>> {
        if self.value(at).is_nil() { Ok(None) } else { self.text(at).map(Some) }
    }

    pub(super) fn optional_flag(&self, at: usize) -> mlua::Result<bool> {
        match self.value(at) {
            Value::Nil => Ok(false),
            Value::Boolean(flag) => Ok(flag),
            _ => Err(self.expected(at, "boolean")),
        }
    }

    pub(super) fn optional_number(&self, at: usize) -> mlua::Result<Option<f64>> {
        match self.value(at) {
            Value::Nil => Ok(None),
            Value::Integer(number) => Ok(Some(number as f64)),
            Value::Number(number) => Ok(Some(number)),
            _ => Err(self.expected(at, "number")),
        }
    }

    pub(super) fn duration(&self, at: usize) -> mlua::Result<Duration> {
        duration::of_value(&self.value(at)).map_err(|why| self.bad(at, &why))
    }

    /// A table that has no other fields than these.
    pub(super) fn options(&self, at: usize, known: &[&str]) -> mlua::Result<Options> {
        let table = match self.value(at) {
            Value::Nil => None,
            Value::Table(table) => Some(table),
            _ => return Err(self.expected(at, "table")),
        };
        for pair in table.iter().flat_map(Table::pairs::<Value, Value>) {
            let key = pair?.0;
            let name = key.as_string().map(|name| name.to_string_lossy());
            match name {
                Some(name) if known.contains(&name.as_str()) => {}
                Some(name) => {
                    let meant = nearest(&name, known.iter().copied());
                    let meant = meant.map_or_else(
                        || format!("there are {}", known.join(", ")),
                        |meant| format!("did you mean '{meant}'?"),
                    );
                    return Err(self.bad(at, &format!("unknown option '{name}', {meant}")));
                }
                None => {
                    return Err(self.bad(at, &format!("options have names, not a {} as a key", kind(&key))));
                }
            }
        }
        Ok(Options { name: self.name, table })
    }
}

impl Options {
    pub(super) fn get(&self, key: &str) -> mlua::Result<Value> {
        self.table.as_ref().map_or(Ok(Value::Nil), |table| table.raw_get(key))
    }

    pub(super) fn bad(&self, key: &str, why: &str) -> Error {
        Error::runtime(format!("bad option '{key}' of '{}' ({why})", super::field(self.name)))
    }

    fn expected(&self, key: &str, what: &str, got: &Value) -> Error {
        self.bad(key, &format!("{what} expected, got {}", kind(got)))
    }

    pub(super) fn bytes(&self, key: &str) -> mlua::Result<Option<Vec<u8>>> {
        match self.get(key)? {
            Value::Nil => Ok(None),
            value => bytes(&value).map(Some).ok_or_else(|| self.expected(key, "string", &value)),
        }
    }

    pub(super) fn text(&self, key: &str) -> mlua::Result<Option<String>> {
        let text = self.bytes(key)?.map(String::from_utf8).transpose();
        text.map_err(|_| self.bad(key, "not UTF-8"))
    }

    pub(super) fn flag(&self, key: &str) -> mlua::Result<Option<bool>> {
        match self.get(key)? {
            Value::Nil => Ok(None),
            Value::Boolean(flag) => Ok(Some(flag)),
            value => Err(self.expected(key, "boolean", &value)),
        }
    }

    pub(super) fn duration(&self, key: &str) -> mlua::Result<Option<Duration>> {
        match self.get(key)? {
            Value::Nil => Ok(None),
            value => duration::of_value(&value).map(Some).map_err(|why| self.bad(key, &why)),
        }
    }

    /// How long something may take.
    pub(super) fn limit(&self, key: &str) -> mlua::Result<Option<Duration>> {
        match self.duration(key)? {
            Some(Duration::ZERO) => Err(self.bad(key, "it has to be more than 0")),
            limit => Ok(limit),
        }
    }

    pub(super) fn size(&self, key: &str) -> mlua::Result<Option<usize>> {
        match self.get(key)? {
            Value::Nil => Ok(None),
            value => match value.as_usize() {
                Some(size) => Ok(Some(size)),
                None if value.is_number() || value.is_integer() => {
                    Err(self.bad(key, &format!("a number of bytes cannot be {}", value.to_string()?)))
                }
                None => Err(self.expected(key, "number of bytes", &value)),
            },
        }
    }

    pub(super) fn table(&self, key: &str) -> mlua::Result<Option<Table>> {
        match self.get(key)? {
            Value::Nil => Ok(None),
            Value::Table(table) => Ok(Some(table)),
            value => Err(self.expected(key, "table", &value)),
        }
    }

    /// The same, of variables of the environment.
    pub(super) fn variables(&self, key: &str) -> mlua::Result<BTreeMap<String, String>> {
        let fields = self.fields(key)?;
        for (name, value) in &fields {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(self.bad(key, &format!("'{name}' is no name for a variable")));
            } else if value.contains('\0') {
                return Err(self.bad(key, &format!("the value of '{name}' has a NUL byte in it")));
            }
        }
        Ok(fields)
    }

    /// A table of strings and numbers, by name.
    pub(super) fn fields(&self, key: &str) -> mlua::Result<BTreeMap<String, String>> {
        let mut fields = BTreeMap::new();
        for pair in self.table(key)?.iter().flat_map(Table::pairs::<Value, Value>) {
            let (name, value) = pair?;
            let text = |value: &Value| bytes(value).and_then(|bytes| String::from_utf8(bytes).ok());
            match (
                name.as_string().and(text(&name)),
                text(&value).or_else(|| value.as_boolean().map(|v| v.to_string())),
            ) {
                (Some(name), Some(value)) => fields.insert(name, value),
                _ => {
                    return Err(
                        self.bad(key, "its names have to be strings, and its values strings or numbers")
                    );
                }
            };
        }
        Ok(fields)
    }
}

/// Of a string, or of a number as Lua writes it.
pub(super) fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => value.to_string().ok().map(String::into_bytes),
        _ => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        other => other.type_name(),
    }
}
