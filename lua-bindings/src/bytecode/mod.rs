//! What a function's bytecode says about it, without running it: the globals it uses, so that the user's own ones can
//! travel with it, and the captured variables it assigns, so that a write that could reach nobody is refused.
//!
//! The input is what `string.dump` gives, and nothing in it is trusted: lengths are checked before anything is
//! allocated for them, nesting is held in a list and not on the stack, and whatever is not as a compiler would have
//! written it is [`Malformed`].
//!
//! Two rules decide in doubt. A global too many costs a look-up; one too few is a `nil` in a goroutine: names err on
//! the side of more. An assignment is reported only where the instruction for it stands.

mod env;
mod fenv;
mod fixed;
mod instruction;
mod lua51;
mod lua52;
mod lua53;
mod lua54;
mod lua55;
mod luajit;
mod nesting;
mod proto;
mod reader;
#[cfg(test)]
mod tests;
mod variable;

use std::fmt;

/// What [`analyse`] found in a dumped function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Analysis {
    /// How many variables the function captured.
    pub(crate) upvalue_count: u8,
    /// The debug names of the captured variables, in order; `None` where the dump was stripped of them.
    pub(crate) upvalue_names: Vec<Option<Box<str>>>,
    /// The captured variables through which globals are reached, ascending.
    ///
    /// None in Lua 5.1 and LuaJIT. Later, those with the name `_ENV`: one as a rule, none in a function that uses no globals, and possibly a table that
    /// the script itself keeps in a local called `_ENV`, which only a look at the value can tell.
    ///
    /// Where the names are stripped these are candidates, and the value decides which one holds globals. A main
    /// chunk has only `_ENV`. In any other function a candidate is a variable that is indexed with a constant name
    /// somewhere and assigned nowhere, because `_ENV.x` and `captured.x` are the same instruction; the globals below
    /// are then those of all candidates together.
    pub(crate) env_upvalues: Vec<u8>,
    /// Names of globals that are read or called, here or in a nested function; sorted, each once.
    pub(crate) globals_read: Vec<Box<[u8]>>,
    /// Names of globals that are assigned, here or in a nested function; sorted, each once.
    pub(crate) globals_written: Vec<Box<[u8]>>,
    /// `_ENV` is used other than by a constant name: indexed with a computed key, passed on, stored, captured as a
    /// local, or replaced. There may be globals that are not listed.
    ///
    /// Where it was passed on or indexed with a computed key, `globals_read` also has every string constant of the
    /// functions that could see it, so that names which are written out somewhere are found all the same.
    ///
    /// Never in Lua 5.1 and LuaJIT, where only functions like `getfenv` can do that.
    pub(crate) env_escapes: bool,
    /// The first assignment, by line, to each captured variable other than `env_upvalues`, by the function itself or
    /// one nested in it; in order of the upvalue.
    pub(crate) captured_writes: Vec<CapturedWrite>,
    /// Whether a function nested in it uses one of the captured variables, and may so keep it for later.
    pub(crate) passes_on: bool,
    /// The chunk's name as `load` was given it (`@script.lua`), if it was not stripped.
    pub(crate) source: Option<Box<str>>,
    /// The line on which the function begins; 0 for a main chunk, and where LuaJIT has stripped it.
    pub(crate) line_defined: u32,
}

/// An assignment to a captured variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CapturedWrite {
    /// Which of the captured variables, from 0.
    pub(crate) upvalue: u8,
    /// Its name, if it was not stripped.
    pub(crate) name: Option<Box<str>>,
    /// The line of the assignment, if it was not stripped.
    pub(crate) line: Option<u32>,
}

/// The bytes are no function that [`analyse`] can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// They don't begin as a dump of Lua or LuaJIT does.
    NotBytecode,
    /// They are of a Lua that is not read here; the version byte, 0x56 for 5.6.
    Version(u8),
    /// They end too early.
    Truncated,
    /// What is named is not as a compiler writes it.
    Invalid(&'static str),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBytecode => f.write_str("not a dumped lua function"),
            Self::Version(byte) => {
                write!(f, "bytecode of lua {}.{} can't be read", byte >> 4, byte & 0xf)
            }
            Self::Truncated => f.write_str("truncated bytecode"),
            Self::Invalid(what) => write!(f, "malformed bytecode: {what}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// What in a dump does not differ from state to state, nor from one moment to the next.
pub(crate) struct Settled<'a> {
    /// The dump, with zeros in the places of the entries of `tables`.
    pub(crate) bytes: Vec<u8>,
    /// The entries of each table that is a constant, in any order.
    pub(crate) tables: Vec<Vec<&'a [u8]>>,
}

impl Settled<'_> {
    /// What has come of this part of the dump.
    fn part(&mut self, dump: &[u8], part: &[u8]) -> &mut [u8] {
        let at = (part.as_ptr() as usize).wrapping_sub(dump.as_ptr() as usize);
        self.bytes.get_mut(at..at.saturating_add(part.len())).unwrap_or_default()
    }
}

/// The dump of a function without what may differ where nobody has changed it; `None` if nothing does.
pub(crate) fn settled(dump: &[u8]) -> Option<Settled<'_>> {
    if dump.starts_with(b"\x1bLJ") { luajit::settled(dump).ok() } else { None }
}

/// Reads the dump of a function, stripped or not.
///
/// # Errors
/// [`Malformed`] if this is no dump of a Lua version that is known here, or a damaged one. Not every damage can be
/// seen: what is returned for bytes that no compiler wrote need not be true of them.
pub(crate) fn analyse(dump: &[u8]) -> Result<Analysis, Malformed> {
    if dump.starts_with(b"\x1bLJ") {
        return luajit::analyse(dump);
    }
    let rest = dump.strip_prefix(b"\x1bLua").ok_or(Malformed::NotBytecode)?;
    match rest.first() {
        Some(0x51) => lua51::analyse(dump),
        Some(0x52) => lua52::analyse(dump),
        Some(0x53) => lua53::analyse(dump),
        Some(0x54) => lua54::analyse(dump),
        Some(0x55) => lua55::analyse(dump),
        Some(&other) => Err(Malformed::Version(other)),
        None => Err(Malformed::Truncated),
    }
}
