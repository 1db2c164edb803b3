//! What becomes of an upvalue that was loaded into a register.
//!
//! A global is one instruction only while the name is [at hand](super::key). In 5.4 and later the compiler loads
//! `_ENV` as well where it is not, and in all versions a script can do so:
//!
//! ```text
//! GETUPVAL  5 0      R5 := _ENV
//! LOADK     6 300    R6 := "name"
//! ...                the value to be assigned, which may hold calls and jumps
//! SETTABLE  5 6 7    R5[R6] := R7
//! ```
//!
//! So each load is followed along every way the code can take, until its register is overwritten. A use of the
//! register is a field access, which gives a name if the key is known; or it is anything else, and the value has
//! escaped.

use super::super::Malformed;
use super::super::instruction::{Action, Instruction};
use super::flow::Flow;

/// A use of the upvalue that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use<'a> {
    /// The field with this name is read.
    Reads(&'a [u8]),
    /// The field with this name is assigned.
    Writes(&'a [u8]),
    /// Used as a value, or with a key that is not known here, in this function or where it passes the value to.
    Escapes,
    /// Stored in a variable of an enclosing function, so that it can turn up in any other.
    Stored,
}

impl<'a, I: Instruction> Flow<'_, 'a, I> {
    /// Reports every use of what the instruction at `start` has loaded into `register`.
    pub(super) fn follow(
        &mut self,
        start: usize,
        register: usize,
        mut report: impl FnMut(Use<'a>),
    ) -> Result<(), Malformed> {
        if self.is_shared(register, start)? {
            report(Use::Escapes);
        }
        // The instructions are looked up when all are known: tracing a key is a walk of its own.
        let mut users = Vec::new();
        self.begin_walk();
        let mut pending = vec![start + 1];
        while let Some(pc) = pending.pop() {
            // Reads the instruction first: it is what fails if there is none.
            let instruction = self.instruction(pc)?;
            if !self.visit(pc) {
                continue;
            }
            if !self.step() {
                report(Use::Escapes);
                return Ok(());
            }
            if instruction.reads(register) || self.captures(instruction, register)? {
                users.push(pc);
            }
            let ways = instruction.successors(pc)?;
            pending.extend(
                ways.filter(|(edge, _)| !instruction.overwrites(register, *edge)).map(|(_, target)| target),
            );
        }
        users.into_iter().try_for_each(|pc| self.used(pc, register, &mut report))
    }

    /// Reports the use of `register` by the instruction at `pc`.
    fn used(
        &mut self,
        pc: usize,
        register: usize,
        report: &mut impl FnMut(Use<'a>),
    ) -> Result<(), Malformed> {
        match self.instruction(pc)?.action() {
            Action::GetField { table, key } if table == register => {
                report(self.name(key, pc)?.map_or(Use::Escapes, Use::Reads));
            }
            Action::SetField { table, key, from } if table == register => {
                report(self.name(key, pc)?.map_or(Use::Escapes, Use::Writes));
                if from == Some(register) {
                    report(Use::Escapes);
                }
            }
            // The table itself goes along as the first argument.
            Action::GetMethod { table, key } if table == register => {
                self.name(key, pc)?.map(Use::Reads).map(&mut *report);
                report(Use::Escapes);
            }
            Action::SetUpvalue { .. } => report(Use::Stored),
            // In its own register a closure finds itself, not what was there.
            Action::Closure { to, .. } if to == register => {}
            _ => report(Use::Escapes),
        }
        Ok(())
    }
}
