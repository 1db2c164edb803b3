//! [`Instruction`]: one instruction of Lua 5.5, told by what is different from 5.4.

use super::super::Malformed;
use super::super::instruction::{self, Action, Edge, Key};
use super::super::lua54::instruction::{Instruction as Instruction54, Op};

/// One decoded instruction.
#[derive(Clone, Copy)]
pub(super) struct Instruction {
    /// The instruction of 5.4 that does the same, or nearly.
    like: Instruction54,
    word: u32,
}

/// Where the codes of the two versions part: two new ones are before the last two.
const GET_VARARG: u32 = 81;
const ERROR_IF_NOT_NIL: u32 = 82;

impl Instruction {
    /// The number of values of `SETLIST`, whose operands have widths of their own.
    fn list_len(self) -> usize {
        (self.word >> 16 & 0x3f) as usize
    }
}

impl instruction::Instruction for Instruction {
    fn decode(word: u32) -> Result<Self, Malformed> {
        // The two shifts by a number have changed places as well, and use registers alike.
        let like = match word & 0x7f {
            // Takes a field of the table of arguments: a register indexed by another.
            GET_VARARG => Op::GetTable as u32,
            // Looks at one register.
            ERROR_IF_NOT_NIL => Op::Tbc as u32,
            code @ ..GET_VARARG => code,
            code => code - 2,
        };
        Ok(Self { like: Instruction54::with_code(like, word)?, word })
    }

    fn action(self) -> Action {
        match self.like.op {
            Op::SelfField => Action::GetMethod { table: self.like.b(), key: Key::Name(self.like.c()) },
            _ => self.like.action(),
        }
    }

    fn reads(self, register: usize) -> bool {
        let (a, b) = (self.like.a(), self.like.b());
        let within = |first, count: usize| (first..first + count).contains(&register);
        match self.like.op {
            Op::SelfField => register == b,
            Op::SetList if self.list_len() == 0 => register >= a,
            Op::SetList => within(a, self.list_len() + 1),
            Op::Vararg => self.like.k() && register == b,
            // The variable of the loop is the fourth; the third is the one that is closed at the end.
            Op::TForPrep => within(a + 2, 2),
            Op::TForCall => within(a, 2) || register == a + 3,
            Op::TForLoop => register == a + 3,
            _ => self.like.reads(register),
        }
    }

    fn overwrites(self, register: usize, edge: Edge) -> bool {
        let a = self.like.a();
        match self.like.op {
            Op::TForCall => register >= a + 3,
            Op::TForLoop => false,
            // The variable of the loop is the third.
            Op::ForPrep => register == a + 2 && edge == Edge::Next,
            Op::ForLoop => register == a + 2 && edge == Edge::Jump,
            _ => self.like.overwrites(register, edge),
        }
    }

    fn successors(self, pc: usize) -> Result<impl Iterator<Item = (Edge, usize)>, Malformed> {
        self.like.successors(pc)
    }
}
