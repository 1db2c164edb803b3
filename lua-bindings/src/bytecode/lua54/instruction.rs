//! [`Instruction`]: one instruction of Lua 5.4, which registers it uses, and what runs after it.

use super::super::Malformed;

macro_rules! operations {
    ($($name:ident)*) => {
        /// The operations, in the order of their codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Op { $($name),* }

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
pub(super) struct Instruction {
    pub(super) op: Op,
    raw: u32,
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

impl Instruction {
    pub(super) fn decode(raw: u32) -> Result<Self, Malformed> {
        let op = Op::ALL.get((raw & 0x7f) as usize).copied();
        Ok(Self { op: op.ok_or(Malformed::Invalid("no such instruction"))?, raw })
    }

    pub(super) fn a(self) -> usize {
        (self.raw >> 7 & 0xff) as usize
    }

    pub(super) fn b(self) -> usize {
        (self.raw >> 16 & 0xff) as usize
    }

    pub(super) fn c(self) -> usize {
        (self.raw >> 24) as usize
    }

    /// One bit more; for most, that `C` is a constant and not a register.
    pub(super) fn k(self) -> bool {
        self.raw >> 15 & 1 == 1
    }

    pub(super) fn bx(self) -> usize {
        (self.raw >> 15) as usize
    }

    pub(super) fn ax(self) -> usize {
        (self.raw >> 7) as usize
    }

    /// The register in `C`, where a constant could stand as well.
    fn rk(self) -> Option<usize> {
        (!self.k()).then(|| self.c())
    }

    /// Whether it uses the value in `register`.
    ///
    /// A range that is open (as the arguments in `f(g())`) is taken to go on without end. That is exact: the call
    /// that left it open has [overwritten](Self::overwrites) everything from its own first result on.
    pub(super) fn reads(self, register: usize) -> bool {
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

    /// Whether `register` has another value, or none that is used again, after this instruction and on this way.
    pub(super) fn overwrites(self, register: usize, edge: Edge) -> bool {
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

    /// The instructions that can run after this one, which stands at `pc`.
    pub(super) fn successors(self, pc: usize) -> Result<impl Iterator<Item = (Edge, usize)>, Malformed> {
        use Op::*;
        let (next, skip) = (Some((Edge::Next, pc + 1)), Some((Edge::Skip, pc + 2)));
        let jump = |target: Option<usize>| match target {
            Some(target) => Ok(Some((Edge::Jump, target))),
            None => Err(Malformed::Invalid("a jump to before the beginning")),
        };
        let ways = match self.op {
            // The offset is written so that the middle of its range is zero.
            Jmp => [jump((pc + 1 + self.ax()).checked_sub(0xff_ffff))?, None],
            LFalseSkip => [skip, None],
            Eq | Lt | Le | EqK | EqI | LtI | LeI | GtI | GeI | Test | TestSet => [next, skip],
            TailCall | Return | Return0 | Return1 => [None, None],
            ForLoop | TForLoop => [next, jump((pc + 1).checked_sub(self.bx()))?],
            ForPrep => [next, jump(Some(pc + self.bx() + 2))?],
            TForPrep => [jump(Some(pc + self.bx() + 1))?, None],
            _ => [next, None],
        };
        Ok(ways.into_iter().flatten())
    }
}
