//! The dumps of Lua 5.4.

#[cfg(feature = "lua54")]
mod globals;
#[cfg(feature = "lua54")]
mod malformed;
#[cfg(feature = "lua54")]
mod stripped;

use super::version::{Version, Writer};

pub(super) const VERSION: Version = Version {
    name: "lua54",
    dumps: include_bytes!("dumps/lua54.dumps"),
    writers: WRITERS,
    look_alikes: LOOK_ALIKES,
    has_env: true,
};

/// Each script returns a closure; it assigns these variables, first on these lines.
const WRITERS: &[Writer] = &[
    ("local n = 0\nreturn function() n = n + 1 end", &[("n", 2)]),
    ("local n\nreturn function()\nn = 5\nend", &[("n", 3)]),
    ("local n\nreturn function()\nreturn function() n = 5 end end", &[("n", 3)]),
    ("local n\nreturn function()\nreturn function()\nreturn function() n = 5 end end end", &[("n", 4)]),
    ("local n = 9\nreturn function() while n > 0 do\nn = n - 1 end end", &[("n", 3)]),
    ("local n = 0\nreturn function() for i = 1, 9 do\nn = n + i end end", &[("n", 3)]),
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
    ("local n\nreturn function(x)\nif x then goto out end\nn = 1\n::out:: end", &[("n", 4)]),
    ("local n\nreturn function()\nlocal function f() n = 1 end\nn = 2 end", &[("n", 3)]),
    ("local n\nreturn function()\nn = 2\nlocal function f() n = 1 end end", &[("n", 3)]),
    ("local a, b\nreturn function(f)\na, b = f() end", &[("a", 3), ("b", 3)]),
    ("local function f()\nf = nil end\nreturn f", &[("f", 2)]),
    ("local n\nreturn function()\ndo local n = 1; n = 2 end\nn = 3 end", &[("n", 4)]),
    ("local n\nreturn function() local t <close> = nil\nn = 1 end", &[("n", 3)]),
    ("local t, n = {}\nreturn function() t.x,\nn = 1, 2 end", &[("n", 3)]),
    ("local n\nreturn function(a, b)\nn = a and b or a == b end", &[("n", 3)]),
    ("local n <const>, m = 1\nreturn function() m = n end", &[("m", 2)]),
];

/// Each script returns a closure that assigns nothing it has captured.
const LOOK_ALIKES: &[&str] = &[
    "local n return function() local n = 1; n = 2 end",
    "local n return function(n) n = 2 end",
    "local t = {} return function() t.n = 1 end",
    "local t = {} return function() t[1] = 1 end",
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
    "local n <const> = 7 return function() local m = n; m = 8 end",
    "local n return function() return function(n) n = 1 end end",
    "local n return function() repeat local n = 1; n = 2 until n end",
    "local t = {} return function() rawset(t, 'n', 1) end",
    "local t = {} return function() local _ENV = t; n = 1 end",
    "local t = {} return function() t.a, t.b = 1, 2 end",
    "local n = 0 local function g() n = n + 1 end return function() g() return n end",
    "local function f(i) if i > 0 then return f(i - 1) end end return f",
    "local n return function() do local n; n = 1 end return n end",
    "local n = 1 return function() local m <close> = nil; local k = n; k = k + 1 return k end",
    "local a = {} return function() a.b.c.d = a end",
    "return function(...) local n = ...; local f = function() n = n + 1 end; f() end",
    "local n return function() n.x, n.y = n.y, n.x end",
    "local n return function() local a <const>, n = n, n; n = a end",
];

holds_for_dumps!();
holds_for_dumps_with_env!();

#[test]
#[cfg(feature = "lua54")]
fn the_same_holds_for_what_is_compiled_now() {
    VERSION.describes(&super::dumped);
    VERSION.finds_writers(&super::dumped);
    VERSION.finds_stripped_writers(&super::dumped);
    VERSION.passes_look_alikes(&super::dumped);
    VERSION.finds_globals(&super::dumped);
    VERSION.finds_escapes(&super::dumped);
    VERSION.finds_far_names(&super::dumped);
}

#[test]
#[cfg(feature = "lua54")]
fn writes_come_in_the_order_of_the_captured_variables_one_each() {
    let script = "local a, b, c, d return function() local x = a, b, c, d\nd = 1\nb = 1\nb = 2\nd = 2 end";
    let found = super::analysed(script).captured_writes;
    let found: Vec<_> =
        found.iter().map(|write| (write.upvalue, write.name.as_deref(), write.line)).collect();
    assert_eq!(found, [(1, Some("b"), Some(3)), (3, Some("d"), Some(2))]);
}

#[test]
#[cfg(feature = "lua54")]
fn replacing_env_is_an_escape_and_not_a_captured_write() {
    let found = super::analysed("return function() _ENV = {}; x = 1 end");
    assert_eq!(found.captured_writes, []);
    assert!(found.env_escapes);
}
