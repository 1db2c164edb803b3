//! Very deep and very large values cross, to a goroutine and as bytes: nothing recurses.
#![cfg(test)]
#![cfg(any(feature = "backend-smol", feature = "backend-threads", feature = "backend-tokio"))]

use goroutine::{Goroutines, Packet, Trust};
use mlua::{Function, Lua, Value};

/// A runtime, and the states at both ends.
struct Ends {
    here: Lua,
    there: Lua,
    _goroutines: Goroutines,
}

impl Ends {
    fn new() -> Self {
        let goroutines = Goroutines::builder().isolates(1).build().unwrap();
        let [here, there] = [(); 2].map(|()| {
            let lua = goroutine::new_state();
            goroutines.install(&lua).unwrap();
            lua
        });
        Self { here, there, _goroutines: goroutines }
    }

    /// What the script returns crosses. `check` is a function that sees to it that it is what it was.
    fn cross(&self, script: &str, check: &str) {
        let value: Value = self.here.load(script).eval().unwrap();
        let packet = Packet::encode(&self.here, &value).unwrap();
        let checker: Function = self.here.load(check).eval().unwrap();
        let start = "local check, value = ...
            local goroutine = require('goroutine')
            local ok, err = goroutine.await(goroutine.async(check, value))
            if not ok then error(err, 0) end";
        self.here.load(start).call::<()>((checker, value)).unwrap();
        let bytes = packet.to_bytes().unwrap();
        drop(packet);
        let arrived: Value = Packet::from_bytes(&bytes, Trust::Data).unwrap().decode(&self.there).unwrap();
        let checker: Function = self.there.load(check).eval().unwrap();
        checker.call::<()>(arrived).unwrap();
    }
}

#[test]
fn a_list_a_million_deep() {
    Ends::new().cross(
        "local list for i = 1, 1000000 do list = {next = list, i = i} end return list",
        "return function(list)
            for i = 1000000, 1, -1 do
                if list.i ~= i then error(i .. ' expected, got ' .. tostring(list.i)) end
                list = list.next
            end
            if list ~= nil then error('it goes on') end
        end",
    );
}

#[test]
fn a_string_of_200_megabytes() {
    Ends::new().cross(
        "return ('0123456789abcdef'):rep(200 * 1024 * 1024 / 16)",
        "return function(text)
            if text ~= ('0123456789abcdef'):rep(200 * 1024 * 1024 / 16) then error(#text .. ' other bytes') end
        end",
    );
}
