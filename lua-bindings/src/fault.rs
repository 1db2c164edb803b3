//! How a primitive fails towards the script, and the texts of failures.

use mlua::Value;

use crate::packet::Refusal;

/// Why a call did not come to its values.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A wrong call: raised as a string, with the caller's position in front.
    Wrong(String),
    /// Raised as it is.
    Raise(Value),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        Self::Wrong(text(&error))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Wrong(refusal.to_string())
    }
}

/// The text of an error of mlua's, without its wrappings and its traceback.
pub(crate) fn text(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } | mlua::Error::WithContext { cause, .. } => text(cause),
        mlua::Error::RuntimeError(message) => clean(message),
        other => clean(&other.to_string()),
    }
}

/// A message without mlua's word in front and the traceback behind.
pub(crate) fn clean(message: &str) -> String {
    let message = message.strip_prefix("runtime error: ").unwrap_or(message);
    let end = message.find("\nstack traceback:").unwrap_or(message.len());
    message[..end].to_owned()
}
