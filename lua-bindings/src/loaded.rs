//! [`Loaded`]: functions that were loaded from a packet's code, and are used again.
//!
//! A function without captured variables is shared by all goroutines of a state. One that was started is *lent* to its
//! goroutine: when that has returned, the next one that starts the same code gets it, with captured variables of its own.
//! Nobody else has it then, nor its variables: the packet showed the function once, as what is started; its code gives the
//! variables to no function nested in it; and a function that does not capture itself can't get hold of itself. (Only the
//! debug library can, for the running function. What keeps a function found by it must not rely on its captured variables.)

use std::cell::{Cell, RefCell};

use rustc_hash::FxHashSet;

use crate::code::Code;
use crate::raw::{Kind, Stack};
use crate::state::{State, vital};

/// How many functions a state keeps. A program that goes on making new code starts afresh then.
const KEPT: usize = 10_000;

/// The same in bytes of bytecode, of which the functions take a few times as much.
const KEPT_BYTES: usize = crate::code::REMEMBERED_BYTES / 2;

/// The functions that a state keeps. They lie in a Lua table, by the number of their code.
#[derive(Default)]
pub(crate) struct Loaded {
    count: Cell<usize>,
    /// How many bytes of bytecode they were loaded from.
    bytes: Cell<usize>,
    lent: RefCell<FxHashSet<u64>>,
}

/// A function that its goroutine gives back.
pub(crate) struct Lent {
    code: u64,
    /// How many captured variables are to be let go.
    upvalues: u8,
}

impl Loaded {
    /// Pushes the function of this code, if there is one.
    pub(crate) fn push(&self, stack: &mut Stack<'_>, vitals: i32, code: u64) -> bool {
        stack.raw_get_index(vitals, vital::LOADED);
        let kind = stack.raw_get_index(-1, code as usize);
        stack.remove(-2);
        if kind != Kind::Function {
            stack.pop(1);
        }
        kind == Kind::Function
    }

    /// Keeps the function of this code, which is on top and stays there.
    pub(crate) fn keep(&self, stack: &mut Stack<'_>, vitals: i32, code: &Code) {
        if self.count.get() >= KEPT || self.bytes.get() + code.bytes.len() > KEPT_BYTES {
            self.clear(stack, vitals);
        }
        self.count.set(self.count.get() + 1);
        self.bytes.set(self.bytes.get() + code.bytes.len());
        stack.raw_get_index(vitals, vital::LOADED);
        stack.push_copy(-2);
        stack.raw_set_index(-2, code.id as usize);
        stack.pop(1);
    }

    /// Keeps none any more.
    fn clear(&self, stack: &mut Stack<'_>, vitals: i32) {
        self.count.set(0);
        self.bytes.set(0);
        stack.push_table(0, 0);
        stack.raw_set_index(vitals, vital::LOADED);
    }

    /// Lets go of what is kept merely to be faster: memory is short.
    pub(crate) fn let_go(&self, stack: &mut Stack<'_>, state: &State) {
        if stack.reserve(8) {
            let at = stack.top() + 1;
            state.push_vitals(stack);
            self.clear(stack, at);
            stack.pop(1);
        }
    }

    pub(crate) fn is_lent(&self, code: u64) -> bool {
        self.lent.borrow().contains(&code)
    }

    /// Lends the function of this code, unless it is lent already.
    pub(crate) fn try_lend(&self, code: u64, upvalues: u8) -> Option<Lent> {
        self.lent.borrow_mut().insert(code).then_some(Lent { code, upvalues })
    }

    pub(crate) fn lend(&self, code: u64, upvalues: u8) -> Lent {
        self.lent.borrow_mut().insert(code);
        Lent { code, upvalues }
    }

    /// Takes a function back whose goroutine has returned. What it captured is let go now, not when it is lent again.
    pub(crate) fn take_back(&self, stack: &mut Stack<'_>, state: &State, lent: Lent) {
        if lent.upvalues > 0 && stack.reserve(8) {
            let vitals = stack.top() + 1;
            state.push_vitals(stack);
            if self.push(stack, vitals, lent.code) {
                for n in 1..=lent.upvalues {
                    stack.push_nil();
                    stack.set_upvalue(vitals + 1, i32::from(n));
                }
                stack.pop(1);
            }
            stack.pop(1);
        }
        self.lent.borrow_mut().remove(&lent.code);
    }

    /// Forgets a function whose goroutine ended otherwise: something may still have it.
    pub(crate) fn forget(&self, stack: &mut Stack<'_>, state: &State, lent: Lent) {
        if stack.reserve(8) {
            let at = stack.top() + 1;
            state.push_vitals(stack);
            stack.raw_get_index(at, vital::LOADED);
            stack.push_nil();
            stack.raw_set_index(at + 1, lent.code as usize);
            stack.pop(2);
        }
        self.lent.borrow_mut().remove(&lent.code);
    }
}
