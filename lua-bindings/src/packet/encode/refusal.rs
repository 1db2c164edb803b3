//! [`Refusal`]: why something cannot travel, and where it was found.

use std::borrow::Cow;

use super::{Encoder, Frame, Origin, Phase, Roots};
use crate::code::Code;
use crate::raw::{Kind, Number, STACK_LIMIT, Stack};

/// Why something cannot travel. Its text is what the script sees.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("cannot send {path} ({what}) {}: {hint}", if *leaving { "out of a goroutine" } else { "to a goroutine" })]
    Value { path: String, what: String, hint: Cow<'static, str>, leaving: bool },
    #[error(
        "cannot start a function that assigns to a variable it captured: '{name}'{place}; it would only change a copy of \
         its own. Use goroutine.shared, goroutine.atomic_int, a channel, a return value, or goroutine.local"
    )]
    CapturedWrite { name: String, place: String },
    #[error("cannot send {path} {}: its __goroutine failed: {message}", if *leaving { "out of a goroutine" } else { "to a goroutine" })]
    Replacing { path: String, message: String, leaving: bool },
    /// The goroutine was cancelled in a `__goroutine`.
    #[error("cancelled")]
    Cancelled,
    #[error("cannot send {0}: too many values at once; a Lua stack has room for {STACK_LIMIT}")]
    TooMany(&'static str),
    #[error("cannot send {0}: not enough memory")]
    Memory(&'static str),
    #[error("cannot send {0} to a goroutine: {1}")]
    Lua(&'static str, String),
}

impl Refusal {
    /// Where the stack takes no more than these values: there are too many, or there is no memory for them.
    pub(crate) fn of_stack(what: &'static str, values: i32, is_limited: bool) -> Self {
        if is_limited && values < STACK_LIMIT / 2 { Self::Memory(what) } else { Self::TooMany(what) }
    }

    /// The same, for what lies within something else at this place (`.log[1]`), and was sent by itself.
    pub(crate) fn within(mut self, place: &str) -> Self {
        if let Self::Value { path, .. } | Self::Replacing { path, .. } = &mut self
            && let Some(rest) = path.strip_prefix("the value")
        {
            *path = format!("the value{place}{rest}");
        }
        self
    }
}

/// A key that is a string, as part of a path.
pub(crate) fn push_key(path: &mut String, key: &[u8]) {
    let key = String::from_utf8_lossy(key);
    if is_name(&key) {
        path.push('.');
        path.push_str(&key);
    } else {
        path.push_str(&format!("[{key:?}]"));
    }
}

impl Encoder<'_> {
    /// The refusal of the value on top, with the path that leads to it.
    pub(super) fn refuse(&mut self, stack: &mut Stack<'_>) -> Refusal {
        let leaving = self.roots.leave();
        let wrapped = stack.is_wrapped(-1)
            || stack.kind(-1) == Kind::Thread
                && matches!(self.scratch.frames.last(), Some(Frame::Function { at, .. }) if stack.is_ours(*at));
        let (what, hint) = match self.global_alone(stack) {
            Some((what, hint)) => (what, Cow::Owned(hint)),
            None if wrapped => {
                let hint = if leaving { "give what it returns, or use a channel" } else { "make it inside" };
                ("function that coroutine.wrap has made".to_owned(), Cow::Borrowed(hint))
            }
            None => {
                let (what, hint) = describe(stack, leaving);
                (what, Cow::Borrowed(hint))
            }
        };
        Refusal::Value { path: self.path(stack), what, hint, leaving }
    }

    /// What is said of a C function that is a global of this state, and not of isolates.
    fn global_alone(&mut self, stack: &mut Stack<'_>) -> Option<(String, String)> {
        if stack.kind(-1) != Kind::Function || !stack.reserve(4) || stack.kind(self.named()) != Kind::Table {
            return None;
        }
        stack.push_copy(-1);
        stack.raw_get(self.named());
        let name =
            stack.bytes(-1).strip_prefix(b"_G\0").map(|name| String::from_utf8_lossy(name).into_owned());
        stack.pop(1);
        // What they run first is refused before they are started.
        let started = if self.runs_first() { Ok(()) } else { self.state.system.start() };
        let hint = match started {
            Ok(()) => "isolates have no such global: register it in each of them (setup)".to_owned(),
            Err(error) => error.to_string(),
        };
        name.map(|name| (format!("C function '{name}'"), hint))
    }

    /// The same, for a reason that somebody else has given.
    pub(super) fn refuse_because(&mut self, stack: &mut Stack<'_>, why: String) -> Refusal {
        match self.refuse(stack) {
            Refusal::Value { path, what, leaving, .. } => {
                Refusal::Value { path, what, hint: why.into(), leaving }
            }
            other => other,
        }
    }

    /// The words for where the value on top was found: `argument 2.log.file`, `upvalue 'cfg'.log.file`.
    pub(super) fn path(&mut self, stack: &mut Stack<'_>) -> String {
        let mut path = match (&self.origin, self.roots) {
            (Origin::Class(path), _) => path.clone(),
            (Origin::Global(index), _) => {
                format!("global '{}'", String::from_utf8_lossy(&self.scratch.global_names[*index]))
            }
            (Origin::Root(n), Roots::Start) if *n == self.started => String::from("the function"),
            (Origin::Root(n), Roots::Start) => format!("argument {}", n - 1),
            (Origin::Root(_), Roots::Values(Roots::PRELOAD)) => Roots::PRELOAD.to_owned(),
            (Origin::Root(_), roots) if self.count == 1 => format!("the {}", roots.noun()),
            (Origin::Root(n), roots) => format!("{} {n}", roots.noun()),
        };
        if self.within_deferred {
            path.push_str("...");
        }
        for frame in &self.scratch.frames {
            match frame {
                Frame::Table { phase: Phase::Metatable, .. } => path.push_str(".<metatable>"),
                Frame::Table { at, .. } => {
                    // The key of the entry that is open lies right above its table.
                    match stack.kind(at + 1) {
                        Kind::String => push_key(&mut path, stack.bytes(at + 1)),
                        Kind::Number => match stack.number(at + 1) {
                            Number::Integer(n) => path.push_str(&format!("[{n}]")),
                            Number::Float(n) => path.push_str(&format!("[{n}]")),
                        },
                        Kind::Boolean => path.push_str(&format!("[{}]", stack.boolean(at + 1))),
                        other => path.push_str(&format!("[{}]", format!("{other:?}").to_lowercase())),
                    }
                }
                // What ours have captured is no concern of the script's.
                Frame::Function { at, .. } if stack.is_ours(*at) => {}
                Frame::Function { at, next, .. } => {
                    let name = stack.upvalue_name(*at, i32::from(*next)).unwrap_or_else(|| String::from("?"));
                    if path == "the function" {
                        path = format!("upvalue '{name}'");
                    } else {
                        path.push_str(&format!(".<upvalue '{name}'>"));
                    }
                }
            }
        }
        path
    }
}

fn is_name(key: &str) -> bool {
    let mut chars = key.chars();
    chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What the value on top is, and what to do instead of sending it, or of letting it leave its goroutine.
fn describe(stack: &mut Stack<'_>, leaving: bool) -> (String, &'static str) {
    let hint = |sending, instead| if leaving { instead } else { sending };
    const CONTENTS: &str = "give what is in it, or use a channel";
    match stack.kind(-1) {
        Kind::Thread => {
            ("coroutine".into(), hint("create it inside", "give what it yields, or use a channel"))
        }
        // What holds values of its own was made by a call: `coroutine.wrap`, `gmatch`.
        Kind::Function if stack.push_upvalue(stack.top(), 1) => {
            stack.pop(1);
            let instead = "give what it returns, or use a channel";
            ("C function of no loaded module".into(), hint("make it inside", instead))
        }
        Kind::Function => {
            let instead = "require its module where it is needed";
            ("C function of no loaded module".into(), hint("require its module inside", instead))
        }
        Kind::LightUserdata => ("light userdata".into(), "it is an address of this state"),
        Kind::Table => ("table".into(), "the stack is full"),
        Kind::Userdata => {
            let name = if stack.push_type_name(stack.top()) {
                let name = String::from_utf8_lossy(stack.bytes(-1)).into_owned();
                stack.pop(1);
                name
            } else {
                String::new()
            };
            match name.as_str() {
                "" => ("userdata".into(), hint("create it inside, or use a channel", CONTENTS)),
                "FILE*" => ("userdata 'FILE*'".into(), hint("open it inside, or use a channel", CONTENTS)),
                _ => (format!("userdata '{name}'"), hint("create it inside, or use a channel", CONTENTS)),
            }
        }
        kind => (format!("{kind:?}").to_lowercase(), hint("create it inside", CONTENTS)),
    }
}

/// A started function that assigns to what it captured would change a copy, unseen: it is refused.
pub(super) fn refuse_captured_writes(code: &Code) -> Result<(), Refusal> {
    let Some(analysis) = &code.analysis else {
        return Ok(());
    };
    let Some(write) = analysis.captured_writes.first() else {
        return Ok(());
    };
    let place = match (&analysis.source, write.line) {
        (Some(source), Some(line)) => format!(" ({}:{line})", crate::place::short_source(source)),
        (None, Some(line)) => format!(" (line {line})"),
        _ => String::new(),
    };
    let name = write.name.as_deref().unwrap_or("?").to_owned();
    Err(Refusal::CapturedWrite { name, place })
}
