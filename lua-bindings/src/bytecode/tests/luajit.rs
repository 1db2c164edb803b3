//! The dumps of LuaJIT 2.1.

use super::version::{Version, Writer};

pub(super) const VERSION: Version = Version {
    name: "luajit",
    dumps: include_bytes!("dumps/luajit.dumps"),
    writers: WRITERS,
    look_alikes: LOOK_ALIKES,
    has_env: false,
};

/// With frames of one slot.
pub(super) const VERSION_32: Version =
    Version { name: "luajit32", dumps: include_bytes!("dumps/luajit32.dumps"), ..VERSION };

/// Each script returns a closure; it assigns these variables, first on these lines.
const WRITERS: &[Writer] = &[
    ("local n = 0\nreturn function() n = n + 1 end", &[("n", 2)]),
    ("local n\nreturn function()\nreturn function() n = 5 end end", &[("n", 3)]),
    ("local n\nreturn function()\nreturn function()\nreturn function() n = 5 end end end", &[("n", 4)]),
    ("local n = 9\nreturn function() while n > 0 do\nn = n - 1 end end", &[("n", 3)]),
    ("local n = 0\nreturn function() for i = 1, 9 do\nn = n + i end end", &[("n", 3)]),
    ("local n = 0\nreturn function(t) for k, v in pairs(t) do\n\nn = n + v end end", &[("n", 4)]),
    ("local a, b\nreturn function() a, b = 1, 2 end", &[("a", 2), ("b", 2)]),
    ("local f\nreturn function()\nfunction f() end end", &[("f", 3)]),
    ("local n\nreturn function(x) if x then\nn = nil end end", &[("n", 3)]),
    ("local function make(p)\nreturn function() p = p + 1 end end\nreturn make(1)", &[("p", 2)]),
    ("for i = 1, 1 do\nreturn function() i = 2 end end", &[("i", 2)]),
    ("local n\nreturn function() return coroutine.wrap(function()\nn = 1 end) end", &[("n", 3)]),
    ("local n\nreturn function(x)\nif x then goto out end\nn = 1\n::out:: end", &[("n", 4)]),
    ("local a, b\nreturn function(f)\na, b = f() end", &[("a", 3), ("b", 3)]),
    ("local function f()\nf = nil end\nreturn f", &[("f", 2)]),
    ("local n\nreturn function() n = 'text' end", &[("n", 2)]),
    ("local n\nreturn function()\nn = 1.5 end", &[("n", 3)]),
    ("local n, m\nreturn function() n = true\nm = false end", &[("n", 2), ("m", 3)]),
    ("local n\nreturn function(x) n = {x, y = x} end", &[("n", 2)]),
    ("local s = ''\nreturn function(x, y)\ns = s .. x .. y end", &[("s", 3)]),
    ("local a, b, c\nreturn function()\nc = 1\nb = 2 end", &[("c", 3), ("b", 4)]),
    ("local n\nreturn function() for i = 1, 3 do local f = function()\nn = i end f() end end", &[("n", 3)]),
    (
        "local a, b, c, d return function() local x = a, b, c, d\nd = 1\nb = 1\nb = 2\nd = 2 end",
        &[("b", 3), ("d", 2)],
    ),
    ("local n\nreturn function() n = 42LL end", &[("n", 2)]),
    ("local n\nreturn function()\nn = 2i end", &[("n", 3)]),
    ("local n\nreturn function() n = {1, 'a', 2.5, x = true, [7] = false, y = 'z'} end", &[("n", 2)]),
    (
        "local a, n\nreturn function() local m\nlocal function f() return function() m = a\nn = 2 end end
        local function g() m = 1 end return function() return a, g end end",
        &[("n", 4)],
    ),
];

/// Each script returns a closure that assigns nothing it has captured.
const LOOK_ALIKES: &[&str] = &[
    "local n return function() local n = 1; n = 2 end",
    "local n return function(n) n = 2 end",
    "local t = {} return function() t.n = 1 end",
    "local t, k = {}, 'n' return function() t[k] = 1 end",
    "local n return function() for n = 1, 9 do n = n + 1 end end",
    "local n return function() for n in pairs({}) do n = 1 end end",
    "return function() local n; local function f() n = 1 end; f() return n end",
    "return function() return function() local n; return function() n = 1 end end end",
    "return function() n = 1 end",
    "local t = {} return function() function t.f() end end",
    "local t = {} return function() function t:m() self.n = 1 end end",
    "local n return function() return {n = n} end",
    "local n return function() return function(n) n = 1 end end",
    "local n return function() repeat local n = 1; n = 2 until n end",
    "local t = {} return function() t.a, t.b = 1, 2 end",
    "local n = 0 local function g() n = n + 1 end return function() g() return n end",
    "local function f(i) if i > 0 then return f(i - 1) end end return f",
    "return function(...) local n = ...; local f = function() n = n + 1 end; f() end",
    "local n return function() n.x, n.y = n.y, n.x end",
    "local n return function(x) local n = n; n = x; return n end",
    "local n return function() return (function(n) n = 1; return n end)(n) end",
    "local t = {n = 1} return function() t.n = t.n + 1; return t.n end",
    "local t = {} return function() goto set ::set:: t.n = 1 end",
    "local n return function() local n = 1LL; n = n + 1 return n end",
    "local t = {} return function() t.n = {1, 2, x = 'y'} end",
    "local n return function() goto skip; do local n = 1; n = 2 end ::skip:: return n end",
];

#[test]
fn a_function_is_described_by_its_chunk_its_line_and_its_captured_variables() {
    VERSION.describes(&|script, strip| VERSION.dumped(script, strip));
    VERSION_32.describes(&|script, strip| VERSION_32.dumped(script, strip));
}

#[test]
fn a_closure_that_assigns_what_it_captured_is_found_with_its_line() {
    VERSION.finds_writers(&|script, strip| VERSION.dumped(script, strip));
    VERSION_32.finds_writers(&|script, strip| VERSION_32.dumped(script, strip));
}

#[test]
fn a_closure_that_assigns_what_it_captured_is_found_without_debug_information() {
    VERSION.finds_stripped_writers(&|script, strip| VERSION.dumped(script, strip));
    VERSION_32.finds_stripped_writers(&|script, strip| VERSION_32.dumped(script, strip));
}

#[test]
fn a_closure_that_only_seems_to_assign_what_it_captured_is_not() {
    VERSION.passes_look_alikes(&|script, strip| VERSION.dumped(script, strip));
    VERSION_32.passes_look_alikes(&|script, strip| VERSION_32.dumped(script, strip));
}

#[test]
fn globals_are_those_read_called_and_assigned() {
    VERSION.finds_globals(&|script, strip| VERSION.dumped(script, strip));
    VERSION_32.finds_globals(&|script, strip| VERSION_32.dumped(script, strip));
}

#[test]
#[cfg(feature = "luajit")]
fn the_same_holds_for_what_is_compiled_now() {
    // It is never stripped.
    VERSION.describes(&super::dumped);
    VERSION.finds_writers(&super::dumped);
}

#[test]
#[cfg(feature = "luajit")]
fn code_keeps_its_likeness_in_every_state_and_while_it_runs() {
    const SCRIPTS: &[&str] = &[
        // Five entries, in an order that each state has for itself, of which two are set later.
        "return function(x) return {a = 1, b = 'text', [2.5] = true, c = x, d = x, [100] = false, [-1] = 'z'} end",
        // Its loop is over `next` until it meets another function.
        "local pairs = function(list)
            return function(list, i) i = i and i + 1 or 1 if list[i] then return i, list[i] end end, list
        end
        return function() local sum = 0 for _, v in pairs({1, 2, 3}) do sum = sum + v end return sum end",
        // Loops that are compiled, one of them given up for what it calls.
        "return function(list)
            for i = 1, 300 do list = i end
            local i = 0 while i < 300 do i = i + 1 end repeat i = i - 1 until i == 0
            for k, v in pairs({x = 1, y = 2}) do for i = 1, 30 do i = string.format('%q', k) end end
        end",
    ];
    for script in SCRIPTS {
        let mut likenesses = Vec::new();
        for state in 0..5 {
            let lua = crate::raw::new_state();
            let once: mlua::Function = lua.load(*script).set_name("=script").call(()).unwrap();
            likenesses.push(crate::packet::of_code(&once.dump(false)));
            for _ in 0..200 * state {
                once.call::<()>(()).unwrap();
            }
            likenesses.push(crate::packet::of_code(&once.dump(false)));
            // What was loaded from a dump.
            let loaded: mlua::Function = lua.load(once.dump(false)).into_function().unwrap();
            likenesses.push(crate::packet::of_code(&loaded.dump(false)));
        }
        assert!(likenesses.iter().all(|likeness| *likeness == likenesses[0]), "{script}: {likenesses:?}");
    }
}

#[test]
#[cfg(feature = "luajit")]
fn code_keeps_its_likeness_however_many_closures_are_made_of_it() {
    let lua = crate::raw::new_state();
    let make: mlua::Function =
        lua.load("local n = ... return function() return n end").into_function().unwrap();
    let mut likenesses = Vec::new();
    for _ in 0..10 {
        let made: mlua::Function = make.call(1).unwrap();
        likenesses.push(crate::packet::of_code(&made.dump(false)));
    }
    assert!(likenesses.iter().all(|likeness| *likeness == likenesses[0]), "{likenesses:?}");
}

#[test]
fn code_that_differs_in_the_order_of_its_bytes_alone_is_other_code() {
    let dump = VERSION.dumped("local n = 0\nreturn function() n = n + 1 end", false);
    let likeness = crate::packet::of_code(&dump);
    assert!(crate::bytecode::settled(&dump).is_some());
    for at in 20..dump.len() - 1 {
        let mut other = dump.clone();
        other.swap(at, at + 1);
        assert_eq!(other == dump, crate::packet::of_code(&other) == likeness, "{at}");
    }
}
