//! What packets promise as bytes, and what the decoder promises whatever the bytes.
#![cfg(any(feature = "backend-threads", feature = "backend-tokio"))]

mod decoder;
mod hand_made;
mod header;
mod mutations;
mod round_trip;
mod trust;

use mlua::{FromLuaMulti, Lua, MultiValue};

use super::face::Packet;
use super::{Flat, Trust, WireError};
use crate::Goroutines;

/// A runtime and a home state of it.
struct Home {
    lua: Lua,
    _goroutines: Goroutines,
}

impl Home {
    fn new() -> Self {
        let goroutines = Goroutines::builder().isolates(1).build().unwrap();
        let lua = crate::new_state();
        goroutines.install(&lua).unwrap();
        Self { lua, _goroutines: goroutines }
    }

    fn eval<R: FromLuaMulti>(&self, source: &str) -> R {
        self.lua.load(source).set_name("@test.lua").eval().expect(source)
    }

    /// The packet of what this script returns.
    fn packet(&self, source: &str) -> Packet {
        Packet::encode(&self.lua, self.eval::<MultiValue>(source)).expect(source)
    }

    fn bytes(&self, source: &str) -> Vec<u8> {
        self.packet(source).to_bytes().expect(source)
    }
}

/// Scripts that return data.
const DATA: &[&str] = &[
    "return",
    "return nil",
    "return false",
    "return -3",
    "return 2.5",
    "return 'text', nil, true, 0/0, -1/0, 2^53, 1e300, -0.0, 123456789",
    "return ('long'):rep(1000)",
    "return {}, {{}}, {{{}, {}}}",
    "return {1, 2, {3, 'four', {false}}, name = 'n', [1.5] = 'x', [true] = {}, [-7] = 1, [{}] = 'k'}",
    "local t = {name = 't'} t.self = t t[t] = {t, t} return t, {t}",
    "local shared = {1} return {a = shared, b = shared, [shared] = shared}",
    "return setmetatable({1, x = 2}, {__index = {y = 3}, __mode = 'k', __metatable = 'locked'})",
    "local t = setmetatable({}, {__gc = true, __name = 'it'}) getmetatable(t).__index = t return t",
    "local list = {} for i = 1, 300 do list[i] = i % 3 == 0 and 'fizz' or i end return list",
    "local records = {} for i = 1, 40 do records[i] = {id = i, name = 'record ' .. i} end return records",
    "local t = {} for i = 1, 250 do t['k' .. i] = 'k' .. i end return {t, {k1 = 'k250'}}",
    "local chain for i = 1, 200 do chain = {next = chain, i} end return chain",
    "local chain = {} for i = 1, 100 do chain = setmetatable({i}, {chain}) end return chain, chain",
    "local keyed = 'end' for i = 1, 120 do keyed = {[keyed] = i} end return keyed",
];

/// Scripts that return functions and names, too.
const CODE: &[&str] = &[
    "return function() return 1 end",
    "local n = 0 return function() n = n + 1 return n end, function() return n end",
    "local t = {} function t.f(x) return t, x end t.g = t.f return t",
    "local function fact(n) return n < 2 and 1 or n * fact(n - 1) end return fact",
    "helper = function(x) return x + base end base = 10 return function() return helper(1), print end",
    "broken = coroutine.create(function() end) return function() return broken end",
    "return function() return _G end, _G",
    "local s = {string, math.floor, io.stdout, [print] = require} return s, function() return s end",
    "local f = function() return 1 end local c = f for i = 1, 120 do local d = c c = {function() return d, i end} end return c",
    "local c for i = 1, 100 do local d = c c = function() d = d or i return d end end return c",
    "local Class = {} Class.__index = Class function Class:get() return self.x end
     return setmetatable({x = 5}, Class), setmetatable({x = 6}, Class)",
    "local list = {} for i = 1, 90 do list[i] = (loadstring or load)('return ' .. i % 70) end return list",
];

/// The packet that these bytes would be with a header that fits them: that of a genuine packet, but for length and
/// checksum.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut wire = genuine_header();
    wire[10..18].copy_from_slice(&(body.len() as u64).to_le_bytes());
    let mut sum = crc32fast::Hasher::new();
    sum.update(&wire[..18]);
    sum.update(body);
    wire[18..22].copy_from_slice(&sum.finalize().to_le_bytes());
    wire.extend_from_slice(body);
    wire
}

fn genuine_header() -> Vec<u8> {
    let mut wire = super::wire::to_wire(&super::Packet::Empty).unwrap();
    wire.truncate(22);
    wire
}

/// The packet of these flat bytes, without numbered strings, from a sender that may send data.
fn data(flat: &[u8]) -> Result<Packet, WireError> {
    Packet::from_bytes(&sealed(&[&[0, 0], flat].concat()), Trust::Data)
}

/// Marsaglia's xorshift64: the same numbers on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// Changes bytes in one of the ways in which bytes go wrong, or are made to.
    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                bytes.push(self.below(256) as u8);
            }
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.below(256) as u8,
                // A tag, or a small number.
                2 => bytes[at] = self.below(20) as u8,
                3 => bytes.truncate(at),
                4 => bytes.insert(at, self.below(20) as u8),
                5 => drop(bytes.drain(at..(at + self.below(9) + 1).min(bytes.len()))),
                // A count that nothing meets.
                6 => {
                    let end = (at + 4).min(bytes.len());
                    bytes[at..end].fill([0xff, 0x7f, 0x80][self.below(3)]);
                }
                _ => {
                    let from = self.below(other.len());
                    let end = (from + self.below(30)).min(other.len());
                    bytes.splice(at..at, other[from..end].iter().copied());
                }
            }
        }
    }
}
