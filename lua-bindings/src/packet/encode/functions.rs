//! The code and the captured variables of functions.

use std::sync::Arc;

use super::{Encoder, Refusal};
use crate::code::Code;
use crate::packet::{Reference, flag, tag};
#[cfg(any(feature = "lua51", feature = "luajit"))]
use crate::raw::Kind;
use crate::raw::Stack;
use crate::state::State;

impl Encoder<'_> {
    /// Which of the roots is the function that is to run elsewhere: the first, or the one that the first is given to be called.
    pub(super) fn started(&mut self, stack: &mut Stack<'_>) -> i32 {
        let (mut function, mut arguments) = (1, 2);
        while arguments <= self.count {
            if !self.state.has_named() {
                self.collect_named(stack);
            }
            if !self.state.may_be_named(stack.address(function)) {
                break;
            }
            stack.push_copy(function);
            stack.raw_get(self.named());
            // Which of its arguments the function calls, and how many come before those that are for that one.
            let called = match stack.bytes(-1) {
                b"_G\0pcall" => Some((0, 1)),
                b"_G\0xpcall" => Some((0, 2)),
                b"goroutine:flow\0work" => Some((3, 4)),
                _ => None,
            };
            stack.pop(1);
            let Some((called, others)) = called else { break };
            (function, arguments) = (arguments + called, arguments + others);
        }
        function
    }

    #[cfg(any(feature = "lua51", feature = "luajit"))]
    pub(super) fn own_environment(&mut self, stack: &mut Stack<'_>) -> bool {
        stack.push_environment(-1);
        let own = stack.kind(-1) == Kind::Table
            && !stack.same(-1, self.globals())
            && !stack.same(-1, self.base_globals());
        stack.pop(1);
        own
    }

    #[cfg(not(any(feature = "lua51", feature = "luajit")))]
    pub(super) fn own_environment(&mut self, _stack: &mut Stack<'_>) -> bool {
        false
    }

    /// The code of the Lua function on top.
    pub(super) fn code(&mut self, stack: &mut Stack<'_>) -> Result<Arc<Code>, Refusal> {
        match code_on_top(stack, self.state, self.codes(), &mut self.scratch.dump) {
            Some(code) => Ok(code),
            None => Err(self.refuse(stack)),
        }
    }

    /// The code of the function on top, if it is known without dumping it.
    pub(super) fn known_code(&mut self, stack: &mut Stack<'_>) -> Option<Arc<Code>> {
        let (codes, top) = (self.codes(), stack.top());
        self.state.recent_codes.find(stack, codes, top, Arc::clone)
    }

    pub(super) fn code_number(&mut self, code: Arc<Code>) -> u32 {
        if let Some(number) = self.scratch.codes.get(&code.id) {
            return *number;
        }
        let number = self.references.len() as u32;
        if self.scratch.codes.len() < 64 {
            self.scratch.codes.insert(code.id, number);
        }
        self.references.push(Reference::Code(code));
        number
    }

    #[cfg(any(feature = "lua51", feature = "luajit"))]
    pub(super) fn environment(&mut self, stack: &mut Stack<'_>, at: i32) -> Result<(), Refusal> {
        stack.push_environment(at);
        self.value(stack)
    }

    #[cfg(not(any(feature = "lua51", feature = "luajit")))]
    pub(super) fn environment(&mut self, stack: &mut Stack<'_>, _at: i32) -> Result<(), Refusal> {
        self.close(stack)
    }

    pub(super) fn upvalue(
        &mut self,
        stack: &mut Stack<'_>,
        at: i32,
        function: usize,
        n: u8,
    ) -> Result<(), Refusal> {
        if !stack.push_upvalue(at, i32::from(n)) {
            self.out.push(tag::NIL);
            return Ok(());
        }
        if stack.same(-1, self.globals()) || stack.same(-1, self.base_globals()) {
            self.out.push(tag::GLOBALS);
            stack.pop(1);
            return Ok(());
        }
        let cell = stack.upvalue_id(at, i32::from(n));
        if cell != 0 {
            if let Some((owner, m)) = self.scratch.cells.get(&cell).copied()
                && let Some(seen) = self.scratch.seen.get(&owner).copied()
            {
                self.out[seen.flags] |= flag::SHARED;
                self.out.push(tag::JOIN);
                self.varint(u64::from(seen.number));
                self.out.push(m);
                stack.pop(1);
                return Ok(());
            }
            self.scratch.cells.insert(cell, (function, n));
        }
        self.value(stack)
    }
}

/// The code of the Lua function on top, if it is one. `codes`: where the witnesses are.
pub(in crate::packet) fn code_on_top(
    stack: &mut Stack<'_>,
    state: &State,
    codes: i32,
    dump: &mut Vec<u8>,
) -> Option<Arc<Code>> {
    let top = stack.top();
    if let Some(code) = state.recent_codes.find(stack, codes, top, Arc::clone) {
        return Some(code);
    }
    dump.clear();
    if !stack.dump(dump) {
        return None;
    }
    let key = state.recent_codes.witness(stack, codes);
    Some(state.intern_code(dump, key))
}
