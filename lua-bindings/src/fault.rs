//! How a primitive fails towards the script, and the texts of failures.

use mlua::{Table, Value};

use crate::packet::Refusal;

/// Why a call did not come to its values.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A wrong call: raised as a string, with the caller's position in front.
    Wrong(String),
    /// Raised as it is.
    Raise(Value),
    /// The goroutine was cancelled, and hears of it.
    Cancelled,
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        Self::Wrong(text(&error))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Cancelled => Self::Cancelled,
            refusal => Self::Wrong(refusal.to_string()),
        }
    }
}

/// The text of an error of mlua's, without its wrappings and its traceback.
pub(crate) fn text(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } | mlua::Error::WithContext { cause, .. } => text(cause),
        mlua::Error::RuntimeError(message) | mlua::Error::MemoryError(message) => clean(message),
        other => clean(&other.to_string()),
    }
}

/// A message without mlua's word in front and the traceback behind.
pub(crate) fn clean(message: &str) -> String {
    let message = message.strip_prefix("runtime error: ").unwrap_or(message);
    let end = message.find("\nstack traceback:").unwrap_or(message.len());
    message[..end].to_owned()
}

/// The text of an error value for who reads a report: of a string, what it says; of an object, what its `__tostring` says, or else a part
/// of what it holds, as `(error object is a table value: code = 404, message = not found)`. It may call `__tostring`; that this fails, or
/// waits, is said in its place.
///
/// ```
/// # let lua = mlua::Lua::new();
/// let error: mlua::Value = lua.load("return { code = 404, path = {} }").eval()?;
/// let text = "(error object is a table value: code = 404, path = (a table))";
/// assert_eq!(goroutine::error_text(&error), text);
/// # Ok::<(), mlua::Error>(())
/// ```
#[must_use]
pub fn error_text(error: &Value) -> String {
    match error {
        Value::String(text) => text.to_string_lossy(),
        Value::Error(error) => text(error),
        Value::Integer(_) | Value::Number(_) => error.to_string().unwrap_or_default(),
        Value::Table(table) if !speaks(table) => {
            format!("(error object is a table value{})", fields(table))
        }
        Value::Table(_) | Value::UserData(_) => {
            error.to_string().unwrap_or_else(|_| "(error object whose __tostring fails)".into())
        }
        other => format!("(error object is a {} value)", other.type_name()),
    }
}

/// Whether it says itself what it means.
fn speaks(table: &Table) -> bool {
    table
        .metatable()
        .is_some_and(|metatable| metatable.raw_get::<Value>("__tostring").is_ok_and(|says| !says.is_nil()))
}

/// Some of the fields of a table, with a colon in front; not what lies deeper.
fn fields(table: &Table) -> String {
    const MOST: usize = 10;
    const LONGEST: [usize; 2] = [50, 200];
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.to_string_lossy()),
        Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => value.to_string().ok(),
        _ => None,
    };
    let short = |text: String, longest: usize| text.chars().take(longest).collect::<String>();
    let mut found = Vec::new();
    // It looks at the table alone: no metamethod is called.
    let _ = table.for_each(|key: Value, value: Value| {
        if let Some(key) = plain(&key).filter(|_| !key.is_boolean()) {
            let value = plain(&value).unwrap_or_else(|| format!("(a {})", value.type_name()));
            found.push(format!("{} = {}", short(key, LONGEST[0]), short(value, LONGEST[1])));
        }
        Ok(())
    });
    found.sort_unstable();
    found.truncate(MOST);
    if found.is_empty() { String::new() } else { format!(": {}", found.join(", ")) }
}

/// A traceback without the lines of our own Lua code, and without what every goroutine has below its first function.
pub(crate) fn traceback(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut ours = false;
    for line in text.trim_start().lines() {
        if line.contains("[goroutine:") {
            // A C function that it has called, `error` mostly, is ours, too.
            if lines.last().is_some_and(|last| last.starts_with("\t[C]:")) {
                lines.pop();
            }
            ours = true;
        } else if !(ours && line.trim() == "(...tail calls...)") {
            ours = false;
            lines.push(line);
        }
    }
    if lines.last().is_some_and(|last| last.ends_with("in function 'xpcall'")) {
        lines.pop();
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_shows_the_script_alone() {
        let full = "\nstack traceback:\n\t[C]: in function 'error'\n\t[goroutine:base]:20: in function <[goroutine:base]:14>\
                    \n\t(...tail calls...)\n\ta.lua:3: in function 'f'\n\t(...tail calls...)\n\t[C]: in function 'xpcall'";
        assert_eq!(traceback(full), "stack traceback:\n\ta.lua:3: in function 'f'\n\t(...tail calls...)");
    }

    #[test]
    fn the_text_of_an_error_is_the_scripts_own() {
        let error = mlua::Error::RuntimeError("a.lua:1: no\nstack traceback:\n\t[C]: in ?".into());
        assert_eq!(text(&error), "a.lua:1: no");
        assert_eq!(text(&mlua::Error::MemoryError("not enough memory".into())), "not enough memory");
    }
}
