//! [`Instruction`]: what must be known of an instruction to follow values through registers (Lua 5.2 and later).

use super::Malformed;

/// One decoded instruction.
pub(super) trait Instruction: Copy {
    fn decode(word: u32) -> Result<Self, Malformed>;

    /// What it does with captured variables, fields and constants.
    fn action(self) -> Action;

    /// Whether it uses the value in `register`.
    ///
    /// A range that is open (as the arguments in `f(g())`) is taken to go on without end. That is exact: the call
    /// that left it open has [overwritten](Self::overwrites) everything from its own first result on.
    fn reads(self, register: usize) -> bool;

    /// Whether `register` has another value, or none that is used again, after this instruction and on this way.
    fn overwrites(self, register: usize, edge: Edge) -> bool;

    /// The instructions that can run after this one, which stands at `pc`.
    fn successors(self, pc: usize) -> Result<impl Iterator<Item = (Edge, usize)>, Malformed>;
}

/// What an instruction does, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A register gets the value of a captured variable.
    GetUpvalue { upvalue: usize, to: usize },
    /// A captured variable gets the value of a register.
    SetUpvalue { upvalue: usize, from: usize },
    /// A field of a captured variable is read.
    GetUpvalueField { upvalue: usize, key: Key },
    /// A field of a captured variable is assigned.
    SetUpvalueField { upvalue: usize, key: Key },
    /// A field of what is in a register is read.
    GetField { table: usize, key: Key },
    /// A field of what is in a register is assigned, from another register or a constant.
    SetField { table: usize, key: Key, from: Option<usize> },
    /// A field is read, to be called with the table as the first argument.
    GetMethod { table: usize, key: Key },
    /// A register gets a constant.
    LoadConstant { to: usize, constant: usize },
    /// A register gets the constant that the next instruction names.
    LoadFarConstant { to: usize },
    /// The number that the instruction before it had no room for.
    Extra(usize),
    /// A register gets a new closure.
    Closure { to: usize, child: usize },
    /// The variables from this register on end, and closures no longer share their registers.
    Close { from: usize },
    /// None of these.
    Other,
}

/// The key of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A constant that must be a string.
    Name(usize),
    /// A constant of any type.
    Constant(usize),
    /// What is in a register.
    Register(usize),
}

/// A way from an instruction to one that can run next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    /// On to the next one.
    Next,
    /// Past the next one.
    Skip,
    /// To where the instruction says.
    Jump,
}

/// The way on to the next instruction.
pub(super) fn next(pc: usize) -> Option<(Edge, usize)> {
    Some((Edge::Next, pc + 1))
}

/// A way to the instruction `by` after the next one, or before it.
pub(super) fn jump(pc: usize, by: isize) -> Result<Option<(Edge, usize)>, Malformed> {
    match (pc + 1).checked_add_signed(by) {
        Some(target) => Ok(Some((Edge::Jump, target))),
        None => Err(Malformed::Invalid("a jump to before the beginning")),
    }
}
