//! [`Instruction`]: one instruction of Lua 5.2 or 5.3, which registers it uses, and what runs after it.

use super::super::Malformed;
use super::super::instruction::{self, Action, Edge, Key, jump, next};

/// The operations; those that compute a value from one or from two others are all the same here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
enum Op {
    Move, LoadK, LoadKX, LoadBool, LoadNil,
    GetUpval, GetTabUp, GetTable, SetTabUp, SetUpval, SetTable, NewTable, SelfField,
    Binary, Unary, Concat,
    Jmp, Compare, Test, TestSet,
    Call, TailCall, Return,
    ForLoop, ForPrep, TForCall, TForLoop,
    SetList, Closure, Vararg, ExtraArg,
}

/// The operations in the order of their codes, up to the operators and after them.
#[rustfmt::skip]
const BEFORE: &[Op] = &[
    Op::Move, Op::LoadK, Op::LoadKX, Op::LoadBool, Op::LoadNil,
    Op::GetUpval, Op::GetTabUp, Op::GetTable, Op::SetTabUp, Op::SetUpval, Op::SetTable, Op::NewTable, Op::SelfField,
];
#[rustfmt::skip]
const AFTER: &[Op] = &[
    Op::Concat,
    Op::Jmp, Op::Compare, Op::Compare, Op::Compare, Op::Test, Op::TestSet,
    Op::Call, Op::TailCall, Op::Return,
    Op::ForLoop, Op::ForPrep, Op::TForCall, Op::TForLoop,
    Op::SetList, Op::Closure, Op::Vararg, Op::ExtraArg,
];

/// One decoded instruction of Lua 5.`MINOR`.
#[derive(Clone, Copy)]
pub(in super::super) struct Instruction<const MINOR: u8> {
    op: Op,
    word: u32,
}

impl<const MINOR: u8> Instruction<MINOR> {
    /// How many operators there are with two operands, and with one.
    const OPERATORS: (usize, usize) = if MINOR == 2 { (6, 3) } else { (12, 4) };

    fn a(self) -> usize {
        (self.word >> 6 & 0xff) as usize
    }

    fn b(self) -> usize {
        (self.word >> 23) as usize
    }

    fn c(self) -> usize {
        (self.word >> 14 & 0x1ff) as usize
    }

    fn bx(self) -> usize {
        (self.word >> 14) as usize
    }

    /// Written so that the middle of its range is zero.
    fn signed_bx(self) -> isize {
        self.bx().cast_signed() - 0x1_ffff
    }

    fn ax(self) -> usize {
        (self.word >> 6) as usize
    }
}

/// An operand that is a register or a constant.
fn operand(operand: usize) -> Key {
    if operand & 0x100 == 0 { Key::Register(operand) } else { Key::Constant(operand & 0xff) }
}

impl<const MINOR: u8> instruction::Instruction for Instruction<MINOR> {
    fn decode(word: u32) -> Result<Self, Malformed> {
        let code = (word & 0x3f) as usize;
        let (binary, unary) = Self::OPERATORS;
        let op = match BEFORE.get(code) {
            Some(op) => Some(*op),
            None => match code - BEFORE.len() {
                operator if operator < binary => Some(Op::Binary),
                operator if operator < binary + unary => Some(Op::Unary),
                other => AFTER.get(other - binary - unary).copied(),
            },
        };
        Ok(Self { op: op.ok_or(Malformed::Invalid("no such instruction"))?, word })
    }

    fn action(self) -> Action {
        let (a, b, c) = (self.a(), self.b(), self.c());
        match self.op {
            Op::GetUpval => Action::GetUpvalue { upvalue: b, to: a },
            Op::SetUpval => Action::SetUpvalue { upvalue: b, from: a },
            Op::GetTabUp => Action::GetUpvalueField { upvalue: b, key: operand(c) },
            Op::SetTabUp => Action::SetUpvalueField { upvalue: a, key: operand(b) },
            Op::GetTable => Action::GetField { table: b, key: operand(c) },
            Op::SetTable => Action::SetField { table: a, key: operand(b), from: (c < 0x100).then_some(c) },
            Op::SelfField => Action::GetMethod { table: b, key: operand(c) },
            Op::LoadK => Action::LoadConstant { to: a, constant: self.bx() },
            Op::LoadKX => Action::LoadFarConstant { to: a },
            Op::ExtraArg => Action::Extra(self.ax()),
            Op::Closure => Action::Closure { to: a, child: self.bx() },
            Op::Jmp if a > 0 => Action::Close { from: a - 1 },
            _ => Action::Other,
        }
    }

    fn reads(self, register: usize) -> bool {
        use Op::*;
        let (a, b, c) = (self.a(), self.b(), self.c());
        // The number of a constant is none that a register has.
        let is = |operand| operand == register;
        let within = |first, count: usize| (first..first + count).contains(&register);
        match self.op {
            Move | Unary | TestSet => is(b),
            GetTabUp => is(c),
            SetTabUp | Binary | Compare => is(b) || is(c),
            GetTable | SelfField => is(b) || is(c),
            SetTable => is(a) || is(b) || is(c),
            SetUpval | Test => is(a),
            Concat => (b..=c).contains(&register),
            // The operand is the number of values and one more, or 0 for an open range.
            Call | TailCall | Return | SetList if b == 0 => register >= a,
            Call | TailCall => within(a, b),
            Return => within(a, b - 1),
            SetList => within(a, b + 1),
            ForLoop | ForPrep | TForCall => within(a, 3),
            TForLoop => is(a + 1),
            LoadK | LoadKX | LoadBool | LoadNil | GetUpval | NewTable | Closure | Vararg | Jmp | ExtraArg => {
                false
            }
        }
    }

    fn overwrites(self, register: usize, edge: Edge) -> bool {
        use Op::*;
        let (a, b) = (self.a(), self.b());
        let is = |operand| operand == register;
        match self.op {
            SetTabUp | SetUpval | SetTable | SetList | Jmp | Compare | Test | ExtraArg | TailCall
            | Return => false,
            LoadNil => (a..=a + b).contains(&register),
            SelfField => is(a) || is(a + 1),
            TestSet => is(a) && edge == Edge::Next,
            // The frame of the called function lay there.
            Call => register >= a,
            TForCall => register >= a + 3,
            Vararg if b == 0 => register >= a,
            Vararg => (a..a + b - 1).contains(&register),
            // The variables of the loop are set only if there is one more turn.
            ForLoop => is(a + 3) && edge == Edge::Jump,
            TForLoop => is(a) && edge == Edge::Jump,
            _ => is(a),
        }
    }

    fn successors(self, pc: usize) -> Result<impl Iterator<Item = (Edge, usize)>, Malformed> {
        use Op::*;
        let skip = Some((Edge::Skip, pc + 2));
        let ways = match self.op {
            LoadBool if self.c() != 0 => [skip, None],
            Jmp | ForPrep => [jump(pc, self.signed_bx())?, None],
            ForLoop | TForLoop => [next(pc), jump(pc, self.signed_bx())?],
            Compare | Test | TestSet => [next(pc), skip],
            TailCall | Return => [None, None],
            _ => [next(pc), None],
        };
        Ok(ways.into_iter().flatten())
    }
}
