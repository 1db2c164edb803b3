//! [`Malformed`].

use crate::raw::{STACK_LIMIT, Unloadable};
use crate::state::State;

/// Why a packet cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error(
        "what a goroutine of goroutine.local has come to is in the state that it ran in, and was not copied in time"
    )]
    Elsewhere,
    /// Such results cannot be copied.
    #[error("{0}")]
    NotCopied(String),
    #[error("malformed packet: it ends too early")]
    Short,
    #[error("malformed packet: unknown tag {0}")]
    Tag(u8),
    #[error("malformed packet: no object {0}")]
    NoObject(u64),
    #[error("malformed packet: no reference {0}")]
    NoReference(u64),
    #[error("malformed packet: unknown flags {0:#x}")]
    Flags(u8),
    #[error("malformed packet: {0} objects without their contents")]
    Unfilled(usize),
    #[error("malformed packet: {0} bytes after its end")]
    Trailing(usize),
    #[error("malformed packet: a number that is too large, or not written in the shortest way")]
    Varint,
    #[error("malformed packet: no string {0}")]
    NoString(u8),
    #[error("malformed packet: nested too deeply")]
    Deep,
    #[error("malformed packet: a key that no table takes")]
    Key,
    #[error("malformed packet: a metatable that is no table")]
    Metatable,
    #[error("malformed packet: a function without upvalue {0}")]
    Upvalue(u8),
    #[error("malformed packet: code that cannot be loaded")]
    Code,
    #[error("not enough memory")]
    Memory,
    #[error("malformed packet: no function to be started")]
    NoFunction,
    #[error("too many values at once; a Lua stack has room for {STACK_LIMIT}")]
    TooMany,
    #[error("{0}")]
    Name(String),
}

impl Malformed {
    /// Where the stack takes no more than these values: there are too many, or there is no memory for them.
    pub(in crate::packet) fn of_stack(values: i32, state: &State) -> Self {
        let is_limited = state.system.settings().memory_limit.is_some();
        if is_limited && values < STACK_LIMIT / 2 { Self::Memory } else { Self::TooMany }
    }
}

impl From<Unloadable> for Malformed {
    fn from(why: Unloadable) -> Self {
        match why {
            Unloadable::Memory => Self::Memory,
            Unloadable::Code => Self::Code,
        }
    }
}
