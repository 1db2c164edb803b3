//! Tables of options.

use mlua::{Function, LuaString, Table, Value};

use super::Args;
use super::args::{shown, type_name};
use crate::fault::Fault;

/// A table of named options, all of them known.
pub(super) struct Options<'a> {
    args: &'a Args,
    /// Which argument it is.
    n: usize,
    table: Option<Table>,
}

impl<'a> Options<'a> {
    /// Argument `n`, which may be left out.
    ///
    /// # Errors
    /// When it is no table, or has an option that is not among `known`; the nearest that is, is named.
    pub(super) fn read(args: &'a Args, n: usize, known: &[&str]) -> Result<Self, Fault> {
        let table = match args.get(n) {
            None | Some(Value::Nil) => None,
            Some(_) => Some(args.table(n)?),
        };
        for pair in table.iter().flat_map(|table| table.pairs::<Value, Value>()) {
            let name = match pair?.0 {
                Value::String(name) => name.to_string_lossy(),
                other => {
                    return Err(args.bad(
                        n,
                        &format!("names of options expected, got a {} as one", type_name(&args.lua, &other)),
                    ));
                }
            };
            if !known.contains(&name.as_str()) {
                return Err(args.bad(n, &unknown(&name, known)));
            }
        }
        Ok(Self { args, n, table })
    }

    /// The error for option `name`.
    pub(super) fn bad(&self, name: &str, why: &str) -> Fault {
        self.args.bad(self.n, &format!("option '{name}': {why}"))
    }

    fn get(&self, name: &str) -> Result<Option<Value>, Fault> {
        match &self.table {
            None => Ok(None),
            Some(table) => Ok(Some(table.raw_get::<Value>(name)?).filter(|value| !value.is_nil())),
        }
    }

    fn wrong(&self, name: &str, expected: &str, got: &Value) -> Fault {
        self.bad(name, &format!("{expected} expected, got {}", type_name(&self.args.lua, got)))
    }

    /// A whole number from `least` to `most`.
    pub(super) fn count(&self, name: &str, least: i64, most: i64) -> Result<Option<usize>, Fault> {
        let value = match self.get(name)? {
            None => return Ok(None),
            Some(Value::Integer(value)) => value as f64,
            Some(Value::Number(value)) => value,
            Some(other) => return Err(self.wrong(name, "number", &other)),
        };
        if value.fract() != 0.0 || !(least as f64..=most as f64).contains(&value) {
            return Err(self
                .bad(name, &format!("whole number from {least} to {most} expected, got {}", shown(value))));
        }
        Ok(Some(value as usize))
    }

    /// A number from `least` on, infinity included.
    pub(super) fn number(&self, name: &str, least: f64) -> Result<Option<f64>, Fault> {
        let value = match self.get(name)? {
            None => return Ok(None),
            Some(Value::Integer(value)) => value as f64,
            Some(Value::Number(value)) => value,
            Some(other) => return Err(self.wrong(name, "number", &other)),
        };
        if value.is_nan() || value < least {
            let least =
                if least == f64::MIN_POSITIVE { "above 0".into() } else { format!("from {least} on") };
            return Err(self.bad(name, &format!("number {least} expected, got {}", shown(value))));
        }
        Ok(Some(value))
    }

    /// Whether it was given.
    pub(super) fn has(&self, name: &str) -> bool {
        matches!(self.get(name), Ok(Some(_)))
    }

    pub(super) fn function(&self, name: &str) -> Result<Option<Function>, Fault> {
        match self.get(name)? {
            None => Ok(None),
            Some(Value::Function(value)) => Ok(Some(value)),
            Some(other) => Err(self.wrong(name, "function", &other)),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, Fault> {
        match self.get(name)? {
            None => Ok(None),
            Some(Value::Boolean(value)) => Ok(Some(value)),
            Some(other) => Err(self.wrong(name, "boolean", &other)),
        }
    }

    /// A list of strings.
    pub(super) fn strings(&self, name: &str) -> Result<Option<Vec<LuaString>>, Fault> {
        let list = match self.get(name)? {
            None => return Ok(None),
            Some(Value::Table(list)) => list,
            Some(other) => return Err(self.wrong(name, "list of strings", &other)),
        };
        let mut strings = Vec::new();
        for pair in list.pairs::<Value, Value>() {
            match pair? {
                (Value::Integer(_) | Value::Number(_), Value::String(text)) => strings.push(text),
                (Value::Integer(_) | Value::Number(_), other) => {
                    return Err(self.wrong(name, "list of strings", &other));
                }
                (key, _) => {
                    let why = format!(
                        "list of strings expected, got a {} as a key",
                        type_name(&self.args.lua, &key)
                    );
                    return Err(self.bad(name, &why));
                }
            }
        }
        Ok(Some(strings))
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.get(name)? {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value.to_string_lossy())),
            Some(other) => Err(self.wrong(name, "string", &other)),
        }
    }
}

/// What is said of a name that is not among those.
pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        // Of two that are as near, the one of which letters were left out: 'handlr' is 'handler', not 'handle'.
        .map(|candidate| {
            (strsim::damerau_levenshtein(name, candidate), !lacks_letters_of(name, candidate), candidate)
        })
        .min()
        .filter(|(distance, _, candidate)| *distance <= candidate.len().div_ceil(2));
    match near {
        Some((_, _, near)) => format!("unknown option '{name}', did you mean '{near}'?"),
        None => format!("unknown option '{name}', expected one of: {}", known.join(", ")),
    }
}

/// Whether `name` is `candidate` without some of its letters.
fn lacks_letters_of(name: &str, candidate: &str) -> bool {
    let mut letters = candidate.chars();
    name.chars().all(|letter| letters.any(|other| other == letter))
}
