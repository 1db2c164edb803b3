//! [`Follower`]: what becomes of an upvalue that was loaded into a register.
//!
//! A global is one instruction, `GETTABUP`, only while its name is among the first 256 constants of the function and
//! at most 40 bytes long. Beyond that the compiler loads `_ENV`, then the name, then indexes one with the other:
//!
//! ```text
//! GETUPVAL  5 0      R5 := _ENV
//! LOADK     6 300    R6 := "name"
//! ...                the value to be assigned, which may hold calls and jumps
//! SETTABLE  5 6 7    R5[R6] := R7
//! ```
//!
//! So each load is followed along every way the code can take, until its register is overwritten. A use of the
//! register is that pattern or a field access by constant, which gives a name; or it is anything else, and the value
//! has escaped.

use super::super::Malformed;
use super::instruction::{Instruction, Op};
use super::proto::Proto;

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

/// Follows registers through one function.
pub(super) struct Follower<'p, 'a> {
    protos: &'p [Proto<'a>],
    proto: &'p Proto<'a>,
    /// Instructions that may still be looked at. Compilers write code where a load is used a few instructions on;
    /// code made so that every load must be followed through all of it is given up on, as escaped.
    steps_left: usize,
    /// For each instruction, without and with the key known: the last walk that came by. Made on first use.
    seen: Vec<[u32; 2]>,
    walk: u32,
    /// By register: the instructions before which a closure may share it.
    shared: Vec<(usize, Vec<bool>)>,
}

/// The register and name of the key that is loaded right after the upvalue.
#[derive(Clone, Copy)]
struct Key<'a> {
    loaded_at: usize,
    register: usize,
    name: &'a [u8],
}

impl<'p, 'a> Follower<'p, 'a> {
    pub(super) fn new(protos: &'p [Proto<'a>], proto: &'p Proto<'a>) -> Self {
        let steps_left = proto.len().saturating_mul(64).saturating_add(4096);
        Self { protos, proto, steps_left, seen: Vec::new(), walk: 0, shared: Vec::new() }
    }

    /// Reports every use of what the `GETUPVAL` at `start` has loaded.
    pub(super) fn follow(&mut self, start: usize, mut report: impl FnMut(Use<'a>)) -> Result<(), Malformed> {
        let register = self.proto.instruction(start)?.a();
        if self.is_shared(register, start)? {
            report(Use::Escapes);
        }
        let key = self.key(start, register)?;
        self.seen.resize(self.proto.len(), [0; 2]);
        self.walk += 1;

        let mut pending = vec![(start + 1, false)];
        while let Some((pc, key_known)) = pending.pop() {
            // Reads the instruction first: it is what fails if there is none.
            let instruction = self.proto.instruction(pc)?;
            if std::mem::replace(&mut self.seen[pc][usize::from(key_known)], self.walk) == self.walk {
                continue;
            }
            if !self.step() {
                report(Use::Escapes);
                return Ok(());
            }
            let known = key.filter(|_| key_known);
            self.uses(instruction, register, known, &mut report)?;
            let key_stays = match known {
                Some(key) => !self.captures(instruction, key.register)?,
                None => false,
            };
            for (edge, target) in instruction.successors(pc)? {
                if instruction.overwrites(register, edge) {
                    continue;
                }
                let loads = key.is_some_and(|key| key.loaded_at == pc);
                let keeps = key.is_some_and(|key| key_stays && !instruction.overwrites(key.register, edge));
                pending.push((target, loads || keeps));
            }
        }
        Ok(())
    }

    /// The uses of `register` by one instruction.
    fn uses(
        &self,
        instruction: Instruction,
        register: usize,
        key: Option<Key<'a>>,
        report: &mut impl FnMut(Use<'a>),
    ) -> Result<(), Malformed> {
        let (a, b, c) = (instruction.a(), instruction.b(), instruction.c());
        let name_in = |register| key.filter(|key| key.register == register).map(|key| key.name);
        let is_value = !instruction.k() && c == register;
        match instruction.op {
            Op::GetField if b == register => report(Use::Reads(self.proto.name(c)?)),
            Op::SetField if a == register => {
                report(Use::Writes(self.proto.name(b)?));
                if is_value {
                    report(Use::Escapes);
                }
            }
            Op::GetTable if b == register => report(name_in(c).map_or(Use::Escapes, Use::Reads)),
            Op::SetTable if a == register && !is_value => {
                report(name_in(b).map_or(Use::Escapes, Use::Writes))
            }
            // The table itself goes along as the first argument.
            Op::SelfField if b == register => {
                if instruction.k() {
                    report(Use::Reads(self.proto.name(c)?));
                }
                report(Use::Escapes);
            }
            Op::SetUpval if a == register => report(Use::Stored),
            // In its own register a closure finds itself, not what was there.
            Op::Closure if a != register && self.captures(instruction, register)? => report(Use::Escapes),
            _ if instruction.reads(register) => report(Use::Escapes),
            _ => {}
        }
        Ok(())
    }

    /// The key that is loaded right after the upvalue, if its register can be relied on.
    fn key(&mut self, start: usize, upvalue: usize) -> Result<Option<Key<'a>>, Malformed> {
        let load = self.proto.instruction(start + 1)?;
        let (constant, loaded_at) = match load.op {
            Op::LoadK => (load.bx(), start + 1),
            Op::LoadKX => (self.proto.instruction(start + 2)?.ax(), start + 2),
            _ => return Ok(None),
        };
        let register = load.a();
        if register == upvalue || self.is_shared(register, start)? {
            return Ok(None);
        }
        Ok(self.proto.string(constant)?.map(|name| Key { loaded_at, register, name }))
    }

    /// Whether this instruction makes a closure that shares the variable in `register` from then on.
    fn captures(&self, instruction: Instruction, register: usize) -> Result<bool, Malformed> {
        if instruction.op != Op::Closure {
            return Ok(false);
        }
        let child = self.protos.get(self.proto.child(instruction.bx())?);
        Ok(child.is_some_and(|child| child.captures.contains(register)))
    }

    /// Whether a closure made before `pc` may still share the variable in `register`, so that what is put there is
    /// seen elsewhere, and can be changed from there.
    fn is_shared(&mut self, register: usize, pc: usize) -> Result<bool, Malformed> {
        if !self.proto.captured.contains(register) {
            return Ok(false);
        }
        if let Some((_, shared)) = self.shared.iter().find(|(known, _)| *known == register) {
            return Ok(shared.get(pc).copied().unwrap_or(true));
        }
        // The list is as long as the code, and there is one per register: it counts as steps.
        self.steps_left = self.steps_left.saturating_sub(self.proto.len());
        if self.steps_left == 0 {
            return Ok(true);
        }
        let shared = self.where_shared(register)?;
        let answer = shared.get(pc).copied().unwrap_or(true);
        self.shared.push((register, shared));
        Ok(answer)
    }

    /// From each closure that captures `register`, on to where the scope of the variable is closed.
    fn where_shared(&self, register: usize) -> Result<Vec<bool>, Malformed> {
        let mut shared = vec![false; self.proto.len()];
        let mut pending = Vec::new();
        for pc in 0..self.proto.len() {
            let instruction = self.proto.instruction(pc)?;
            if self.captures(instruction, register)? {
                pending.extend(instruction.successors(pc)?);
            }
            while let Some((_, pc)) = pending.pop() {
                let instruction = self.proto.instruction(pc)?;
                let closes = instruction.op == Op::Close && instruction.a() <= register;
                if !std::mem::replace(&mut shared[pc], true) && !closes {
                    pending.extend(instruction.successors(pc)?);
                }
            }
        }
        Ok(shared)
    }

    fn step(&mut self) -> bool {
        self.steps_left = self.steps_left.saturating_sub(1);
        self.steps_left > 0
    }
}
