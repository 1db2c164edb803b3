//! Goroutines, on each backend.

use std::time::Instant;

use super::{Round, Row, Unit};
use crate::{BACKENDS, Home};

/// Code that gives a function of how many, the isolates it wants, and how many it is called with; 0 for one thing.
fn code(question: &str) -> Option<(&'static str, usize, u32)> {
    Some(match question {
        "start" => (
            "local function work() end
            return function(n) for _ = 1, n do goroutine.spawn(work) end goroutine.wait_all() end",
            2,
            50_000,
        ),
        "await" => (
            "local function work(x) return x, x + 1 end
            return function(n)
                local all = {}
                for i = 1, n do all[i] = goroutine.async(work, i) end
                for i = 1, n do all[i]:await() end
            end",
            2,
            50_000,
        ),
        "pool" => (
            "goroutine.pool_create('p', { workers = 2, queue = 1024 })
            return function(n)
                for i = 1, n do goroutine.pool_submit('p', function() return i end) end
                goroutine.pool_wait('p')
            end",
            2,
            50_000,
        ),
        "pool-statistics" => (
            "goroutine.pool_create('p', { workers = 2, queue = 1024 })
            return function(n)
                local over = goroutine.atomic_int()
                local reader = goroutine.async(function()
                    while over:load() == 0 do goroutine.pool_stats('p') goroutine.yield() end
                end)
                for i = 1, n do goroutine.pool_submit('p', function() return i end) end
                goroutine.pool_wait('p')
                over:store(1)
                reader:await()
            end",
            2,
            20_000,
        ),
        "stream" => (
            "return function(n)
                local channel = goroutine.channel(1024)
                goroutine.spawn(function() for i = 1, n do channel:send(i) end end)
                goroutine.async(function() for _ = 1, n do channel:receive() end end):await()
            end",
            2,
            200_000,
        ),
        "ping-pong" => (
            "return function(n)
                local there, back = goroutine.channel(), goroutine.channel()
                local other = goroutine.async(function() for _ = 1, n do back:send((there:receive())) end end)
                goroutine.async(function() for i = 1, n do there:send(i) back:receive() end end):await()
                other:await()
            end",
            1,
            20_000,
        ),
        // Both compute until the other has begun, and so are in two isolates from then on.
        "ping-pong-between" => (
            "return function(n)
                local there, back, begun = goroutine.channel(), goroutine.channel(), goroutine.atomic_int()
                local function begin()
                    begun:add(1)
                    local limit = os.clock() + 5
                    while begun:load() < 2 do assert(os.clock() < limit, 'both are in one isolate') end
                end
                local other = goroutine.async(function()
                    begin()
                    for _ = 1, n do back:send((there:receive())) end
                end)
                local first = goroutine.async(function()
                    begin()
                    for i = 1, n do there:send(i) back:receive() end
                end)
                assert(first:await())
                assert(other:await())
            end",
            2,
            2_000,
        ),
        "timers" => (
            "return function(n)
                goroutine.spawn_many(1000, function() for _ = 1, n do goroutine.sleep(1) end end)
                goroutine.wait_all()
            end",
            2,
            10,
        ),
        "cpu" => (
            "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
            return function()
                for _, handle in ipairs(goroutine.spawn_many(8, function() return fib(27) end)) do handle:await() end
            end",
            2,
            0,
        ),
        "table" => (
            "local records = {}
            for i = 1, 1000 do
                records[i] = { id = i, name = 'record ' .. i, tags = { 'red ' .. i, 'green ' .. i, 'blue ' .. i } }
            end
            local out, back = goroutine.channel(1), goroutine.channel(1)
            goroutine.spawn(function() for value in out:iter() do back:send(value) end end)
            return function() out:send(records) assert(#back:receive() == 1000) end",
            2,
            0,
        ),
        _ => return None,
    })
}

pub(super) fn rows(question: &str) -> Vec<Row> {
    let Some((code, isolates, count)) = code(question) else { return Vec::new() };
    let unit = if count == 0 { Unit::Whole } else { Unit::Each(count) };
    let row = |backend: &'static str| {
        Row::new(backend, unit, move || -> Round {
            let home = Home::new(backend, isolates);
            let function = home.function(&format!("local goroutine = require('goroutine') {code}"));
            Box::new(move || {
                let _home = &home;
                let begin = Instant::now();
                if let Err(error) = function.call::<()>(count) {
                    panic!("{error}");
                }
                begin.elapsed()
            })
        })
    };
    BACKENDS.into_iter().map(row).collect()
}
