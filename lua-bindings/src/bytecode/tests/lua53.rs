//! The dumps of Lua 5.3.

use super::version::{Version, Writer};

pub(super) const VERSION: Version = Version {
    name: "lua53",
    dumps: include_bytes!("dumps/lua53.dumps"),
    writers: WRITERS,
    look_alikes: LOOK_ALIKES,
    has_env: true,
};

/// Each script returns a closure; it assigns these variables, first on these lines.
const WRITERS: &[Writer] = &[
    ("local n = 0\nreturn function() n = n + 1 end", &[("n", 2)]),
    ("local n\nreturn function()\nreturn function() n = 5 end end", &[("n", 3)]),
    ("local n = 9\nreturn function() while n > 0 do\nn = n - 1 end end", &[("n", 3)]),
    ("local n = 0\nreturn function() for i = 1, 9 do\nn = n + i end end", &[("n", 3)]),
    ("local n = 0\nreturn function() repeat n = n + 1 until n > 9 end", &[("n", 2)]),
    ("local a, b = 1, 2\nreturn function() a, b = b, a end", &[("a", 2), ("b", 2)]),
    ("local n\nreturn function(x) if x then\nn = nil end end", &[("n", 3)]),
    ("for i = 1, 1 do\nreturn function() i = 2 end end", &[("i", 2)]),
    ("local n\nreturn function(...)\nn = ... end", &[("n", 3)]),
    ("local n\nreturn function() return coroutine.wrap(function()\nn = 1 end) end", &[("n", 3)]),
    ("local n\nreturn function(x)\nif x then goto out end\nn = 1\n::out:: end", &[("n", 4)]),
    ("local n\nreturn function()\nn = 2\nlocal function f() n = 1 end end", &[("n", 3)]),
    ("local function f()\nf = nil end\nreturn f", &[("f", 2)]),
    ("local n\nreturn function(a, b)\nn = a and b or a == b end", &[("n", 3)]),
    ("local n\nreturn function()\nn = 1.5 end", &[("n", 3)]),
    ("local n\nreturn function(x) n = {x, y = x} end", &[("n", 2)]),
    ("local n\nreturn function() return pcall(function()\nn = 1 end) end", &[("n", 3)]),
    ("local self = {}\nreturn function(other)\nself = other end", &[("self", 3)]),
    ("local n\nlocal function f() n = 1 end\nreturn function() n = 2\nf() end", &[("n", 3)]),
    ("local n\nreturn function(...)\nlocal t = {...}\nn = #t end", &[("n", 4)]),
    ("local n = 1\nreturn function() n = -n end", &[("n", 2)]),
    ("local n = 7\nreturn function() n = n // 2 end", &[("n", 2)]),
    ("local n = 7\nreturn function()\nn = n & 3 | ~n << 1 end", &[("n", 3)]),
    ("local n = 1 << 40\nreturn function()\nn = 1 << 41 end", &[("n", 3)]),
    (
        "local a, b, c, d return function() local x = a, b, c, d\nd = 1\nb = 1\nb = 2\nd = 2 end",
        &[("b", 3), ("d", 2)],
    ),
    ("local n\nreturn function() while true do\nn = 1 if n then break end end end", &[("n", 3)]),
];

/// Each script returns a closure that assigns nothing it has captured.
const LOOK_ALIKES: &[&str] = &[
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
    "local n return function() local function n() end; return n end",
    "local n return function() repeat local n = 1; n = 2 until n end",
    "local t = {} return function() local _ENV = t; n = 1 end",
    "local function f(i) if i > 0 then return f(i - 1) end end return f",
    "local n return function() do local n; n = 1 end return n end",
    "return function(...) local n = ...; local f = function() n = n + 1 end; f() end",
    "local n return function() return n == 1 end",
    "local n return function(x) local n = n; n = x; return n end",
    "local n return function() if n then local n = 2; n = 3 end end",
    "local n return function(...) local n = select('#', ...); n = n * 2; return n end",
    "local n return function() return (function(n) n = 1; return n end)(n) end",
    "local a, b return function() local c = a; c = b end",
    "_ENV.n = nil local m = n return function() _ENV.n = m end",
    "local n = 5 return function() local m = n // 2; m = m & 1; return m end",
    "local n return function() for k, n in pairs({}) do n = 1 end end",
    "local t = {} return function() t.n = function() local t = 1; t = 2 end end",
];

holds_for_dumps!();
holds_for_dumps_with_env!();
