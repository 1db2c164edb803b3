//! The dumps of Lua 5.2.

use super::version::{Version, Writer};

pub(super) const VERSION: Version = Version {
    name: "lua52",
    dumps: include_bytes!("dumps/lua52.dumps"),
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
    ("local n = 0\nreturn function() for i = 1, 9 do\nn = n + i end end", &[("n", 3)]),
    ("local n = 0\nreturn function(t) for k, v in pairs(t) do\n\nn = n + v end end", &[("n", 4)]),
    ("local a, b\nreturn function() a, b = 1, 2 end", &[("a", 2), ("b", 2)]),
    ("local f\nreturn function()\nfunction f() end end", &[("f", 3)]),
    ("local function make(p)\nreturn function() p = p + 1 end end\nreturn make(1)", &[("p", 2)]),
    ("local n\nreturn function(...)\nn = ... end", &[("n", 3)]),
    ("local n\nreturn function(x)\nif x then goto out end\nn = 1\n::out:: end", &[("n", 4)]),
    ("local n\nreturn function()\nlocal function f() n = 1 end\nn = 2 end", &[("n", 3)]),
    ("local n\nreturn function()\nn = 2\nlocal function f() n = 1 end end", &[("n", 3)]),
    ("local a, b\nreturn function(f)\na, b = f() end", &[("a", 3), ("b", 3)]),
    ("local n\nreturn function()\ndo local n = 1; n = 2 end\nn = 3 end", &[("n", 4)]),
    ("local t, n = {}\nreturn function() t.x,\nn = 1, 2 end", &[("n", 3)]),
    ("local n\nreturn function() n = function() return n end end", &[("n", 2)]),
    ("local n\nreturn function(x)\nif x then n = 1\nelse n = 2 end end", &[("n", 3)]),
    ("local a, b, c\nreturn function()\nc = 1\nb = 2 end", &[("c", 3), ("b", 4)]),
    ("local n\nreturn function() local m = n\nn = m end", &[("n", 3)]),
    ("local n\nreturn function() do do do\nn = 1 end end end end", &[("n", 3)]),
    ("local n\nreturn function()\nlocal m\nm, n = 1 end", &[("n", 4)]),
    ("local n\nreturn function() local _ENV = {}\nn = m end", &[("n", 3)]),
    ("local n\nreturn function() ::again::\nn = 1 goto again end", &[("n", 3)]),
    ("local n\nreturn function() n = bit32\nn.x = 1 end", &[("n", 2)]),
    ("local n\nreturn function() for _ in next, {} do\nn = 1 break end end", &[("n", 3)]),
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
    "local t = {} return function() function t:m() self.n = 1 end end",
    "local n return function() return {n = n} end",
    "local n return function() local function n() end; return n end",
    "local n return function() return function(n) n = 1 end end",
    "local t = {} return function() rawset(t, 'n', 1) end",
    "local t = {} return function() local _ENV = t; n = 1 end",
    "local t = {} return function() t.a, t.b = 1, 2 end",
    "local n = 0 local function g() n = n + 1 end return function() g() return n end",
    "local n return function() do local n; n = 1 end return n end",
    "local n return function() n.x, n.y = n.y, n.x end",
    "local m = n return function() n = m end",
    "local n return function() local t = {}; t.n, t[n] = n, n end",
    "local function n() end return function() function m() n() end end",
    "local t = {} return function() t[#t + 1] = t end",
    "local n return function() return function() return function() local n; n = 1 end end end",
    "local n; local f = function() n = 1 end; return function() return f end",
    "local n return function() while n do local n = n; n = nil break end end",
    "_ENV.n = nil local m = n return function() _ENV.n = m end",
    "local t = {} return function() goto set ::set:: t.n = 1 end",
];

holds_for_dumps!();
holds_for_dumps_with_env!();
