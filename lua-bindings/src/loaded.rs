//! [`Loaded`]: functions that were loaded from a packet's code, and are used again.
//!
//! A function without captured variables is shared by all goroutines of a state. One that was started is *lent* to its
//! goroutine: when that has returned, the next one that starts the same code gets it, with captured variables of its own.
//! Nobody else has it then, nor its variables: the packet showed the function once, as what is started; its code gives the
//! variables to no function nested in it; and a function that does not capture itself can't get hold of itself. (Only the
//! debug library can, for the running function. What keeps a function found by it must not rely on its captured variables.)
//!
//! While it is lent, a goroutine that starts the same code with the same captured values *shares* it: what is started
//! assigns to none of its captured variables, so nobody can tell. (Each time that a function is lent anew it gets a number,
//! so that who gives it back late is not taken for one who shares it now.)

use std::cell::{Cell, RefCell};

use rustc_hash::FxHashMap;

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
    lent: RefCell<FxHashMap<u64, Lending>>,
    /// How often a function was lent.
    lendings: Cell<u32>,
}

/// Who has a function that is lent.
struct Lending {
    number: u32,
    /// How many goroutines.
    shared_by: u32,
}

/// A function that its goroutine gives back.
pub(crate) struct Lent {
    code: u64,
    number: u32,
    upvalues: u8,
    /// Whether its captured variables are to be let go.
    clear: bool,
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
        self.lent.borrow().contains_key(&code)
    }

    /// Lends the function of this code, which is not lent; `clear`: its captured variables are to be let go afterwards.
    pub(crate) fn lend(&self, code: u64, upvalues: u8, clear: bool) -> Lent {
        let number = self.lendings.get().wrapping_add(1);
        self.lendings.set(number);
        self.lent.borrow_mut().insert(code, Lending { number, shared_by: 1 });
        Lent { code, number, upvalues, clear }
    }

    /// Lends the function of this code, which is lent, to one more goroutine. The caller has seen that the captured
    /// variables are the same.
    pub(crate) fn share(&self, code: u64, upvalues: u8, clear: bool) -> Option<Lent> {
        let mut lent = self.lent.borrow_mut();
        let lending = lent.get_mut(&code)?;
        lending.shared_by += 1;
        Some(Lent { code, number: lending.number, upvalues, clear })
    }

    /// Takes a function back whose goroutine has returned. What it captured is let go by the last one that has it, not
    /// when it is lent again.
    pub(crate) fn take_back(&self, stack: &mut Stack<'_>, state: &State, lent: Lent) {
        {
            let mut all = self.lent.borrow_mut();
            let Some(lending) = all.get_mut(&lent.code).filter(|lending| lending.number == lent.number)
            else {
                return; // it was forgotten
            };
            lending.shared_by -= 1;
            if lending.shared_by > 0 {
                return;
            }
            all.remove(&lent.code);
        }
        if lent.clear && stack.reserve(8) {
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
    }

    /// Forgets a function whose goroutine ended otherwise: something may still have it.
    pub(crate) fn forget(&self, stack: &mut Stack<'_>, state: &State, lent: Lent) {
        let is_this = |lending: &Lending| lending.number == lent.number;
        if !self.lent.borrow().get(&lent.code).is_some_and(is_this) {
            return; // it was forgotten, and another may be in its place
        }
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
