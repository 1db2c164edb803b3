//! The dumps of Lua 5.5.

use super::version::{Version, Writer};

pub(super) const VERSION: Version = Version {
    name: "lua55",
    dumps: include_bytes!("dumps/lua55.dumps"),
    writers: WRITERS,
    look_alikes: LOOK_ALIKES,
    has_env: true,
};

/// Each script returns a closure; it assigns these variables, first on these lines.
const WRITERS: &[Writer] = &[
    ("local n = 0\nreturn function() n = n + 1 end", &[("n", 2)]),
    ("local n\nreturn function()\nn = 5\nend", &[("n", 3)]),
    ("local n\nreturn function()\nreturn function() n = 5 end end", &[("n", 3)]),
    ("local n = 0\nreturn function() for i = 1, 9 do\nn = n + i end end", &[("n", 3)]),
    ("local n = 0\nreturn function(t) for k, v in pairs(t) do\n\nn = n + v end end", &[("n", 4)]),
    ("local a, b\nreturn function() a, b = 1, 2 end", &[("a", 2), ("b", 2)]),
    ("local a, b = 1, 2\nreturn function() a, b = b, a end", &[("a", 2), ("b", 2)]),
    ("local function make(p)\nreturn function() p = p + 1 end end\nreturn make(1)", &[("p", 2)]),
    ("local n\nreturn function(...)\nn = ... end", &[("n", 3)]),
    ("local n\nreturn function(x)\nif x then goto out end\nn = 1\n::out:: end", &[("n", 4)]),
    ("local a, b\nreturn function(f)\na, b = f() end", &[("a", 3), ("b", 3)]),
    ("local n\nreturn function()\ndo local n = 1; n = 2 end\nn = 3 end", &[("n", 4)]),
    ("local n\nreturn function() local t <close> = nil\nn = 1 end", &[("n", 3)]),
    ("local t, n = {}\nreturn function() t.x,\nn = 1, 2 end", &[("n", 3)]),
    ("local n, m\nreturn function() n = true\nm = false end", &[("n", 2), ("m", 3)]),
    ("local s = ''\nreturn function(x, y)\ns = s .. x .. y end", &[("s", 3)]),
    ("local a, b, c\nreturn function()\nc = 1\nb = 2 end", &[("c", 3), ("b", 4)]),
    ("local n\nreturn function() n = not n end", &[("n", 2)]),
    ("local n <const>, m = 1\nreturn function() m = n end", &[("m", 2)]),
    ("global print\nlocal n\nreturn function()\nn = print end", &[("n", 4)]),
    ("local n\nreturn function(...args)\nn = args[1] end", &[("n", 3)]),
    ("local n\nreturn function(...args) for i = 1, args.n do\nn = args end end", &[("n", 3)]),
    ("for i = 1, 1 do\nlocal j = i\nreturn function() j = 2 end end", &[("j", 3)]),
    ("global *\nlocal n\nreturn function() n = 1; m = 2 end", &[("n", 3)]),
    ("local n\nreturn function() global function f() end\nn = f end", &[("n", 3)]),
    (
        "local function make(...)\nlocal n = ...\nreturn function() n = n .. n end end\nreturn make('')",
        &[("n", 3)],
    ),
];

/// Each script returns a closure that assigns nothing it has captured.
const LOOK_ALIKES: &[&str] = &[
    "local n return function() local n = 1; n = 2 end",
    "local n return function(n) n = 2 end",
    "local t = {} return function() t.n = 1 end",
    "local t = {} return function() t[1] = 1 end",
    "return function() local n; local function f() n = 1 end; f() return n end",
    "return function() return function() local n; return function() n = 1 end end end",
    "return function() n = 1 end",
    "local t = {} return function() function t.f() end end",
    "local t = {} return function() function t:m() self.n = 1 end end",
    "local n <const> = 7 return function() local m = n; m = 8 end",
    "local n return function() return function(n) n = 1 end end",
    "local t = {} return function() local _ENV = t; n = 1 end",
    "local n = 0 local function g() n = n + 1 end return function() g() return n end",
    "local n = 1 return function() local m <close> = nil; local k = n; k = k + 1 return k end",
    "local a = {} return function() a.b.c.d = a end",
    "local n return function() local t = {}; t.n, t[n] = n, n end",
    "local n return function() return (function(n) n = 1; return n end)(n) end",
    "local t = {} global n return function() n = t end",
    "return function(...t) t.n = 1 end",
    "local n return function(...t) local m = t[1]; m = n; return t.n end",
    "local t = {} return function() global function f() return t end end",
    "local n return function() for m = 1, 9 do local n = m; n = n + 1 end end",
    "local n return function() for k, n in pairs({}) do n = 1 end end",
    "local n, f return function() f(function(n) n = 1 end, n) end",
    "local n return function() local a <const>, n = n, n; n = a end",
    "return function(...) local n = ...; local f = function() n = n + 1 end; f() end",
];

holds_for_dumps!();
holds_for_dumps_with_env!();
