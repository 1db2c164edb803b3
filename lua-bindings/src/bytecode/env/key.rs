//! What [`Flow`] can tell of the keys of fields.
//!
//! A name is part of the instruction only while it is among the first 256 constants of the function (and, from 5.4 on,
//! at most 40 bytes long). Beyond that the compiler loads it into a register first:
//!
//! ```text
//! LOADK     6 300    R6 := "name"
//! ...                the value to be assigned, which may hold calls and jumps
//! SETTABUP  0 6 7    _ENV[R6] := R7
//! ```
//!
//! So a key in a register is traced back along every way that leads to its use.

use super::super::Malformed;
use super::super::instruction::{Action, Instruction, Key};
use super::flow::Flow;

impl<'a, I: Instruction> Flow<'_, 'a, I> {
    /// The name that this key of the instruction at `pc` is; `None` if it can be anything else.
    pub(super) fn name(&mut self, key: Key, pc: usize) -> Result<Option<&'a [u8]>, Malformed> {
        match key {
            Key::Name(constant) => self.proto.name(constant).map(Some),
            Key::Constant(constant) => self.proto.string(constant),
            Key::Register(register) => self.name_in(register, pc),
        }
    }

    /// The string that is in `register` before `pc`, if it is one constant whichever way the code has taken.
    fn name_in(&mut self, register: usize, pc: usize) -> Result<Option<&'a [u8]>, Malformed> {
        let mut name = None;
        self.begin_walk();
        let mut pending = vec![pc];
        while let Some(pc) = pending.pop() {
            if !self.visit(pc) {
                continue;
            }
            // What a function begins with is its arguments.
            if pc == 0 || !self.step() {
                return Ok(None);
            }
            for (from, edge) in self.ways_into(pc)? {
                let instruction = self.instruction(from)?;
                if self.captures(instruction, register)? {
                    return Ok(None);
                }
                if !instruction.overwrites(register, edge) {
                    pending.push(from);
                    continue;
                }
                let loaded = self.loaded(instruction, register, from)?;
                if loaded.is_none() || name.is_some_and(|name| loaded != Some(name)) {
                    return Ok(None);
                }
                if self.is_shared(register, from)? {
                    return Ok(None);
                }
                name = loaded;
            }
        }
        Ok(name)
    }

    /// The string constant that the instruction at `pc` puts into `register`, if it is that what it does.
    fn loaded(&self, instruction: I, register: usize, pc: usize) -> Result<Option<&'a [u8]>, Malformed> {
        match instruction.action() {
            Action::LoadConstant { to, constant } if to == register => self.proto.string(constant),
            Action::LoadFarConstant { to } if to == register => match self.instruction(pc + 1)?.action() {
                Action::Extra(constant) => self.proto.string(constant),
                _ => Err(Malformed::Invalid("a constant without a number")),
            },
            _ => Ok(None),
        }
    }
}
