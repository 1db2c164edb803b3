//! The arguments of a call, and what is said of wrong ones.

use std::time::{Duration, Instant};

use mlua::{Function, Lua, MultiValue, Table, Value};

use crate::fault::Fault;
use crate::object::Object;

/// The arguments of a call from Lua.
pub(crate) struct Args {
    pub(super) lua: Lua,
    /// The function's name as the script calls it.
    pub(crate) function: &'static str,
    values: MultiValue,
    /// 1 for a method, whose first value is the object: argument 1 is the one after it.
    object: usize,
}

/// An object of ours that a call was made on, or that it was given.
pub(crate) trait Named: Sized {
    /// What it is called in messages: `channel`.
    const NAME: &'static str;
    /// Under which name its methods are kept.
    const CLASS: &'static str;

    /// It, if the object is such a one.
    fn from_object(object: Object) -> Option<Self>;
}

impl Args {
    /// `None`: the state is being closed. What its finalizers hold of it then is no reference that could be cloned.
    pub(crate) fn new(lua: &Lua, function: &'static str, values: MultiValue, method: bool) -> Option<Self> {
        let lua = lua.weak().try_upgrade()?;
        Some(Self { lua, function, values, object: usize::from(method) })
    }

    /// Argument `n`, from 1.
    pub(crate) fn get(&self, n: usize) -> Option<&Value> {
        self.values.get(n - 1 + self.object)
    }

    /// The arguments from `n` on.
    pub(crate) fn rest(mut self, n: usize) -> MultiValue {
        for _ in 0..(n - 1 + self.object).min(self.values.len()) {
            self.values.pop_front();
        }
        self.values
    }

    /// The error for argument `n`.
    pub(crate) fn wrong(&self, n: usize, expected: &str) -> Fault {
        let got = match self.get(n) {
            None => String::from("no value"),
            Some(value) => type_name(&self.lua, value),
        };
        self.bad(n, &format!("{expected} expected, got {got}"))
    }

    /// The error for argument `n`, which is a number that is not right.
    pub(crate) fn out_of_range(&self, n: usize, expected: &str) -> Fault {
        let got = match self.get(n) {
            Some(Value::Integer(value)) => value.to_string(),
            Some(Value::Number(value)) => shown(*value),
            _ => return self.wrong(n, expected),
        };
        self.bad(n, &format!("{expected} expected, got {got}"))
    }

    /// The error for argument `n`, in these words.
    pub(crate) fn bad(&self, n: usize, why: &str) -> Fault {
        Fault::Wrong(format!("bad argument #{n} to '{}' ({why})", self.function))
    }

    /// Whether argument `n` is a function.
    pub(crate) fn check_function(&self, n: usize) -> Result<(), Fault> {
        match self.get(n) {
            Some(Value::Function(_)) => Ok(()),
            _ => Err(self.wrong(n, "function")),
        }
    }

    pub(crate) fn function(&self, n: usize) -> Result<Function, Fault> {
        match self.get(n) {
            Some(Value::Function(function)) => Ok(function.clone()),
            _ => Err(self.wrong(n, "function")),
        }
    }

    pub(crate) fn table(&self, n: usize) -> Result<Table, Fault> {
        match self.get(n) {
            Some(Value::Table(table)) => Ok(table.clone()),
            _ => Err(self.wrong(n, "table")),
        }
    }

    /// A table that has no other keys than the places of a list, or the `n` of `table.pack`: what stands beside these would be ignored.
    /// `what` it is a list of. And how many places there are; if there is a hole, one of these is it.
    pub(crate) fn list(&self, n: usize, what: &str) -> Result<(Table, usize), Fault> {
        let table = self.table(n)?;
        let len = table.raw_len();
        let mut places = len;
        for pair in table.pairs::<Value, Value>() {
            match pair? {
                // The place behind what Lua takes for the length is empty.
                (Value::Integer(place @ 1..), _)
                    if usize::try_from(place).is_ok_and(|place| place <= len) => {}
                (Value::Integer(1..), _) => places = len + 1,
                (Value::String(key), Value::Integer(_) | Value::Number(_)) if *key.as_bytes() == *b"n" => {}
                (key, _) => {
                    let got = shown_key(&self.lua, &key);
                    return Err(self.bad(n, &format!("list of {what}s expected, got {got} as a key")));
                }
            }
        }
        Ok((table, places))
    }

    /// The error for an item of the list that argument `n` is.
    pub(crate) fn wrong_item(&self, n: usize, what: &str, index: usize, item: &Value) -> Fault {
        let got = type_name(&self.lua, item);
        self.bad(n, &format!("list of {what}s expected, got {got} at [{index}]"))
    }

    pub(crate) fn string(&self, n: usize) -> Result<String, Fault> {
        match self.get(n) {
            // Names and reasons end up in messages and in Rust; changing them silently would make two of them one.
            Some(Value::String(text)) => text
                .to_str()
                .map(|text| text.to_owned())
                .map_err(|_| self.bad(n, "string of valid UTF-8 expected")),
            _ => Err(self.wrong(n, "string")),
        }
    }

    pub(crate) fn optional_string(&self, n: usize) -> Result<Option<String>, Fault> {
        match self.get(n) {
            None | Some(Value::Nil) => Ok(None),
            Some(_) => self.string(n).map(Some),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self, n: usize) -> Result<i64, Fault> {
        match self.get(n) {
            Some(Value::Integer(value)) => Ok(*value),
            Some(Value::Number(value)) => exact(*value)
                .ok_or_else(|| self.bad(n, &format!("whole number expected, got {}", shown(*value)))),
            _ => Err(self.wrong(n, "number")),
        }
    }

    pub(crate) fn optional_integer(&self, n: usize, default: i64) -> Result<i64, Fault> {
        match self.get(n) {
            None | Some(Value::Nil) => Ok(default),
            Some(_) => self.integer(n),
        }
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn count_between(&self, n: usize, least: i64, most: i64) -> Result<usize, Fault> {
        let value = self.integer(n)?;
        match usize::try_from(value) {
            Ok(count) if (least..=most).contains(&value) => Ok(count),
            _ => Err(self.bad(n, &format!("number from {least} to {most} expected, got {value}"))),
        }
    }

    /// Milliseconds: fractions are allowed, negative means zero. `None` stands for infinity.
    pub(crate) fn duration(&self, n: usize) -> Result<Option<Duration>, Fault> {
        match self.get(n).map(duration_of) {
            Some(Ok(duration)) => Ok(duration),
            Some(Err(NoDuration::Nan)) => Err(self.bad(n, "number of milliseconds expected, got nan")),
            _ => Err(self.wrong(n, "number")),
        }
    }

    /// An instant so many milliseconds from `now`; absent or nil is never.
    pub(crate) fn deadline(&self, n: usize, now: Instant) -> Result<Option<Instant>, Fault> {
        match self.get(n) {
            None | Some(Value::Nil) => Ok(None),
            Some(_) => Ok(self.duration(n)?.and_then(|limit| now.checked_add(limit))),
        }
    }

    /// What a method was called on.
    pub(super) fn this_value(&self) -> Option<&Value> {
        self.values.front()
    }

    /// The object of a method call.
    pub(crate) fn this<T: Named>(&self) -> Result<T, Fault> {
        match self.values.front() {
            Some(value) => object::<T>(&self.lua, value)
                .ok_or_else(|| self.wrong_self::<T>(&type_name(&self.lua, value))),
            None => Err(self.wrong_self::<T>("no value")),
        }
    }

    fn wrong_self<T: Named>(&self, got: &str) -> Fault {
        let (function, name) = (self.function, T::NAME);
        Fault::Wrong(format!(
            "calling '{function}' on bad self ({name} expected, got {got}): call it with a colon"
        ))
    }

    /// An object of ours as argument `n`.
    pub(crate) fn object<T: Named>(&self, n: usize) -> Result<T, Fault> {
        let object = self.get(n).and_then(|value| object::<T>(&self.lua, value));
        object.ok_or_else(|| self.wrong(n, T::NAME))
    }

    /// A list of objects as argument `n`: no holes, nothing else in it.
    pub(crate) fn list_of<T: Named>(&self, n: usize) -> Result<Vec<T>, Fault> {
        let (table, len) = self.list(n, T::NAME)?;
        let mut objects = Vec::with_capacity(len.min(1 << 16));
        for index in 1..=len {
            let value: Value = table.raw_get(index)?;
            let Some(object) = object::<T>(&self.lua, &value) else {
                return Err(self.wrong_item(n, T::NAME, index, &value));
            };
            objects.push(object);
        }
        Ok(objects)
    }
}

/// Why a value is no number of milliseconds.
pub(super) enum NoDuration {
    Nan,
    NoNumber,
}

/// Milliseconds: fractions are allowed, negative means zero. `None` stands for infinity.
pub(super) fn duration_of(value: &Value) -> Result<Option<Duration>, NoDuration> {
    let milliseconds = match value {
        Value::Integer(value) => *value as f64,
        Value::Number(value) => *value,
        _ => return Err(NoDuration::NoNumber),
    };
    if milliseconds.is_nan() {
        return Err(NoDuration::Nan);
    }
    if milliseconds <= 0.0 {
        return Ok(Some(Duration::ZERO));
    }
    // What no clock can count to is for ever.
    Ok(Duration::try_from_secs_f64(milliseconds / 1000.0).ok())
}

/// The object of type `T` that a value is, if it is one.
pub(crate) fn object<T: Named>(lua: &Lua, value: &Value) -> Option<T> {
    Object::from_value(lua, value).and_then(T::from_object)
}

/// What a value is called in messages.
pub(crate) fn type_name(lua: &Lua, value: &Value) -> String {
    match value {
        Value::Integer(_) | Value::Number(_) => "number".into(),
        Value::UserData(userdata) => match Object::from_userdata(lua, userdata) {
            Some(object) => object.name().into(),
            None => "userdata".into(),
        },
        other => other.type_name().into(),
    }
}

fn exact(value: f64) -> Option<i64> {
    // Both bounds are exact powers of two, so the comparison is, too.
    let fits =
        value.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    fits.then_some(value as i64)
}

/// A key of a table, as messages show one that is none of a list's.
pub(super) fn shown_key(lua: &Lua, key: &Value) -> String {
    match key {
        Value::String(name) => format!("'{}'", name.to_string_lossy()),
        Value::Integer(value) => value.to_string(),
        Value::Number(value) => shown(*value),
        other => format!("a {}", type_name(lua, other)),
    }
}

/// A number as messages show it.
pub(super) fn shown(value: f64) -> String {
    match value {
        _ if value.is_nan() => "nan".into(),
        _ if value.abs() >= 1e15 && value.is_finite() => format!("{value:e}"),
        _ if value.abs() < 1e-6 && value != 0.0 => format!("{value:e}"),
        _ => format!("{value}"),
    }
}
