//! [`Flow`]: the ways through the code of one function, and the closures that share its registers.

use std::marker::PhantomData;

use super::super::Malformed;
use super::super::instruction::{Action, Edge, Instruction};
use super::super::proto::Proto;

/// Follows registers through one function.
pub(super) struct Flow<'p, 'a, I> {
    protos: &'p [Proto<'a>],
    pub(super) proto: &'p Proto<'a>,
    /// Instructions that may still be looked at. Compilers write code where a load is used a few instructions on;
    /// code made so that every load must be followed through all of it is given up on, as escaped.
    steps_left: usize,
    /// For each instruction: the last walk that came by. Made on first use.
    seen: Vec<u32>,
    walk: u32,
    /// By register: the instructions before which a closure may share it.
    shared: Vec<(usize, Vec<bool>)>,
    /// The ways into each instruction, ascending: it, and from where. Made on first use.
    ways_in: Option<Vec<(usize, usize, Edge)>>,
    instructions: PhantomData<I>,
}

impl<'p, 'a, I: Instruction> Flow<'p, 'a, I> {
    pub(super) fn new(protos: &'p [Proto<'a>], proto: &'p Proto<'a>) -> Self {
        Self {
            protos,
            proto,
            steps_left: proto.len().saturating_mul(64).saturating_add(4096),
            seen: Vec::new(),
            walk: 0,
            shared: Vec::new(),
            ways_in: None,
            instructions: PhantomData,
        }
    }

    pub(super) fn instruction(&self, pc: usize) -> Result<I, Malformed> {
        I::decode(self.proto.word(pc)?)
    }

    /// Begins to look at each instruction once.
    pub(super) fn begin_walk(&mut self) {
        self.seen.resize(self.proto.len(), 0);
        self.walk += 1;
    }

    /// Whether this walk comes by for the first time.
    pub(super) fn visit(&mut self, pc: usize) -> bool {
        self.seen.get_mut(pc).is_some_and(|seen| std::mem::replace(seen, self.walk) != self.walk)
    }

    /// False when enough was looked at.
    pub(super) fn step(&mut self) -> bool {
        self.steps_left = self.steps_left.saturating_sub(1);
        self.steps_left > 0
    }

    /// Whether this instruction makes a closure that shares the variable in `register` from then on.
    pub(super) fn captures(&self, instruction: I, register: usize) -> Result<bool, Malformed> {
        let Action::Closure { child, .. } = instruction.action() else {
            return Ok(false);
        };
        let child = self.protos.get(self.proto.child(child)?);
        Ok(child.is_some_and(|child| child.captures.contains(register)))
    }

    /// Whether a closure made before `pc` may still share the variable in `register`, so that what is put there is
    /// seen elsewhere, and can be changed from there.
    pub(super) fn is_shared(&mut self, register: usize, pc: usize) -> Result<bool, Malformed> {
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
            let instruction = self.instruction(pc)?;
            if self.captures(instruction, register)? {
                pending.extend(instruction.successors(pc)?);
            }
            while let Some((_, pc)) = pending.pop() {
                let instruction = self.instruction(pc)?;
                let closes = matches!(instruction.action(), Action::Close { from } if from <= register);
                if !std::mem::replace(&mut shared[pc], true) && !closes {
                    pending.extend(instruction.successors(pc)?);
                }
            }
        }
        Ok(shared)
    }

    /// The instructions from which code goes on to `pc`.
    pub(super) fn ways_into(&mut self, pc: usize) -> Result<Vec<(usize, Edge)>, Malformed> {
        let ways = match &mut self.ways_in {
            Some(ways) => ways,
            none => {
                let mut ways = Vec::new();
                for from in 0..self.proto.len() {
                    let instruction = I::decode(self.proto.word(from)?)?;
                    ways.extend(instruction.successors(from)?.map(|(edge, to)| (to, from, edge)));
                }
                ways.sort_unstable_by_key(|(to, from, _)| (*to, *from));
                none.insert(ways)
            }
        };
        let first = ways.partition_point(|(to, ..)| *to < pc);
        let ways = ways.get(first..).unwrap_or_default();
        Ok(ways.iter().take_while(|(to, ..)| *to == pc).map(|(_, from, edge)| (*from, *edge)).collect())
    }
}
