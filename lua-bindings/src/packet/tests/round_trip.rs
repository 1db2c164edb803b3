//! Values as bytes arrive as they left.

use mlua::{Function, MultiValue};

use super::{CODE, DATA, Home, Trust};
use crate::packet::face::Packet;

/// Sends what `source` returns as bytes to another state, and calls `check` there with what has arrived.
fn arrives(source: &str, check: &str) {
    let (here, there) = (Home::new(), Home::new());
    let bytes = here.bytes(source);
    let packet = Packet::from_bytes(&bytes, Trust::Code).expect(source);
    assert_eq!(packet.to_bytes().unwrap(), bytes, "the same bytes again: {source}");
    let values: MultiValue = packet.decode(&there.lua).expect(source);
    let check: Function = there.eval(&format!("return function(...) {check} end"));
    check.call::<()>(values).expect(source);
}

#[test]
fn plain_values() {
    arrives("return", "assert(select('#', ...) == 0)");
    arrives("return nil", "assert(select('#', ...) == 1 and ... == nil)");
    arrives("return nil, nil", "assert(select('#', ...) == 2)");
    arrives("return true", "assert(... == true)");
    arrives("return false", "assert(... == false)");
    arrives("return ''", "assert(... == '')");
    arrives(
        "return 'a\\0b', ('x'):rep(70000)",
        "local a, b = ... assert(a == 'a\\0b' and b == ('x'):rep(70000))",
    );
    for number in ["0", "-1", "63", "64", "-65", "2^31", "-2^31", "2^53", "0.1", "5e-324", "1/0", "-1/0"] {
        arrives(&format!("return {number}"), &format!("assert(... == {number})"));
    }
    arrives("return 0/0", "assert(... ~= ...)");
    arrives("return -0.0", "assert(1 / ... == -1/0)");
}

#[cfg(any(feature = "lua53", feature = "lua54", feature = "lua55"))]
#[test]
fn integers_and_floats_stay_apart() {
    for number in ["1", "1.0", "math.maxinteger", "math.mininteger", "2^63", "-2^63"] {
        let same = format!("local n = ... assert(n == {number} and math.type(n) == math.type({number}))");
        arrives(&format!("return {number}"), &same);
        arrives(&format!("return {number}, 0"), &same);
    }
}

#[test]
fn tables() {
    arrives(
        "return {1, 'two', {3}, false, name = 'n', [true] = 1, [-1] = 2, [1.5] = 3, nested = {{{}}}}",
        "local t = ... assert(t[1] == 1 and t[2] == 'two' and t[3][1] == 3 and t[4] == false and t.name == 'n')
         assert(t[true] == 1 and t[-1] == 2 and t[1.5] == 3 and type(t.nested[1][1]) == 'table')",
    );
    arrives(
        "local t = {} t.self = t t[t] = 'key' return t, {t, t}",
        "local t, u = ... assert(t.self == t and t[t] == 'key' and u[1] == t and u[2] == t)",
    );
    arrives(
        "local meta = {__index = {x = 1}} return setmetatable({}, meta), setmetatable({}, meta)",
        "local a, b = ... assert(a.x == 1 and getmetatable(a) == getmetatable(b))",
    );
    arrives(
        "local chain for i = 1, 10000 do chain = {next = chain, i = i} end return chain",
        "local chain = ... for i = 10000, 1, -1 do assert(chain.i == i) chain = chain.next end assert(chain == nil)",
    );
}

#[test]
fn functions() {
    arrives("return function(a, b) return a + b end", "assert((...)(40, 2) == 42)");
    if cfg!(not(feature = "lua51")) {
        arrives(
            "local n = 0 return function() n = n + 1 end, function() return n end",
            "local add, get = ... add() add() assert(get() == 2)",
        );
    }
    arrives("local t = {} function t.self() return t end return t", "local t = ... assert(t.self() == t)");
    arrives(
        "limit = 10 function over(n) return n > limit end return function(n) return over(n) end",
        "local f = ... assert(f(11) and not f(10))",
    );
    arrives(
        "local floor = math.floor return {f = function(n) return floor(n) end, s = string, p = print}",
        "local t = ... assert(t.f(2.5) == 2 and t.s == string and t.p == print)",
    );
    arrives(
        "local Class = {} Class.__index = Class function Class:get() return self.x end return setmetatable({x = 7}, Class)",
        "assert((...):get() == 7)",
    );
    arrives(
        "local f = function() return 0 end for i = 1, 1000 do local g = f f = function() return g, i end end return f",
        "local f = ... for i = 1000, 1, -1 do local g, n = f() assert(n == i) f = g end assert(f() == 0)",
    );
}

#[test]
fn the_code_of_many_functions_goes_once() {
    let home = Home::new();
    let body = "return ('a long constant that is in each'):rep(".to_owned() + &"1 + ".repeat(200) + "i)";
    let one = home.bytes(&format!("local i = 1 return function() {body} end")).len();
    let many =
        home.bytes(&format!("local t = {{}} for i = 1, 100 do t[i] = function() {body} end end return t"));
    assert!(many.len() < one + 100 * 20, "{one} for one, {} for a hundred", many.len());
    // More kinds of code than the encoder looks for, twice.
    let kinds = "local kinds = {} for k = 1, 100 do kinds[k] = (loadstring or load)('return function() return ' .. k .. ' end') end
        local t = {} for i = 0, 199 do t[#t + 1] = kinds[i % 100 + 1]() end return t";
    let packet = Packet::from_bytes(&home.bytes(kinds), Trust::Code).unwrap();
    let functions: Vec<Function> = packet.decode(&home.lua).unwrap();
    for (i, function) in functions.iter().enumerate() {
        assert_eq!(function.call::<usize>(()).unwrap(), i % 100 + 1);
    }
    let twice = home.bytes(kinds).len();
    let once = home.bytes(&kinds.replace("0, 199", "0, 99")).len();
    assert!(twice < once + 100 * 20, "{once} for each once, {twice} for each twice");
}

#[test]
fn everything_in_the_corpus_can_be_sent_on() {
    let (here, there) = (Home::new(), Home::new());
    for source in DATA.iter().chain(CODE) {
        let bytes = here.bytes(source);
        let packet = Packet::from_bytes(&bytes, Trust::Code).expect(source);
        assert_eq!(packet.to_bytes().unwrap(), bytes);
        let values: MultiValue = packet.decode(&there.lua).expect(source);
        let again = Packet::encode(&there.lua, values).expect(source);
        again.decode::<()>(&here.lua).expect(source);
    }
}
