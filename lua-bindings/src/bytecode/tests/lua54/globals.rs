//! Globals: which names are used through `_ENV`, and when that can't be known.

use super::super::{analysed, text};

/// Names that are read, names that are assigned, of a function in which `_ENV` stays where it is.
#[track_caller]
fn assert_uses(body: &str, read: &[&str], written: &[&str]) {
    let found = analysed(&format!("return function(...) {body} end"));
    assert!(!found.env_escapes, "{body}");
    assert_eq!(text(&found.globals_read), read, "{body}");
    assert_eq!(text(&found.globals_written), written, "{body}");
}

/// More constants than the operand of one instruction can count, so that every name that comes after is far.
fn padding(count: usize) -> String {
    let strings: String = (0..count).map(|number| format!("'pad{number}',")).collect();
    format!("local pad = {{{strings}}};")
}

#[test]
fn globals_are_those_read_called_and_assigned() {
    assert_uses("print(x)", &["print", "x"], &[]);
    assert_uses("x = y; y = 1", &["y"], &["x", "y"]);
    assert_uses("x = x + 1", &["x"], &["x"]);
    assert_uses("return a.b.c, a:d()", &["a"], &[]);
    assert_uses("function f() end", &[], &["f"]);
    assert_uses("function m.f() end", &["m"], &[]);
    assert_uses("local x = 1; return x", &[], &[]);
    assert_uses("return _ENV.x, _ENV['y']", &["x", "y"], &[]);
    assert_uses("_ENV.x, _ENV['y'] = 1", &[], &["x", "y"]);
    assert_uses("return t.field, 'constant'", &["t"], &[]);
}

#[test]
fn globals_of_nested_functions_count() {
    assert_uses("return function() return function() return x end end", &["x"], &[]);
    assert_uses("local function f() y = 1 end; return f, x", &["x"], &["y"]);
}

#[test]
fn a_local_env_has_no_globals() {
    assert_uses("local _ENV = {}; x = y", &[], &[]);
    assert_uses("local _ENV <const> = {}; return function() x = y end", &[], &[]);
    assert_uses("return function(_ENV) return x end", &[], &[]);
    assert_uses("local function f(_ENV) return function() return x end end; return z", &["z"], &[]);
    assert_uses("do local _ENV = {x = a}; x = y end return b", &["a", "b"], &[]);
}

#[test]
fn env_in_a_local_is_followed() {
    assert_uses("local _ENV = _ENV; x = y", &["y"], &["x"]);
    assert_uses("local e = _ENV; e.x = 1; if a then return e.y end", &["a", "y"], &["x"]);
    assert_uses("local e = _ENV; for i = 1, 9 do e.x = i end", &[], &["x"]);
    // The next turn of the loop sees what this one has put there.
    assert_uses("local e = {}; while a do e.x = 1; e = _ENV end", &["a"], &["x"]);
    assert_uses("local e = {}; for k in next, {} do e.x = 1; e = _ENV end", &["next"], &["x"]);
    assert_uses("local e = _ENV; e = {}; return e", &[], &[]);
}

#[test]
fn env_used_in_any_other_way_escapes() {
    for body in [
        "return _ENV",
        "return 1, _ENV",
        "f(_ENV)",
        "f(1, _ENV, g())",
        "return f(_ENV)",
        "return _ENV[k]",
        "_ENV[k] = 1",
        "_ENV[1] = 1",
        "return _ENV[1]",
        "_ENV[1.5] = 1",
        "_ENV[_ENV] = 1",
        "_ENV.x = _ENV",
        "t.e = _ENV",
        "t[1] = _ENV",
        "t[k] = _ENV",
        "return {_ENV}",
        "return {e = _ENV}",
        "return {_ENV, f()}",
        "_ENV = {}",
        "_ENV:f()",
        "local e = _ENV; local d = e; d.x = 1",
        "local e = _ENV; return function() return e.x end",
        "local e; local function f() return e.x end; e = _ENV; f()",
        "local e; local function f() e = _ENV end; f(); return e.x",
        "for k in pairs(_ENV) do end",
        "for k in next, _ENV do end",
        "setmetatable({}, {__index = _ENV})",
        "return coroutine.yield(_ENV)",
        "return #_ENV",
        "return _ENV .. 'x'",
        "return 'x' .. 'y' .. _ENV",
        "return _ENV == t",
        "return _ENV < t",
        "return not _ENV",
        "return _ENV + 1",
        "return 1 + _ENV",
        "return _ENV // t",
        "return _ENV and x",
        "return x or _ENV",
        "local e <close> = _ENV",
        "for i = 1, _ENV do end",
        "return function() return function() return _ENV end end",
        "while x do local e = _ENV; f(function() e.y = 1 end) end",
        "local e = {}; while x do f(e); e = _ENV end",
        "local e, k = _ENV; local function f() k = 'z' end; k = 'y'; f(); return e[k]",
        "local e, k = _ENV, 'y'; local function f() k = 'z' end; f(); return e[k]",
        "local e, k; local function f() k = 'z' end; e = _ENV; k = 'y'; f(); return e[k]",
    ] {
        assert!(analysed(&format!("return function(...) {body} end")).env_escapes, "{body}");
        // Beyond a few constants the same, by other instructions.
        let far = format!("return function(...) {} {body} end", padding(300));
        assert!(analysed(&far).env_escapes, "far: {body}");
    }
}

#[test]
fn where_env_escapes_every_string_that_could_be_a_name_is_taken_for_one() {
    let found = analysed(
        "local up
        return function(t)
            local before = 'outside'
            local function inner(key)
                local name = 'inside'
                return _ENV[key], function() return 'below' end
            end
            x = 1
        end",
    );
    assert_eq!(text(&found.globals_read), ["below", "inside"]);
    assert_eq!(text(&found.globals_written), ["x"]);

    // What is in a captured variable can turn up anywhere.
    let found = analysed("local up return function() return 'outside', function() up = _ENV end end");
    assert_eq!(text(&found.globals_read), ["outside"]);

    let found = analysed("return function() _ENV = {}; return 'replaced' end");
    assert_eq!(text(&found.globals_read), [] as [&str; 0]);
}

/// Bodies in which the far form of an access must be told from an escape.
const FAR: &[&str] = &[
    "return x",
    "x = 1",
    "x = y",
    "x, y, z = 1, 2",
    "x, y = y, x",
    "x, y, z = f()",
    "f(x, y)(z)",
    "x = a and b or c",
    "x = a == b",
    "x = not (a < b) and c",
    "x.y.z = a.b.c",
    "x[y] = z",
    "x[y], x[z] = z, y",
    "return a:b(c:d(e))",
    "function f() return x end",
    "function m.f(a) return a + x end",
    "local function f() y = x end",
    "for i = a, b, c do x = x + i; f(i) end",
    "for k, v in pairs(x) do y = k; f(function() return v end) end",
    "while x do x = y; if z then break end end",
    "repeat local v = x; f(function() return v end); y = 1 until v",
    "if a then x = 1 elseif b then y = 2 else z = 3 end return c",
    "goto over; ::back:: x = 1; do return end ::over:: y = 1; goto back",
    "do local u = 1; f(function() u = 2 end) end x = y; local w = z; return w",
    "do local u, v, w; f(function() u, v, w = 1 end) end x, y = a.b.c, z",
    "return {x, y, [z] = a, b = c, f()}",
    "return x .. y .. z, #a, -b, ~c",
    "local v <close> = x; y = v",
    "x = function(...) return y, ... end",
    "x, y[z], a.b = ...",
    "return f(...)",
    "local u; f(function() u = 1 end); u = x; x = u",
    "for i = 1, 3 do local u = i; f(function() return u end) end x = y for i = 1, 3 do z = i end",
    // A register in which one statement leaves `_ENV` is set by the next in a way of its own.
    "x = 1; local function again() return again() end; return again",
    "a[1], x, y = 1, 2, 3; for i = b, c do f(i) end",
    "x, y, z = 1, 2, 3; for k, v in next, b do f(k, v) end",
    "x, y, z = 1, 2, 3; local p, q, r = f(); return p + q + r",
    "x, y, z = 1, 2, 3; local p, q, r = ...; return p + q + r",
    "local p, q = f(); x, y = 1, 2; local r = p or q; return r",
    "local o = a; b[1], x = 1, 2; o:d(1)",
    "a_name_of_more_than_forty_bytes_is_not_in_the_instruction = another_name_of_more_than_forty_bytes_here",
];

#[test]
fn a_name_that_does_not_fit_the_instruction_is_a_name_all_the_same() {
    for body in FAR {
        let near = analysed(&format!("return function(...) {body} end"));
        assert!(!near.env_escapes, "{body}");
        assert!(near.globals_read.len() + near.globals_written.len() > 0, "{body}");
        let far = analysed(&format!("return function(...) {} {body} end", padding(300)));
        assert!(!far.env_escapes, "far: {body}");
        assert_eq!(text(&far.globals_read), text(&near.globals_read), "far: {body}");
        assert_eq!(text(&far.globals_written), text(&near.globals_written), "far: {body}");
    }
}

#[test]
fn a_function_of_many_statements_with_far_names_is_read_exactly() {
    let body: String =
        FAR.iter().map(|body| format!("do local function part(...) {body} end end ")).collect();
    // All in one function: what one statement leaves in its registers meets the loops and calls of the next.
    let flat: String =
        FAR.iter().filter(|body| !body.contains("::")).map(|body| format!("if q then {body} end ")).collect();
    let near = analysed(&format!("return function(...) local q; {body} {body} end"));
    let far =
        analysed(&format!("return function(...) local q; {} while q do {flat} end {flat} end", padding(300)));
    assert!(!near.env_escapes && !far.env_escapes);
    let read: Vec<_> = near.globals_read.iter().filter(|name| ***name != *b"v").collect();
    assert_eq!(read, far.globals_read.iter().collect::<Vec<_>>());
    assert_eq!(near.globals_written, far.globals_written);
}

#[test]
fn names_beyond_the_reach_of_a_wide_operand_are_found() {
    let script = format!("return function() {} x = y end", padding((1 << 17) + 10));
    let found = analysed(&script);
    assert!(!found.env_escapes);
    assert_eq!(text(&found.globals_read), ["y"]);
    assert_eq!(text(&found.globals_written), ["x"]);
}
