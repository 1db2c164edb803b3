//! Which closures are made from the same function of a script.
//!
//! Lua's C API does not tell, and to dump a closure in order to compare costs more than all else about starting it. But each
//! closure has a word in its header that leads to its prototype: so closures of one prototype have the same word there, and
//! those of two prototypes that both live have different ones. Where that word lies is no promise of Lua's; so each state is
//! asked, with closures whose prototypes are known, before anything relies on it. Where the answer is not as expected, the
//! word is never looked at again.

use std::ffi::c_int;

use mlua::ffi;
use mlua::{Lua, Table};

use super::{Kind, Stack, protected};

/// Where the word lies: behind the collector's part, the counts, and in Lua 5.1 and LuaJIT the environment.
const OFFSET: usize = if cfg!(any(feature = "lua51", feature = "luajit")) { 32 } else { 24 };

/// How many captured variables the closures have that a state is asked with. The first are so many that the word lies
/// within them wherever Lua may have put its header's end; if it is what it should be, it belongs to the header, which all
/// closures have.
const CAPTURED: [usize; 6] = [16, 0, 1, 2, 3, 50];

/// How many functions there are in [`family`], each of which it makes twice.
const MEMBERS: usize = 4;

/// Says that a state's closures have the word. Made by [`Prototypes::of_state`] alone, for that state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prototypes(());

impl Prototypes {
    /// Asks a state.
    pub(crate) fn of_state(lua: &Lua) -> Option<Self> {
        if !cfg!(target_pointer_width = "64") {
            return None;
        }
        // All are kept until the end: what is gone could leave its place to another.
        let mut families: Vec<Table> = Vec::new();
        let mut words: Vec<usize> = Vec::new();
        for captured in CAPTURED {
            let family: Table = lua.load(family(captured)).set_name("=[goroutine]").call(()).ok()?;
            let mut found = Vec::new();
            protected(lua, &family, |stack| {
                if stack.reserve(4) {
                    for index in 1..=2 * MEMBERS {
                        stack.raw_get_index(1, index);
                        found.push(word(stack, -1));
                        stack.pop(1);
                    }
                }
                stack.truncate(0);
            })
            .ok()?;
            families.push(family);
            let (first, second) = found.split_at_checked(MEMBERS)?;
            if first != second || first.iter().any(|word| *word == 0 || word % align_of::<usize>() != 0) {
                return None;
            }
            for word in first {
                if words.contains(word) {
                    return None;
                }
                words.push(*word);
            }
        }
        drop(families);
        Some(Self(()))
    }

    /// What all closures of one prototype have in common, and no other closure that lives. 0 for what is no Lua function.
    pub(crate) fn of(self, stack: &Stack<'_>, index: c_int) -> usize {
        word(stack, index)
    }
}

/// Lua code that makes functions with so many captured variables, twice: two side by side, and one in the other.
fn family(captured: usize) -> String {
    let names: Vec<String> = (1..=captured).map(|n| format!("v{n}")).collect();
    let names = names.join(", ");
    let locals = if captured == 0 { String::new() } else { format!("local {names} = round") };
    format!(
        "local made = {{}}
        for round = 1, 2 do
            {locals}
            made[#made + 1] = function() return {names} end
            made[#made + 1] = function() return {names} end
            made[#made + 1] = function() return function() return {names} end end
            made[#made + 1] = made[#made]()
        end
        return made"
    )
}

fn word(stack: &Stack<'_>, index: c_int) -> usize {
    if stack.kind(index) != Kind::Function || stack.is_c_function(index) {
        return 0;
    }
    // SAFETY: a Lua function, so that this is the address of its closure, which lives as long as it is on the stack. The
    // read is within the closure: its header reaches beyond the word (`OFFSET` is a multiple of a word's alignment, and
    // closures are aligned to it); where the header were shorter, only the closures of `of_state` with many captured
    // variables would be read, whose objects reach beyond it all the same, and then no other. The word is used as a number.
    unsafe { ffi::lua_topointer(stack.state, index).byte_add(OFFSET).cast::<usize>().read() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(lua: &Lua, code: &str) -> Vec<usize> {
        let made: Table = lua.load(code).eval().unwrap();
        let mut words = Vec::new();
        protected(lua, made, |stack| {
            assert!(stack.reserve(4));
            for index in 1..=stack_len(stack) {
                stack.raw_get_index(1, index);
                words.push(word(stack, -1));
                stack.pop(1);
            }
            stack.truncate(0);
        })
        .unwrap();
        words
    }

    fn stack_len(stack: &mut Stack<'_>) -> usize {
        let mut count = 0;
        stack.push_nil();
        while stack.next(1) {
            stack.pop(1);
            count += 1;
        }
        count
    }

    #[test]
    fn the_lua_that_is_compiled_in_has_the_word() {
        assert!(Prototypes::of_state(&crate::raw::new_state()).is_some());
    }

    #[test]
    fn closures_of_one_prototype_agree_and_others_do_not() {
        let lua = crate::raw::new_state();
        let made = words(
            &lua,
            "local made = {}
            local function make(a, b) return function() return a, b end end
            for i = 1, 50 do made[i] = make(i, {}) end
            made[51] = function() return make end
            made[52] = make
            return made",
        );
        assert!(made[..50].iter().all(|word| *word == made[0]));
        assert!(made[0] != made[50] && made[0] != made[51] && made[50] != made[51]);
    }

    #[test]
    fn functions_in_c_have_none() {
        let lua = crate::raw::new_state();
        let functions = "return { print, string.gmatch('', ''), coroutine.wrap(function() end) }";
        assert_eq!(words(&lua, functions), [0, 0, 0]);
    }
}
