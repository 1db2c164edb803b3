//! The code and the captured variables of functions.

use std::sync::Arc;

use super::refusal::refuse_captured_writes;
use super::{Encoder, Refusal};
use crate::code::Code;
use crate::packet::{Reference, flag, tag};
use crate::raw::{Kind, Stack};
use crate::state::State;

/// What a library's function that is started does with its arguments.
struct Calls {
    /// It calls those before this root. What else there is belongs to the last one of them.
    others: i32,
    /// Which one that is, if there is something that it could hand on.
    last: Option<i32>,
}

impl Encoder<'_> {
    /// Which of the roots is the function that is to run elsewhere: the first, or the one that the first is given to be called.
    ///
    /// A function of a library has no use for a function but to call it: so all those that it is given are started, too, and may
    /// not assign to what they captured. What a Lua function is given is a helper of its, as what it captured is.
    pub(super) fn started(&mut self, stack: &mut Stack<'_>) -> Result<i32, Refusal> {
        let (mut function, mut arguments) = (1, 2);
        while arguments <= self.count {
            let Some(Calls { others, last }) = self.calls(stack, function, arguments) else { break };
            for root in arguments..others.min(self.count + 1) {
                self.refuse_writer(stack, root)?;
            }
            let Some(last) = last.filter(|last| *last <= self.count) else { break };
            (function, arguments) = (last, others);
        }
        Ok(function)
    }

    /// What the root `function` does with those from `arguments` on, if it is a library's.
    fn calls(&mut self, stack: &mut Stack<'_>, function: i32, arguments: i32) -> Option<Calls> {
        if !self.state.has_named() {
            self.collect_named(stack);
        }
        if stack.kind(function) != Kind::Function || !self.state.may_be_named(stack.address(function)) {
            return None;
        }
        stack.push_copy(function);
        stack.raw_get(self.named());
        let calls = match stack.bytes(-1) {
            b"" => None,
            b"_G\0pcall" => Some(Calls { others: arguments + 1, last: Some(arguments) }),
            // Its handler comes in between.
            b"_G\0xpcall" => Some(Calls { others: arguments + 2, last: Some(arguments) }),
            b"goroutine:flow\0work" => Some(Calls { others: arguments + 4, last: Some(arguments + 3) }),
            // The first function that this module is given is started or called with what follows: `timeout(ms, fn, ...)`.
            name if name.starts_with(b"goroutine\0") => (arguments..=self.count)
                .find(|root| stack.kind(*root) == Kind::Function)
                .map(|first| Calls { others: first + 1, last: Some(first) }),
            _ => Some(Calls { others: self.count + 1, last: None }),
        };
        stack.pop(1);
        calls
    }

    /// Refuses the root if it is a function that assigns to what it captured.
    fn refuse_writer(&mut self, stack: &mut Stack<'_>, root: i32) -> Result<(), Refusal> {
        if stack.kind(root) != Kind::Function {
            return Ok(());
        }
        stack.push_copy(root);
        // It has no code if it is C, and then nothing that it could assign to.
        let code = code_on_top(stack, self.state, self.codes(), &mut self.scratch.dump);
        stack.pop(1);
        code.map_or(Ok(()), |code| refuse_captured_writes(&code))
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
