//! [`Instruction`]: one instruction of Lua 5.4, which registers it uses, and what runs after it.

use super::super::Malformed;
use super::super::instruction::{self, Action, Edge, Key, jump, next};

macro_rules! operations {
    ($($name:ident)*) => {
        /// The operations, in the order of their codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in super::super) enum Op { $($name),* }

        impl Op {
            const ALL: &[Op] = &[$(Op::$name),*];
        }
    };
}

operations! {
    Move LoadI LoadF LoadK LoadKX LoadFalse LFalseSkip LoadTrue LoadNil
    GetUpval SetUpval
    GetTabUp GetTable GetI GetField
    SetTabUp SetTable SetI SetField
    NewTable SelfField
    AddI AddK SubK MulK ModK PowK DivK IDivK BAndK BOrK BXorK ShrI ShlI
    Add Sub Mul Mod Pow Div IDiv BAnd BOr BXor Shl Shr
    MmBin MmBinI MmBinK
    Unm BNot Not Len Concat
    Close Tbc Jmp
    Eq Lt Le EqK EqI LtI LeI GtI GeI Test TestSet
    Call TailCall Return Return0 Return1
    ForLoop ForPrep TForPrep TForCall TForLoop
    SetList Closure Vararg VarargPrep ExtraArg
}

/// One decoded instruction.
#[derive(Clone, Copy)]
pub(in super::super) struct Instruction {
    pub(in super::super) op: Op,
    word: u32,
}

impl Instruction {
    /// The operation with this code, if there is one.
    pub(in super::super) fn with_code(code: u32, word: u32) -> Result<Self, Malformed> {
        let op = Op::ALL.get(code as usize).copied();
        Ok(Self { op: op.ok_or(Malformed::Invalid("no such instruction"))?, word })
    }

    pub(in super::super) fn a(self) -> usize {
        (self.word >> 7 & 0xff) as usize
    }

    pub(in super::super) fn b(self) -> usize {
        (self.word >> 16 & 0xff) as usize
    }

    pub(in super::super) fn c(self) -> usize {
        (self.word >> 24) as usize
    }

    /// One bit more; for most, that `C` is a constant and not a register.
    pub(in super::super) fn k(self) -> bool {
        self.word >> 15 & 1 == 1
    }

    pub(in super::super) fn bx(self) -> usize {
        (self.word >> 15) as usize
    }

    fn ax(self) -> usize {
        (self.word >> 7) as usize
    }

    /// The register in `C`, where a constant could stand as well.
    fn rk(self) -> Option<usize> {
        (!self.k()).then(|| self.c())
    }
}

impl instruction::Instruction for Instruction {
    fn decode(word: u32) -> Result<Self, Malformed> {
        Self::with_code(word & 0x7f, word)
    }

    fn action(self) -> Action {
        use Op::*;
        let (a, b, c) = (self.a(), self.b(), self.c());
        match self.op {
            GetUpval => Action::GetUpvalue { upvalue: b, to: a },
            SetUpval => Action::SetUpvalue { upvalue: b, from: a },
            GetTabUp => Action::GetUpvalueField { upvalue: b, key: Key::Name(c) },
            SetTabUp => Action::SetUpvalueField { upvalue: a, key: Key::Name(b) },
            GetTable => Action::GetField { table: b, key: Key::Register(c) },
            GetField => Action::GetField { table: b, key: Key::Name(c) },
            SetTable => Action::SetField { table: a, key: Key::Register(b), from: self.rk() },
            SetField => Action::SetField { table: a, key: Key::Name(b), from: self.rk() },
            SelfField if self.k() => Action::GetMethod { table: b, key: Key::Name(c) },
            SelfField => Action::GetMethod { table: b, key: Key::Register(c) },
            LoadK => Action::LoadConstant { to: a, constant: self.bx() },
            LoadKX => Action::LoadFarConstant { to: a },
            ExtraArg => Action::Extra(self.ax()),
            Closure => Action::Closure { to: a, child: self.bx() },
            Close => Action::Close { from: a },
            _ => Action::Other,
        }
    }

    fn reads(self, register: usize) -> bool {
        use Op::*;
        let (a, b, c) = (self.a(), self.b(), self.c());
        let is = |operand| operand == register;
        let within = |first, count: usize| (first..first + count).contains(&register);
        match self.op {
            Move | GetI | GetField | Unm | BNot | Not | Len | TestSet => is(b),
            AddI | AddK | SubK | MulK | ModK | PowK | DivK | IDivK | BAndK | BOrK | BXorK | ShrI | ShlI => {
                is(b)
            }
            GetTable | Add | Sub | Mul | Mod | Pow | Div | IDiv | BAnd | BOr | BXor | Shl | Shr => {
                is(b) || is(c)
            }
            SetUpval | Tbc | MmBinI | MmBinK | Test | Return1 => is(a),
            EqK | EqI | LtI | LeI | GtI | GeI => is(a),
            MmBin | Eq | Lt | Le => is(a) || is(b),
            SetTabUp => self.rk().is_some_and(is),
            SetI | SetField => is(a) || self.rk().is_some_and(is),
            SetTable => is(a) || is(b) || self.rk().is_some_and(is),
            SelfField => is(b) || self.rk().is_some_and(is),
            Concat => within(a, b),
            // B is the number of values and one more, or 0 for an open range.
            Return => {
                if b == 0 {
                    register >= a
                } else {
                    within(a, b - 1)
                }
            }
            Call | TailCall => {
                if b == 0 {
                    register >= a
                } else {
                    within(a, b)
                }
            }
            SetList => {
                if b == 0 {
                    register >= a
                } else {
                    within(a, b + 1)
                }
            }
            ForLoop | ForPrep | TForCall => within(a, 3),
            TForPrep => is(a + 3),
            TForLoop => is(a + 4),
            LoadI | LoadF | LoadK | LoadKX | LoadFalse | LFalseSkip | LoadTrue | LoadNil => false,
            GetUpval | GetTabUp | NewTable | Closure | Vararg => false,
            Close | Jmp | Return0 | VarargPrep | ExtraArg => false,
        }
    }

    fn overwrites(self, register: usize, edge: Edge) -> bool {
        use Op::*;
        let (a, b, c) = (self.a(), self.b(), self.c());
        let is = |operand| operand == register;
        match self.op {
            SetUpval | SetTabUp | SetTable | SetI | SetField | SetList => false,
            MmBin | MmBinI | MmBinK | Close | Tbc | Jmp | VarargPrep | ExtraArg | TForPrep => false,
            Eq | Lt | Le | EqK | EqI | LtI | LeI | GtI | GeI | Test => false,
            TailCall | Return | Return0 | Return1 => false,
            LoadNil => (a..=a + b).contains(&register),
            SelfField => is(a) || is(a + 1),
            TestSet => is(a) && edge == Edge::Next,
            // The frame of the called function lay there.
            Call => register >= a,
            TForCall => register >= a + 4,
            Vararg => {
                if c == 0 {
                    register >= a
                } else {
                    (a..a + c - 1).contains(&register)
                }
            }
            // The variable of the loop is set only if there is one more turn.
            ForPrep => is(a + 3) && edge == Edge::Next,
            ForLoop => is(a + 3) && edge == Edge::Jump,
            TForLoop => is(a + 2) && edge == Edge::Jump,
            _ => is(a),
        }
    }

    fn successors(self, pc: usize) -> Result<impl Iterator<Item = (Edge, usize)>, Malformed> {
        use Op::*;
        let skip = Some((Edge::Skip, pc + 2));
        let forward = self.bx().cast_signed();
        let ways = match self.op {
            // The offset is written so that the middle of its range is zero.
            Jmp => [jump(pc, self.ax().cast_signed() - 0xff_ffff)?, None],
            LFalseSkip => [skip, None],
            Eq | Lt | Le | EqK | EqI | LtI | LeI | GtI | GeI | Test | TestSet => [next(pc), skip],
            TailCall | Return | Return0 | Return1 => [None, None],
            ForLoop | TForLoop => [next(pc), jump(pc, -forward)?],
            ForPrep => [next(pc), jump(pc, forward + 1)?],
            TForPrep => [jump(pc, forward)?, None],
            _ => [next(pc), None],
        };
        Ok(ways.into_iter().flatten())
    }
}
