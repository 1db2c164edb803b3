//! The dumps of Lua 5.1.

use super::version::{Version, Writer};

pub(super) const VERSION: Version = Version {
    name: "lua51",
    dumps: include_bytes!("dumps/lua51.dumps"),
    writers: WRITERS,
    look_alikes: LOOK_ALIKES,
    has_env: false,
};

/// Each script returns a closure; it assigns these variables, first on these lines.
const WRITERS: &[Writer] = &[
    ("local n = 0\nreturn function() n = n + 1 end", &[("n", 2)]),
    ("local n\nreturn function()\nreturn function() n = 5 end end", &[("n", 3)]),
    ("local n\nreturn function()\nreturn function()\nreturn function() n = 5 end end end", &[("n", 4)]),
    ("local n = 9\nreturn function() while n > 0 do\nn = n - 1 end end", &[("n", 3)]),
    ("local n = 0\nreturn function(t) for k, v in pairs(t) do\n\nn = n + v end end", &[("n", 4)]),
    ("local n = 0\nreturn function() repeat n = n + 1 until n > 9 end", &[("n", 2)]),
    ("local a, b\nreturn function() a, b = 1, 2 end", &[("a", 2), ("b", 2)]),
    ("local a, b = 1, 2\nreturn function() a, b = b, a end", &[("a", 2), ("b", 2)]),
    ("local f\nreturn function()\nfunction f() end end", &[("f", 3)]),
    ("local n\nreturn function(x) if x then\nn = nil end end", &[("n", 3)]),
    ("local function make(p)\nreturn function() p = p + 1 end end\nreturn make(1)", &[("p", 2)]),
    ("for i = 1, 1 do\nreturn function() i = 2 end end", &[("i", 2)]),
    ("local n\nreturn function(...)\nn = ... end", &[("n", 3)]),
    ("local n\nreturn function() return coroutine.wrap(function()\nn = 1 end) end", &[("n", 3)]),
    ("local n\nreturn function()\nlocal function f() n = 1 end\nn = 2 end", &[("n", 3)]),
    ("local function f()\nf = nil end\nreturn f", &[("f", 2)]),
    ("local n\nreturn function()\ndo local n = 1; n = 2 end\nn = 3 end", &[("n", 4)]),
    ("local t, n = {}\nreturn function() t.x,\nn = 1, 2 end", &[("n", 3)]),
    ("local n\nreturn function(a, b)\nn = a and b or a == b end", &[("n", 3)]),
    ("local n\nreturn function() n = 'text' end", &[("n", 2)]),
    ("local n, m\nreturn function() n = true\nm = false end", &[("n", 2), ("m", 3)]),
    ("local n\nreturn function(x) n = {x, y = x} end", &[("n", 2)]),
    ("local s = ''\nreturn function(x, y)\ns = s .. x .. y end", &[("s", 3)]),
    ("local a, b, c\nreturn function()\nc = 1\nb = 2 end", &[("c", 3), ("b", 4)]),
    ("local n\nreturn function() for i = 1, 3 do local f = function()\nn = i end f() end end", &[("n", 3)]),
    ("local n\nreturn function() n, m = 1, 2 end", &[("n", 2)]),
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
    "local n return function() local function n() end; return n end",
    "local n return function() return function(n) n = 1 end end",
    "local n return function() repeat local n = 1; n = 2 until n end",
    "local t = {} return function() t.a, t.b = 1, 2 end",
    "local n = 0 local function g() n = n + 1 end return function() g() return n end",
    "local function f(i) if i > 0 then return f(i - 1) end end return f",
    "local a = {} return function() a.b.c.d = a end",
    "return function(...) local n = ...; local f = function() n = n + 1 end; f() end",
    "local n return function() n.x, n.y = n.y, n.x end",
    "local n return function(x) local n = n; n = x; return n end",
    "local n return function() for i, n in ipairs({}) do n = i end end",
    "local n return function() if n then local n = 2; n = 3 end end",
    "local n return function() local a, n, b; a, n, b = 1, 2, 3 end",
    "local n return function() return (function(n) n = 1; return n end)(n) end",
    "local t = {n = 1} return function() t.n = t.n + 1; return t.n end",
];

holds_for_dumps!();

#[test]
#[cfg(feature = "lua51")]
fn the_same_holds_for_what_is_compiled_now() {
    // It is never stripped.
    VERSION.describes(&super::dumped);
    VERSION.finds_writers(&super::dumped);
}

#[test]
#[cfg(feature = "lua51")]
fn a_number_between_instructions_is_not_taken_for_one() {
    // The list is stored in batches of 50. The number of the last one, 520, would be an assignment to `n`.
    let list = "1,".repeat(50 * 520);
    let script = format!("local n return function() return n, {{{list}}} end");
    let found = super::analyse(&super::dumped(&script, false)).unwrap();
    assert_eq!(found.upvalue_names, [Some("n".into())]);
    assert_eq!(found.captured_writes, []);
}
